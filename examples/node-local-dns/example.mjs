import { Cluster } from 'netsim';

const cluster = await Cluster.load({ files: ['../kubia/kubia.yaml', 'node-local-dns.yaml'] });
const lookUp = (name) => cluster.lookup({ from: 'pod-a', name }).answers.join(', ') || 'not found';

console.log(`kubia: ${lookUp('kubia')}`);
const { stdout } = await cluster.exec('node/w1-k8s', ['conntrack', '-L', '-p', 'udp']);
console.log(
  `queries to 10.96.0.10 that the node tracks: ${stdout.split('\n').filter((line) => line.includes('dst=10.96.0.10')).length}`,
);

cluster.scale('deploy/coredns.kube-system', 0);
console.log(`kubia, without CoreDNS: ${lookUp('kubia')}, from the cache`);

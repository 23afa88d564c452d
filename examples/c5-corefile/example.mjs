import { Cluster } from 'netsim';

const cluster = await Cluster.load({ files: ['pods.yaml'] });
for (const { metadata } of cluster.store.list('Pod', 'kube-system')) {
  cluster.setReady(`${metadata.name}.kube-system`, false);
}
const { queries, error, elapsedMs } = cluster.lookup({ from: 'client', name: 'kubia' });
for (const { at, name, type, rcode } of queries) console.log(`${at} ms: ${name} ${type}: ${rcode}`);
console.log(`${error} after ${elapsedMs} ms`);
const [path] = cluster.trace({ from: 'client', to: 'kubia:80', dns: true }).paths;
console.log(`${path.disposition}: ${path.reason}`);

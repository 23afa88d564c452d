import { Cluster } from 'netsim';

const cluster = await Cluster.load({ files: ['set.yaml'] });
const name = 'a-0.foo.default.svc.cluster.local';
const address = () => cluster.lookup({ from: 'dnsutils', name }).answers.join(', ');

console.log(`${name}: ${address()}`);
cluster.delete('pod/a-0');
cluster.clock.advance('1m'); // CoreDNS keeps an answer for half a minute
console.log(`${name}: ${address()} after the pod was deleted and made again`);
console.log(`pod a-0 has ${cluster.pod('a-0').ip}`);

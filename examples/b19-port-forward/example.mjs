import { Cluster } from 'netsim';

const cluster = await Cluster.load({ files: ['../kubia/kubia.yaml'] });
const forward = cluster.portForward('svc/kubia', 80);
console.log(`Forwarding to pod ${forward.pod.name}, port ${forward.port}`);
for (let i = 0; i < 3; i++) console.log((await (await forward.fetch('/')).text()).trimEnd());

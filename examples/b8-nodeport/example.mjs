import { Cluster } from 'netsim';

const cluster = await Cluster.load({ files: ['local.yaml', 'uneven.yaml'] });
const shares = new Map();
for (const { backend, probability } of cluster.trace({ from: 'external', to: 'svc/uneven', allPaths: true }).paths) {
  const { node } = cluster.pod(backend.name);
  shares.set(`${backend.name} on ${node}`, (shares.get(`${backend.name} on ${node}`) ?? 0) + probability);
}
for (const [pod, share] of [...shares].sort()) console.log(`${pod}: ${(share * 100).toFixed(0)}%`);

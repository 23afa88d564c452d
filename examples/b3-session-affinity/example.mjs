import { Cluster } from 'netsim';

const cluster = await Cluster.load({ files: ['service.yaml'] });
const backend = () => cluster.trace({ from: 'pod-a', to: 'svc/kubia' }).paths[0].backend.name;
const first = backend();
const same = Array.from({ length: 20 }, backend).filter((name) => name === first).length;
console.log(`the first pod again: ${same} of 20`);
cluster.clock.advance('9m');
console.log('nine minutes later, the first pod again:', backend() === first);
cluster.clock.advance('11m');
const later = new Set(
  Array.from({ length: 20 }, () => {
    cluster.clock.advance('11m');
    return backend();
  }),
);
console.log('eleven minutes between requests, pods seen:', later.size);

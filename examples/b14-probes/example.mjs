import { Cluster } from 'netsim';

const cluster = await Cluster.load({ files: ['probes.yaml'] });
const ready = () => {
  const { paths } = cluster.trace({ from: 'pod/unhealthy', to: 'svc/kubia', allPaths: true });
  return paths.map(({ backend }) => backend.name).join(', ');
};
console.log('traffic goes to:       ', ready());
await cluster.pod('by-file').exec('touch', '/var/ready');
console.log('after touch:           ', ready());
cluster.clock.advance('10s');
console.log('after the next probe:  ', ready());
await cluster.pod('by-file').exec('rm', '/var/ready');
cluster.clock.advance('30s');
console.log('removed, three probes: ', ready());

const state = () => {
  const [{ restartCount, state }] = cluster.pod('unhealthy').object.status.containerStatuses;
  return `${restartCount} restarts, ${state.waiting?.reason ?? 'running'}`;
};
for (const minutes of [1, 1, 1, 1, 1]) {
  cluster.clock.advance(`${minutes}m`);
  console.log(`unhealthy at ${cluster.clock.now / 1000}s:`.padEnd(23), state());
}

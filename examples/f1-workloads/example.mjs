import { Cluster } from 'netsim';

const cluster = await Cluster.load({ files: ['nodes.yaml', 'workloads.yaml'] });
const pods = (app) =>
  cluster.store
    .list('Pod', 'default')
    .filter((pod) => pod.metadata.labels?.app === app)
    .map((pod) => `${pod.metadata.name} ${pod.status.podIP}`)
    .join(', ') || 'none';

cluster.scale('deploy/web', 3);
console.log('web, scaled to 3:    ', pods('web'));
for (const app of ['kubia', 'old', 'db', 'bare']) {
  console.log(`${app}:`.padEnd(21), pods(app));
  cluster.delete(cluster.store.list('Pod', 'default').find((pod) => pod.metadata.labels?.app === app));
  console.log('  one deleted:       ', pods(app));
}
const ssd = cluster.store.get('Node', undefined, 'w2-k8s');
cluster.apply({ ...ssd, metadata: { ...ssd.metadata, labels: { disk: 'ssd' } } });
console.log('w2-k8s gets an ssd:  ', pods('ssd-monitor'));
cluster.clock.advance('31m');
const jobs = cluster.store.list('Job', 'default').filter((job) => job.metadata.name.startsWith('every'));
console.log('after half an hour:  ', jobs.map((job) => job.metadata.name).join(', '));

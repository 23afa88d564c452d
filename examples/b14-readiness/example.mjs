import { Cluster } from 'netsim';

const cluster = await Cluster.load({ files: ['../kubia/kubia.yaml'] });
const pods = cluster.store.list('Pod', 'default').filter((pod) => pod.metadata.labels?.app === 'kubia');
const traffic = () => {
  const trace = cluster.trace({ from: 'pod-a', to: 'svc/kubia', allPaths: true });
  return trace.paths.map((path) => `${path.disposition} ${(path.probability * 100).toFixed(0)}%`).join(', ');
};
console.log('three ready:', traffic());
cluster.setReady(`pod/${pods[0].metadata.name}`, false);
console.log('two ready:  ', traffic());
for (const pod of pods) cluster.setReady(`pod/${pod.metadata.name}`, false);
console.log('none ready: ', traffic());
await cluster
  .pod('pod-a')
  .fetch('http://kubia')
  .catch((error) => console.log('fetch:', error.message));
cluster.setReady(`pod/${pods[2].metadata.name}`, true);
console.log('one again:  ', traffic());

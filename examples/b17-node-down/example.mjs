import { Cluster } from 'netsim';

const cluster = await Cluster.load({ files: ['../kubia/kubia.yaml'] });
const report = (when) => {
  const { paths } = cluster.trace({ from: 'pod-a', to: 'svc/kubia', count: 300 });
  const lost = paths
    .filter((path) => path.disposition !== 'DELIVERED')
    .reduce((sum, path) => sum + path.probability, 0);
  const pods = cluster.store
    .list('Pod', 'default')
    .filter((pod) => pod.metadata.labels?.app === 'kubia' && !pod.metadata.deletionTimestamp);
  const nodes = pods.map((pod) => pod.spec.nodeName).sort();
  console.log(`${when}: lost ${Math.round(lost * 300)} of 300, pods on ${nodes.join(', ')}`);
};
report('before          ');
cluster.node('w2-k8s').stop();
report('w2 stops        ');
cluster.clock.advance('60s');
report('a minute later  ');
cluster.clock.advance('5m');
report('six minutes     ');
cluster.node('w2-k8s').start();
report('w2 is back      ');

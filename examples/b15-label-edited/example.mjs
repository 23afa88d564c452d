import { Cluster } from 'netsim';

const cluster = await Cluster.load({ files: ['../kubia/kubia.yaml'] });
const kubia = () => cluster.store.list('Pod', 'default').filter((pod) => pod.metadata.name.startsWith('kubia-'));
const inService = () =>
  cluster.trace({ from: 'pod-a', to: 'svc/kubia', allPaths: true }).paths.map((path) => path.backend.name);

const edited = kubia()[0];
console.log('pods:', kubia().length, 'in the service:', inService().length);
cluster.apply({ ...edited, metadata: { ...edited.metadata, labels: { app: 'debug' } } });
console.log('pods:', kubia().length, 'in the service:', inService().length);
console.log('the edited pod is in the service:', inService().includes(edited.metadata.name));
const trace = cluster.trace({ from: 'pod-a', to: `pod/${edited.metadata.name}:8080` });
console.log('at its own address:', trace.paths[0].disposition);

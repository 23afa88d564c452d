import { Cluster } from 'netsim';

const versions = (cluster) => {
  const shares = {};
  for (const { backend, probability, disposition } of cluster.trace({ from: 'client', to: 'svc/web', allPaths: true })
    .paths) {
    const version = disposition === 'DELIVERED' ? cluster.pod(backend.name).object.metadata.labels.version : 'lost';
    shares[version] = (shares[version] ?? 0) + probability;
  }
  return Object.entries(shares)
    .sort()
    .map(([version, share]) => `${version} ${(share * 100).toFixed(0)}%`)
    .join(', ');
};
const update = (cluster, edit) => {
  const web = structuredClone(cluster.store.get('Deployment', 'default', 'web'));
  edit(web.spec);
  cluster.apply(web);
};
const watch = (cluster, seconds) => {
  for (let second = 0; second <= seconds; second += 2) {
    console.log(`  after ${String(second).padStart(2)}s: ${versions(cluster)}`);
    cluster.clock.advance('2s');
  }
};

for (const probe of ['with a readiness probe', 'without one']) {
  console.log(`rolling update ${probe}`);
  const cluster = await Cluster.load({ files: ['web.yaml'] });
  if (probe === 'without one') {
    update(cluster, ({ template }) => {
      delete template.spec.containers[0].readinessProbe;
    });
  }
  cluster.clock.advance('1m');
  update(cluster, ({ template }) => {
    template.metadata.labels.version = 'v2';
  });
  watch(cluster, 12);
}

console.log('canary: a rollout paused after its first pod');
const canary = await Cluster.load({ files: ['web.yaml'] });
canary.clock.advance('1m');
update(canary, ({ template }) => {
  template.metadata.labels.version = 'v2';
});
update(canary, (spec) => {
  spec.paused = true;
});
canary.clock.advance('1m');
console.log(`  paused: ${versions(canary)}`);
update(canary, (spec) => {
  delete spec.paused;
});
canary.clock.advance('1m');
console.log(`  resumed: ${versions(canary)}`);

console.log('blue-green: the selector is switched');
const service = (version) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { selector: { app: 'web', version }, ports: [{ port: 80, targetPort: 8080 }] },
});
const both = await Cluster.load({ files: ['web.yaml'] });
const green = structuredClone(both.store.get('Deployment', 'default', 'web'));
green.metadata = { name: 'green' };
delete green.status;
green.spec.selector.matchLabels = { app: 'web', version: 'v2' };
green.spec.template.metadata.labels.version = 'v2';
both.apply(service('v1'));
both.apply(green);
both.clock.advance('1m');
console.log(`  before: ${versions(both)}`);
both.apply(service('v2'));
console.log(`  after:  ${versions(both)}`);

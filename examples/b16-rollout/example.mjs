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
// Ten requests now: how many were answered, and by which version; the others are lost.
const requests = async (cluster) => {
  const answers = {};
  for (let i = 0; i < 10; i++) {
    const pod = await cluster
      .pod('client')
      .fetch('http://web')
      .then((response) => response.text())
      .catch(() => undefined);
    const name = pod?.replace("You've hit ", '').trim();
    const version = name === undefined ? 'lost' : cluster.pod(name).object.metadata.labels.version;
    answers[version] = (answers[version] ?? 0) + 1;
  }
  return answers;
};
const watch = async (cluster, seconds) => {
  let lost = 0;
  for (let second = 0; second <= seconds; second += 2) {
    const shares = versions(cluster);
    const answers = await requests(cluster);
    lost += answers.lost ?? 0;
    const text = Object.entries(answers).map(([version, count]) => `${count} ${version}`);
    console.log(
      `  after ${String(second).padStart(2)}s: ${shares.padEnd(16)} of 10 requests: ${text.sort().join(', ')}`,
    );
    cluster.clock.advance('2s');
  }
  console.log(`  lost: ${lost}`);
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
  await watch(cluster, 12);
}

console.log('canary: a rollout paused after its first pod');
const canary = await Cluster.load({ files: ['web.yaml'] });
canary.clock.advance('1m');
update(canary, ({ template }) => {
  template.metadata.labels.version = 'v2';
});
canary.rollout('deploy/web').pause();
canary.clock.advance('1m');
console.log(`  paused: ${versions(canary)}`);
canary.rollout('deploy/web').resume();
canary.clock.advance('1m');
console.log(`  resumed: ${versions(canary)}`);
canary.rollout('deploy/web').undo();
canary.clock.advance('1m');
console.log(`  undone: ${versions(canary)}`);

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

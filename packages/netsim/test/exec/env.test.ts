import { expect, test } from 'vitest';
import { Cluster } from '../../src/index.ts';

const service = (name: string, clusterIP: string, ports = '[{ port: 80 }]') => `
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { clusterIP: ${clusterIP}, selector: { app: kubia }, ports: ${ports} }
---`;
const pod = (name: string, spec = '') => `
apiVersion: v1
kind: Pod
metadata: { name: ${name} }
spec:
  ${spec}
  containers: [{ name: main, image: debian }]
---`;
const deployment = (name: string) => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name} }
spec:
  replicas: 1
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec: { containers: [{ name: main, image: debian }] }
---`;

const env = async (cluster: Cluster, target: string): Promise<Record<string, string>> => {
  const { stdout } = await cluster.exec(target, ['env']);
  return Object.fromEntries(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
};
const names = async (cluster: Cluster, target: string) =>
  Object.keys(await env(cluster, target)).filter((name) => name.endsWith('_SERVICE_HOST'));

test('a pod knows the services that were there before it, and kubernetes always', async () => {
  const yaml = [pod('early'), service('kubia', '10.96.1.1'), pod('late'), service('last', '10.96.1.2')].join('');
  const cluster = await Cluster.load({ yaml });
  expect(await names(cluster, 'early')).toEqual(['KUBERNETES_SERVICE_HOST']);
  expect(await names(cluster, 'late')).toEqual(['KUBERNETES_SERVICE_HOST', 'KUBIA_SERVICE_HOST']);
});

test('a pod of a Deployment is as old as the Deployment; one made in its place knows what came since', async () => {
  const cluster = await Cluster.load({ yaml: [deployment('web'), service('kubia', '10.96.1.1')].join('') });
  expect(await names(cluster, 'deploy/web')).toEqual(['KUBERNETES_SERVICE_HOST']);
  const old = cluster.store.list('Pod', 'default')[0]!;
  cluster.delete(old);
  expect(cluster.store.list('Pod', 'default')[0]!.metadata.name).not.toBe(old.metadata.name);
  expect(await names(cluster, 'deploy/web')).toEqual(['KUBERNETES_SERVICE_HOST', 'KUBIA_SERVICE_HOST']);
});

test('a service that is applied later is seen after a restart of the container', async () => {
  const cluster = await Cluster.load({ yaml: pod('web') });
  cluster.clock.advance('1m');
  cluster.apply(service('kubia', '10.96.1.1').replace('---', ''));
  expect(await names(cluster, 'web')).toEqual(['KUBERNETES_SERVICE_HOST']);
  cluster.pod('web').restart('main');
  expect(await names(cluster, 'web')).toEqual(['KUBERNETES_SERVICE_HOST', 'KUBIA_SERVICE_HOST']);
});

test('creation times decide where they differ, as in a dump of a live cluster', async () => {
  const at = (yaml: string, time: string) => yaml.replace(/name: (\w+) }/, `name: $1, creationTimestamp: "${time}" }`);
  const yaml = [
    at(pod('web'), '2026-01-01T10:00:00Z'),
    at(service('older', '10.96.1.1'), '2026-01-01T09:00:00Z'),
    at(service('newer', '10.96.1.2'), '2026-01-01T11:00:00Z'),
  ].join('');
  const cluster = await Cluster.load({
    yaml: yaml.replace('spec:\n  \n', 'status: { startTime: "2026-01-01T10:00:00Z" }\nspec:\n'),
  });
  expect(await names(cluster, 'web')).toEqual(['KUBERNETES_SERVICE_HOST', 'OLDER_SERVICE_HOST']);
});

test('enableServiceLinks: false leaves kubernetes only', async () => {
  const yaml = [service('kubia', '10.96.1.1'), pod('web', 'enableServiceLinks: false')].join('');
  expect(await names(await Cluster.load({ yaml }), 'web')).toEqual(['KUBERNETES_SERVICE_HOST']);
});

test('headless services and those of other namespaces are not told', async () => {
  const other = service('other', '10.96.1.2').replace('name: other', 'name: other, namespace: elsewhere');
  const yaml = [
    'apiVersion: v1\nkind: Namespace\nmetadata: { name: elsewhere }\n---',
    service('none', 'None'),
    other,
    pod('web'),
  ].join('');
  expect(await names(await Cluster.load({ yaml }), 'web')).toEqual(['KUBERNETES_SERVICE_HOST']);
});

test('all variables of a service with two named ports and a dash in its name', async () => {
  const ports = '[{ name: http, port: 80 }, { name: dns-udp, port: 53, protocol: UDP }]';
  const cluster = await Cluster.load({ yaml: [service('my-web', '10.96.1.1', ports), pod('web')].join('') });
  const found = await env(cluster, 'web');
  expect(Object.fromEntries(Object.entries(found).filter(([name]) => name.startsWith('MY_WEB')))).toEqual({
    MY_WEB_SERVICE_HOST: '10.96.1.1',
    MY_WEB_SERVICE_PORT: '80',
    MY_WEB_SERVICE_PORT_HTTP: '80',
    MY_WEB_SERVICE_PORT_DNS_UDP: '53',
    MY_WEB_PORT: 'tcp://10.96.1.1:80',
    MY_WEB_PORT_80_TCP: 'tcp://10.96.1.1:80',
    MY_WEB_PORT_80_TCP_PROTO: 'tcp',
    MY_WEB_PORT_80_TCP_PORT: '80',
    MY_WEB_PORT_80_TCP_ADDR: '10.96.1.1',
    MY_WEB_PORT_53_UDP: 'udp://10.96.1.1:53',
    MY_WEB_PORT_53_UDP_PROTO: 'udp',
    MY_WEB_PORT_53_UDP_PORT: '53',
    MY_WEB_PORT_53_UDP_ADDR: '10.96.1.1',
  });
});

test("the container's own: values, fields, ConfigMaps, Secrets, all of a source, and references", async () => {
  const yaml = `${service('kubia', '10.96.1.1')}
apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
data: { mode: fast, level: "3" }
---
apiVersion: v1
kind: Secret
metadata: { name: keys }
stringData: { token: s3cret }
---
apiVersion: v1
kind: Pod
metadata: { name: web, labels: { app: web } }
spec:
  containers:
  - name: main
    image: debian
    resources: { limits: { cpu: 500m, memory: 64Mi } }
    envFrom:
    - { prefix: CFG_, configMapRef: { name: settings } }
    - { secretRef: { name: absent, optional: true } }
    env:
    - { name: PLAIN, value: "1" }
    - { name: CFG_level, value: "4" }
    - { name: TWICE, value: "$(PLAIN)$(PLAIN) $$(PLAIN) $(NOBODY) $(KUBIA_SERVICE_HOST) 5$" }
    - { name: NODE, valueFrom: { fieldRef: { fieldPath: spec.nodeName } } }
    - { name: LABEL, valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } }
    - { name: MODE, valueFrom: { configMapKeyRef: { name: settings, key: mode } } }
    - { name: TOKEN, valueFrom: { secretKeyRef: { name: keys, key: token } } }
    - { name: MAYBE, valueFrom: { secretKeyRef: { name: keys, key: nope, optional: true } } }
    - { name: CPU, valueFrom: { resourceFieldRef: { resource: limits.cpu } } }
    - { name: MEMORY, valueFrom: { resourceFieldRef: { resource: limits.memory, divisor: 1Mi } } }
`;
  const cluster = await Cluster.load({ yaml });
  const found = await env(cluster, 'web');
  expect(found).toMatchObject({
    HOSTNAME: 'web',
    CFG_mode: 'fast',
    CFG_level: '4',
    PLAIN: '1',
    TWICE: '11 $(PLAIN) $(NOBODY) 10.96.1.1 5$',
    NODE: cluster.pod('web').node,
    LABEL: 'web',
    MODE: 'fast',
    TOKEN: 's3cret',
    CPU: '1',
    MEMORY: '64',
  });
  expect(found.MAYBE).toBeUndefined();
});

test('a container whose ConfigMap is missing does not run', async () => {
  const yaml = `
apiVersion: v1
kind: Pod
metadata: { name: web }
spec: { containers: [{ name: main, image: debian, envFrom: [{ configMapRef: { name: absent } }] }] }
`;
  const { stderr, code } = await (await Cluster.load({ yaml })).exec('web', ['env']);
  expect(code).toBe(1);
  expect(stderr).toContain('CreateContainerConfigError: configmap "absent" not found');
});

test('printenv tells values, and 1 where one is not set', async () => {
  const cluster = await Cluster.load({ yaml: [service('kubia', '10.96.1.1'), pod('web')].join('') });
  expect(await cluster.exec('web', ['printenv', 'KUBIA_SERVICE_HOST', 'NOBODY'])).toEqual({
    stdout: '10.96.1.1\n',
    stderr: '',
    code: 1,
  });
});

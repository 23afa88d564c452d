import type { Pod } from '@netsim/manifest';
import { Cluster } from 'netsim';
import { expect, test } from 'vitest';

const service = `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: default }
spec: { selector: { app: web }, ports: [{ port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: client, namespace: default }
spec: { containers: [{ name: main, image: nicolaka/netshoot }] }
---
`;

function deployment(container: string, volumes = ''): string {
  return `${service}
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: default }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      containers:
        - name: main
          image: luksa/kubia
          ports: [{ containerPort: 8080 }]
          ${container}
      ${volumes}
---
`;
}

const configMap = (data: string) => `
apiVersion: v1
kind: ConfigMap
metadata: { name: web-config, namespace: default }
data: ${data}
`;
const secret = `
apiVersion: v1
kind: Secret
metadata: { name: web-tls, namespace: default }
stringData: { tls.key: x }
`;
const fromConfigMap = 'envFrom: [{ configMapRef: { name: web-config } }]';
const fromSecretKey = 'env: [{ name: KEY, valueFrom: { secretKeyRef: { name: web-tls, key: tls.key } } }]';
const secretVolume = 'volumes: [{ name: tls, secret: { secretName: web-tls } }]';
const projected =
  'volumes: [{ name: all, projected: { sources: [{ serviceAccountToken: { path: token } }, { configMap: { name: kube-root-ca.crt } }] } }]';

function isReady({ status }: Pod): boolean {
  return status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';
}

function webPod(cluster: Cluster): Pod {
  return cluster.store.list<Pod>('Pod').find(({ metadata }) => metadata.name.startsWith('web'))!;
}

function statusOf(cluster: Cluster) {
  const pod = webPod(cluster);
  const { phase, podIP, containerStatuses = [] } = pod.status ?? {};
  return { phase, hasAddress: podIP !== undefined, ready: isReady(pod), state: containerStatuses[0]?.state };
}

function curl(cluster: Cluster) {
  return cluster.exec('client', ['curl', '-sS', 'web']);
}

const started = { phase: 'Running', hasAddress: true, ready: true };
const waits = (message: string) => ({
  phase: 'Pending',
  hasAddress: true,
  ready: false,
  state: { waiting: { reason: 'CreateContainerConfigError', message } },
});
const creating = {
  phase: 'Pending',
  hasAddress: false,
  ready: false,
  state: { waiting: { reason: 'ContainerCreating' } },
};

test.each([
  ['envFrom a ConfigMap that is not there', deployment(fromConfigMap), waits('configmap "web-config" not found')],
  ['env from a Secret that is not there', deployment(fromSecretKey), waits('secret "web-tls" not found')],
  [
    'env from a key that the Secret lacks',
    deployment(fromSecretKey.replace('key: tls.key', 'key: tls.crt')) + secret,
    waits("couldn't find key tls.crt in Secret default/web-tls"),
  ],
  ['a volume from a Secret that is not there', deployment('', secretVolume), creating],
  [
    'a volume with a key that the ConfigMap lacks',
    deployment('', 'volumes: [{ name: c, configMap: { name: web-config, items: [{ key: b, path: b }] } }]') +
      configMap('{ a: "1" }'),
    creating,
  ],
])('%s: the container is not started, and is no endpoint', async (_, yaml, expected) => {
  const cluster = await Cluster.load({ yaml });
  expect(statusOf(cluster)).toEqual(expected);
  expect((await curl(cluster)).code).not.toBe(0);
});

test.each([
  ['an optional reference', deployment('envFrom: [{ configMapRef: { name: web-config, optional: true } }]')],
  ['the certificate of the API server, which is in every namespace', deployment('', projected)],
  [
    'a Secret that a Job is told to make',
    `${deployment('', secretVolume)}
apiVersion: batch/v1
kind: Job
metadata: { name: certgen, namespace: default }
spec: { template: { spec: { restartPolicy: Never, containers: [{ name: c, image: certgen, args: [create, --secret-name=web-tls] }] } } }
`,
  ],
  [
    'a Secret that a Certificate is to be kept in',
    `${deployment('', secretVolume)}
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: { name: web, namespace: default }
spec: { secretName: web-tls }
`,
  ],
])('%s: the pod starts', async (_, yaml) => {
  const cluster = await Cluster.load({ yaml });
  expect(statusOf(cluster)).toMatchObject(started);
  expect(cluster.findings.filter(({ code }) => code === 'config-not-found')).toEqual([]);
});

test.each([
  ['the ConfigMap of envFrom', deployment(fromConfigMap), configMap('{ A: "1" }')],
  ['the Secret of a volume', deployment('', secretVolume), secret],
])('once %s is there the pod starts and answers', async (_, yaml, missing) => {
  const cluster = await Cluster.load({ yaml });
  expect((await curl(cluster)).code).not.toBe(0);
  cluster.apply(missing);
  expect(statusOf(cluster)).toMatchObject(started);
  expect((await curl(cluster)).stdout).toMatch(/^You've hit web-/);
  expect(cluster.findings.filter(({ code }) => code === 'config-not-found')).toEqual([]);
});

test('another ConfigMap changes nothing', async () => {
  const cluster = await Cluster.load({ yaml: deployment(fromConfigMap) });
  cluster.apply(configMap('{ A: "1" }').replace('web-config', 'other'));
  expect(statusOf(cluster)).toMatchObject({ phase: 'Pending', ready: false });
});

test('of two containers the one that lacks nothing runs, and the pod is not ready', async () => {
  const sidecar = `${fromConfigMap}\n        - { name: side, image: nicolaka/netshoot }`;
  const cluster = await Cluster.load({ yaml: deployment(sidecar) });
  const pod = webPod(cluster);
  expect(pod.status?.containerStatuses).toMatchObject([{ ready: false }, { ready: true, state: { running: {} } }]);
  expect(isReady(pod)).toBe(false);
});

const running = `
status:
  phase: Running
  podIP: 10.244.1.9
  conditions: [{ type: Ready, status: 'True' }]
  containerStatuses: [{ name: main, ready: true, state: { running: { startedAt: '2026-01-01T00:00:00Z' } } }]
`;
const dumped = (name: string, status: string) => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: default, labels: { app: web } }
spec: { nodeName: w1-k8s, containers: [{ name: main, image: luksa/kubia, ${fromSecretKey} }] }
${status}
---
`;

test('a pod of a dump that runs goes on, and shows that its Secret is there', async () => {
  const cluster = await Cluster.load({ yaml: service + dumped('web-1', running) });
  expect(isReady(cluster.pod('web-1').object)).toBe(true);
  expect((await cluster.exec('web-1', ['hostname'])).code).toBe(0);
  cluster.apply(dumped('web-2', ''));
  expect(isReady(cluster.pod('web-2').object)).toBe(true);
});

test('the finding is at the line, says what may have been meant, and is told once for all replicas', async () => {
  const yaml = deployment(fromConfigMap.replace('web-config', 'web-confg')).replace(
    '  template:',
    '  replicas: 3\n  template:',
  );
  const cluster = await Cluster.load({ yaml: yaml + configMap('{}') });
  const findings = cluster.findings.filter(({ code }) => code === 'config-not-found');
  expect(findings).toMatchObject([
    {
      severity: 'warning',
      path: ['spec', 'template', 'spec', 'containers', 0, 'envFrom', 0, 'configMapRef'],
      suggestion: 'did you mean "web-config"?',
    },
  ]);
  expect(findings[0]?.message).toContain('container "main" is never started: configmap "web-confg" not found');
  expect(findings[0]?.line).toBe(1 + yaml.split('\n').findIndex((line) => line.includes('envFrom')));
});

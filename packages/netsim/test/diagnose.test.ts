import type { Service } from '@netsim/manifest';
import { Cluster, type DiagnoseOptions, type Diagnosis } from 'netsim';
import { describe, expect, test } from 'vitest';

const service = `apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  selector: { app: web }
  ports:
  - port: 80
    targetPort: 8080
`;
const pod = `---
apiVersion: v1
kind: Pod
metadata:
  name: web-0
  labels: { app: web }
spec:
  containers:
  - { name: web, image: luksa/kubia }
`;
const client = `---
apiVersion: v1
kind: Pod
metadata: { name: client }
spec: { containers: [{ name: c, image: debian, command: [sleep, inf] }] }
`;
const healthy = service + pod + client;

const deployment = `---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 1
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: luksa/kubia }] }
`;
/** Status of a pod whose container does not get to run, as a live cluster tells it. */
const reported = (phase: string, reason: string): string => `status:
  phase: ${phase}
  conditions: [{ type: Ready, status: "False" }]
  containerStatuses: [{ name: web, ready: false, restartCount: 3, state: { waiting: { reason: ${reason} } } }]`;

async function diagnosed(yaml: string, options: Partial<DiagnoseOptions> = {}): Promise<Diagnosis> {
  return (await Cluster.load({ yaml })).diagnose({ to: 'svc/web', from: 'client', ...options });
}
const statuses = ({ points }: Diagnosis): string[] => points.map(({ id, status }) => `${id} ${status}`);
const failing = ({ points }: Diagnosis) => points.find(({ status }) => status === 'fail' || status === 'unknown');

describe('the troubleshooting list', () => {
  test('a service that works is in order at every point', async () => {
    const diagnosis = await diagnosed(healthy);
    expect(diagnosis.verdict).toBe('ok');
    expect(new Set(diagnosis.points.map(({ status }) => status))).toEqual(new Set(['ok']));
  });

  test('stops at the first point that is wrong', async () => {
    const diagnosis = await diagnosed(healthy.replace('labels: { app: web }', 'labels: { app: wep }'), {
      to: 'svc/web:8080',
    });
    expect(statuses(diagnosis)).toEqual([
      'inside ok',
      'ping ok',
      'readiness skipped',
      'endpoints fail',
      'name skipped',
      'port skipped',
      'pod skipped',
      'localhost skipped',
      'policy skipped',
      'path skipped',
    ]);
  });

  // Each manifest breaks one point only; the last columns are the line to change and what to write.
  test.each<[string, string, string, Partial<DiagnoseOptions>, number, RegExp]>([
    ['the source is outside', 'inside', healthy, { from: 'external' }, 4, /--from pod.*NodePort/],
    ['a ping', 'ping', healthy, { protocol: 'icmp' }, 6, /Do not ping/],
    [
      'no pod is ready',
      'readiness',
      healthy
        .replace('luksa/kubia }', 'luksa/kubia, readinessProbe: { tcpSocket: { port: 8080 } } }')
        .replace(
          '---\napiVersion: v1\nkind: Pod\nmetadata: { name: client }',
          'status: { conditions: [{ type: Ready, status: "False" }] }\n$&',
        ),
      {},
      17,
      /pass the probe/,
    ],
    [
      'a pod that no node takes',
      'readiness',
      healthy.replace(
        'spec:\n  containers:\n  - { name: web',
        'spec:\n  nodeSelector: { disk: ssd }\n  containers:\n  - { name: web',
      ),
      {},
      16,
      /Correct the nodeSelector/,
    ],
    [
      'a readiness probe of a port that nobody listens on',
      'readiness',
      healthy.replace('luksa/kubia }', 'luksa/kubia, readinessProbe: { tcpSocket: { port: 8081 } } }'),
      {},
      17,
      /Write 8080 into the readiness probe/,
    ],
    [
      'a liveness probe of a port that nobody listens on',
      'readiness',
      healthy.replace('luksa/kubia }', 'luksa/kubia, livenessProbe: { tcpSocket: { port: 8081 } } }'),
      {},
      17,
      /Write 8080 into the liveness probe/,
    ],
    [
      'a ConfigMap that is not there, for the environment',
      'readiness',
      healthy.replace('luksa/kubia }', 'luksa/kubia, envFrom: [{ configMapRef: { name: absent } }] }'),
      {},
      17,
      /Make what is missing in namespace "default"/,
    ],
    [
      'a Secret that is not there, for a volume',
      'readiness',
      healthy.replace('luksa/kubia }', 'luksa/kubia }\n  volumes: [{ name: tls, secret: { secretName: absent } }]'),
      {},
      18,
      /Make what is missing in namespace "default"/,
    ],
    [
      'an image that cannot be pulled, in a dump',
      'readiness',
      healthy.replace('luksa/kubia }', `luksa/kubai }\n${reported('Pending', 'ImagePullBackOff')}`),
      {},
      17,
      /Correct the name or the tag of the image/,
    ],
    [
      'a container that ends again and again, in a dump',
      'readiness',
      healthy.replace('luksa/kubia }', `luksa/kubia }\n${reported('Running', 'CrashLoopBackOff')}`),
      {},
      17,
      /kubectl logs web-0 -c web --previous/,
    ],
    [
      'a readiness gate that nobody sets',
      'readiness',
      healthy.replace(
        'spec:\n  containers:\n  - { name: web',
        'spec:\n  readinessGates: [{ conditionType: example.com/up }]\n  containers:\n  - { name: web',
      ),
      {},
      16,
      /set the condition example\.com\/up/,
    ],
    [
      'a workload of no pods',
      'endpoints',
      `${service}${deployment.replace('replicas: 1', 'replicas: 0')}${client}`,
      {},
      14,
      /Write replicas: 1 or more into deployment "web"/,
    ],
    [
      'pods in another namespace than the service',
      'endpoints',
      healthy.replace('  name: web-0', '  name: web-0\n  namespace: shop'),
      {},
      3,
      /Write namespace: shop into service "web"/,
    ],
    [
      'the selector matches no pod',
      'endpoints',
      healthy.replace('selector: { app: web }', 'selector: { app: wbe }'),
      {},
      5,
      /Write "app: web" in its place/,
    ],
    [
      'the target port has a name that no container has',
      'endpoints',
      healthy
        .replace('targetPort: 8080', 'targetPort: htpp')
        .replace('luksa/kubia }', 'luksa/kubia, ports: [{ name: http, containerPort: 8080 }] }'),
      {},
      8,
      /Write "http" in its place/,
    ],
    [
      'a service without selector and endpoints',
      'endpoints',
      healthy.replace('  selector: { app: web }\n', ''),
      {},
      4,
      /kubernetes\.io\/service-name: web/,
    ],
    [
      'the source does not ask the DNS of the cluster',
      'name',
      healthy.replace('command: [sleep, inf] }] }', 'command: [sleep, inf] }], dnsPolicy: Default }'),
      {},
      22,
      /dnsPolicy: ClusterFirst/,
    ],
    ['the target port in place of the port', 'port', healthy, { to: 'svc/web:8080' }, 7, /svc\/web:80$/],
    ['a port that nobody has', 'port', healthy, { to: 'svc/web:81' }, 6, /add \{ port: 81 \}/],
    [
      'nothing listens on the target port',
      'pod',
      healthy.replace('targetPort: 8080', 'targetPort: 8081'),
      {},
      8,
      /Set targetPort of service "web" to 8080/,
    ],
    [
      'the program listens on localhost only',
      'localhost',
      healthy.replace('  labels: { app: web }', '  annotations: { netsim.dev/listen: "127.0.0.1:8080" }\n$&'),
      {},
      14,
      /0\.0\.0\.0/,
    ],
  ])('%s: %s', async (_, point, yaml, options, line, advice) => {
    const diagnosis = await diagnosed(yaml, options);
    expect(diagnosis.verdict).toBe('fail');
    expect(failing(diagnosis)).toMatchObject({ id: point, cause: { line } });
    expect(failing(diagnosis)!.advice).toMatch(advice);
  });

  test('a CoreDNS that is not ready fails at the name, and the cause is in the way of the query', async () => {
    const cluster = await Cluster.load({ yaml: healthy });
    for (const { metadata } of cluster.store.list('Pod', 'kube-system')) {
      cluster.setReady(`kube-system/${metadata.name}`, false);
    }
    const diagnosis = cluster.diagnose({ to: 'svc/web', from: 'client' });
    expect(failing(diagnosis)).toMatchObject({ id: 'name', status: 'fail' });
    expect(failing(diagnosis)!.text).toMatch(/all 2 pods of service "kube-dns" .* are not ready/);
  });

  test('a Corefile that answers something else fails at the name', async () => {
    const diagnosis = await diagnosed(`${healthy}---
apiVersion: v1
kind: ConfigMap
metadata: { name: coredns, namespace: kube-system }
data: { Corefile: ".:53 {\\n hosts {\\n 10.9.9.9 web.default.svc.cluster.local\\n }\\n}\\n" }`);
    expect(failing(diagnosis)).toMatchObject({ id: 'name', status: 'fail' });
    expect(failing(diagnosis)!.text).toMatch(/is 10\.9\.9\.9, which is not the service's/);
  });

  test('a firewall in front of the nodes fails at the path, with the line of the firewall', async () => {
    const yaml = `${healthy.replace('spec:\n  selector', 'spec:\n  type: NodePort\n  selector')}---
apiVersion: netsim.dev/v1
kind: Firewall
metadata: { name: edge }
spec: { allow: [{ protocol: tcp, ports: [22] }] }`;
    const diagnosis = await diagnosed(yaml, { from: 'external' });
    expect(failing(diagnosis)).toMatchObject({ id: 'path', status: 'fail', cause: { kind: 'Firewall' } });
  });

  test('a NetworkPolicy that selects the pods makes it unknown: policies are not put in force', async () => {
    const diagnosis = await diagnosed(`${healthy}---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: deny }
spec: { podSelector: { matchLabels: { app: web } }, policyTypes: [Ingress] }`);
    expect(diagnosis.verdict).toBe('unknown');
    expect(failing(diagnosis)).toMatchObject({ id: 'policy', cause: { kind: 'NetworkPolicy', name: 'deny' } });
  });

  test('a container of which nothing is known makes it unknown, with the way to tell', async () => {
    const diagnosis = await diagnosed(healthy.replace('luksa/kubia', 'example.org/mine'));
    expect(diagnosis.verdict).toBe('unknown');
    expect(failing(diagnosis)).toMatchObject({ id: 'pod' });
    expect(failing(diagnosis)!.advice).toMatch(/netsim\.dev\/listen/);
  });
});

describe('what may be diagnosed', () => {
  test.each<[string, Partial<DiagnoseOptions>]>([
    ['a pod', { to: 'pod/web-0' }],
    ['a name', { to: 'web' }],
    ['a full name with a port', { to: 'web.default.svc.cluster.local:80' }],
    ['a URL', { to: 'http://web/' }],
    ['namespace/name', { to: 'default/web:80' }],
    ['a node as source', { from: 'node/w1-k8s' }],
  ])('%s', async (_, options) => {
    const diagnosis = await diagnosed(healthy, options);
    expect(diagnosis.verdict).toBe('ok');
    expect(diagnosis.points.at(-1)).toMatchObject({ id: 'path', status: 'ok' });
  });

  test('a headless service, pod by pod: it translates no port', async () => {
    const headless = healthy.replace('spec:\n  selector', 'spec:\n  clusterIP: None\n  selector');
    const wrong = await diagnosed(headless);
    expect(failing(wrong)).toMatchObject({ id: 'pod', advice: 'Use port 8080' });
    const right = await diagnosed(headless, { to: 'svc/web:8080' });
    expect(right.verdict).toBe('ok');
    expect(right.points.find(({ id }) => id === 'name')!.text).toMatch(/the address of a pod, 10\.244/);
  });

  test('the cluster IP itself is diagnosed as the service', async () => {
    const cluster = await Cluster.load({ yaml: healthy });
    const { spec } = cluster.store.get<Service>('Service', 'default', 'web')!;
    expect(cluster.diagnose({ to: `${spec.clusterIP}:80` }).destination).toMatchObject({
      kind: 'Service',
      name: 'web',
    });
  });

  test('a name that is not there fails at the name, with the nearest one', async () => {
    const diagnosis = await diagnosed(healthy, { to: 'wbe:80' });
    expect(failing(diagnosis)).toMatchObject({ id: 'name', advice: 'did you mean "web"?' });
  });

  test('a short name of a service in another namespace fails at the name, with the longer name', async () => {
    const diagnosis = await diagnosed(
      `${healthy}---
apiVersion: v1
kind: Service
metadata: { name: far, namespace: other }
spec: { selector: { app: far }, ports: [{ port: 80 }] }`,
      { to: 'far:80' },
    );
    expect(failing(diagnosis)).toMatchObject({ id: 'name', cause: { kind: 'Service', namespace: 'other' } });
    expect(failing(diagnosis)!.advice).toMatch(/^did you mean "far\.other"/);
  });

  test('without a source a pod asks that is no endpoint itself', async () => {
    const cluster = await Cluster.load({ yaml: healthy });
    expect(cluster.diagnose({ to: 'svc/web' }).source).toMatchObject({ kind: 'Pod', name: 'client' });
    expect(cluster.diagnose({ to: 'pod/client:80' }).source).toMatchObject({ kind: 'Pod', name: 'web-0' });
  });

  test.each([
    ['svc/wbe', /did you mean "web"/],
    ['pod/nobody', /not found/],
    ['', /empty/],
    ['svc/web:htpp', /no port named "htpp"/],
    ['thing/web', /no kind of source or destination/],
  ])('%j is a mistake of the caller', async (to, message) => {
    const cluster = await Cluster.load({ yaml: healthy });
    expect(() => cluster.diagnose({ to })).toThrow(message);
  });
});

describe('a URL behind an Ingress', () => {
  const example = new URL('../../../examples/d1-ingress/', import.meta.url).pathname;
  const behind = `apiVersion: v1
kind: Service
metadata: { name: kubia }
spec:
  selector: { app: kubia }
  ports: [{ port: 80, targetPort: 8080 }]
---
apiVersion: v1
kind: Pod
metadata: { name: kubia, labels: { app: kubia } }
spec:
  containers:
  - { name: c, image: luksa/kubia }
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: kubia }
spec:
  ingressClassName: nginx
  rules:
  - host: kubia.example.com
    http:
      paths:
      - { path: /, pathType: Prefix, backend: { service: { name: kubia, port: { number: 80 } } } }
`;
  const asked = async (yaml: string): Promise<Diagnosis> => {
    const cluster = await Cluster.load({ files: [`${example}metallb.yaml`, `${example}ingress-nginx.yaml`], yaml });
    return cluster.diagnose({ to: 'http://kubia.example.com/', from: 'external' });
  };

  test('is walked to the pods of its service', async () => {
    const diagnosis = await asked(behind);
    expect(statuses(diagnosis)).toEqual([
      'inside ok',
      'ping skipped',
      'readiness ok',
      'endpoints ok',
      'name ok',
      'port ok',
      'pod ok',
      'localhost ok',
      'policy ok',
      'path ok',
    ]);
    expect(diagnosis.points[2]!.text).toBe('ingress default/kubia leads to service default/kubia: 1 of 1 pod ready');
  });

  test.each<[string, string, string, string, number, RegExp]>([
    [
      'a wrong selector',
      'endpoints',
      '{ app: kubia }\n  ports',
      '{ app: kubai }\n  ports',
      5,
      /Write "app: kubia" in its place/,
    ],
    ['a port that the service has not got', 'port', 'number: 80', 'number: 81', 24, /Use one of its ports/],
    [
      'a target port that nobody listens on',
      'pod',
      'targetPort: 8080',
      'targetPort: 8081',
      6,
      /Set targetPort .* to 8080/,
    ],
    [
      'a probe that fails',
      'readiness',
      'luksa/kubia }',
      'luksa/kubia, readinessProbe: { tcpSocket: { port: 1 } } }',
      13,
      /Write 8080 into/,
    ],
    [
      'localhost',
      'localhost',
      '{ name: kubia, labels',
      '{ name: kubia, annotations: { netsim.dev/listen: "127.0.0.1:8080" }, labels',
      10,
      /0\.0\.0\.0/,
    ],
  ])('%s fails at %s', async (_, point, from, to, line, advice) => {
    const diagnosis = await asked(behind.replace(from, to));
    expect(failing(diagnosis)).toMatchObject({ id: point, status: 'fail', cause: { line } });
    expect(failing(diagnosis)!.advice).toMatch(advice);
  });
});

test('a URL that its controller refuses is not in order, with the line of the Ingress', async () => {
  const example = new URL('../../../examples/d1-ingress/', import.meta.url).pathname;
  const cluster = await Cluster.load({
    files: [`${example}metallb.yaml`, `${example}ingress-nginx.yaml`],
    yaml: `apiVersion: externaldns.k8s.io/v1alpha1
kind: DNSEndpoint
metadata: { name: web }
spec: { endpoints: [{ dnsName: web.example.com, recordType: A, targets: [192.168.1.11] }] }
---
apiVersion: v1
kind: Pod
metadata: { name: web, labels: { app: web } }
spec: { containers: [{ name: c, image: nginx, ports: [{ containerPort: 80 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ port: 80 }] }
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: closed
  annotations: { nginx.ingress.kubernetes.io/whitelist-source-range: 1.2.3.4/32 }
spec:
  ingressClassName: nginx
  rules:
  - host: web.example.com
    http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: web, port: { number: 80 } } } }] }
`,
  });
  const { verdict, points } = cluster.diagnose({ to: 'http://web.example.com/', from: 'external' });
  expect(verdict).toBe('fail');
  expect(points.at(-1)).toMatchObject({ id: 'path', status: 'fail', cause: { kind: 'Ingress', name: 'closed' } });
  expect(points.at(-1)!.text).toContain('the controller answers 403');
});

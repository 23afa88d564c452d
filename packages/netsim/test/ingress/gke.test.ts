import type { Ingress } from '@netsim/manifest';
import { Cluster } from 'netsim';
import { describe, expect, test } from 'vitest';
import { curl, podOf } from './support.ts';

const nodes = [2, 3]
  .map(
    (host) => `
apiVersion: v1
kind: Node
metadata: { name: gke-${host - 1} }
spec: { providerID: gce://project/zone/gke-${host - 1} }
status: { addresses: [{ type: InternalIP, address: 10.128.0.${host} }] }
---
`,
  )
  .join('');

interface AppOptions {
  readonly replicas?: number;
  readonly pod?: string;
  readonly service?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

const NEG = { 'cloud.google.com/neg': '{"ingress": true}' };

function app(name: string, { replicas = 2, pod = '', service = '', annotations = NEG }: AppOptions = {}): string {
  return `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name} }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      containers:
      - { name: ${name}, image: luksa/kubia, ports: [{ containerPort: 8080 }] ${pod} }
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, annotations: ${JSON.stringify(annotations)} }
spec: { selector: { app: ${name} }, ports: [{ port: 80, targetPort: 8080 }] ${service} }
---
`;
}

function ingress(name: string, service: string, annotations: Readonly<Record<string, string>> = {}): string {
  return `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: ${name}, annotations: ${JSON.stringify(annotations)} }
spec:
  rules:
  - host: ${name}.example.com
    http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: ${service}, port: { number: 80 } } } }] }
---
`;
}

const byNodes = { annotations: {}, service: ', type: NodePort' };
const load = (yaml: string): Promise<Cluster> => Cluster.load({ yaml: nodes + yaml });
const addressOf = (cluster: Cluster, name: string): string | undefined =>
  cluster.store.get<Ingress>('Ingress', 'default', name)?.status?.loadBalancer?.ingress?.[0]?.ip;
const status = (cluster: Cluster, url: string): Promise<string> =>
  curl(cluster, '-o', '/dev/null', '-w', '%{http_code}', url);

describe('a load balancer of GKE', () => {
  test('each Ingress has one, with an address of its own', async () => {
    const cluster = await load(app('a') + ingress('one', 'a') + ingress('two', 'a'));
    const [one, two] = [addressOf(cluster, 'one'), addressOf(cluster, 'two')];
    expect(new Set([one, two, undefined]).size).toBe(3);
    expect(cluster.notes.map((note) => note.split(':')[0])).toEqual([
      'ingress default/one is served by GKE (class gce)',
      'ingress default/two is served by GKE (class gce)',
    ]);
    expect(await curl(cluster, 'http://one.example.com/')).toContain("You've hit a-");
    expect(await curl(cluster, '-H', 'Host: one.example.com', `http://${two}/`)).toContain(
      'response 404 (backend NotFound)',
    );
  });

  test('keeps the address of a dump', async () => {
    const cluster = await load(
      `${app('a')}${ingress('one', 'a').replace(/---\n$/, '')}status: { loadBalancer: { ingress: [{ ip: 34.120.1.2 }] } }\n`,
    );
    expect([addressOf(cluster, 'one'), cluster.notes]).toEqual(['34.120.1.2', []]);
    expect(await curl(cluster, 'http://one.example.com/')).toContain("You've hit a-");
  });

  test('container-native: straight to pods, from the range of the proxies', async () => {
    const cluster = await load(app('a') + ingress('one', 'a'));
    const { paths } = cluster.trace({ from: '198.51.100.7', to: 'http://one.example.com/', allPaths: true });
    expect(paths.map(({ probability, sourceSeen, disposition }) => [probability, sourceSeen, disposition])).toEqual([
      [0.5, '35.191.0.1', 'DELIVERED'],
      [0.5, '35.191.0.1', 'DELIVERED'],
    ]);
    expect(paths[0]?.http?.forwardedFor).toBe(`198.51.100.7, ${addressOf(cluster, 'one')}`);
  });

  test('through node ports: any node, then kube-proxy, and the pod sees a node', async () => {
    const cluster = await load(app('a', byNodes) + ingress('one', 'a'));
    const { paths } = cluster.trace({ from: '198.51.100.7', to: 'http://one.example.com/', allPaths: true });
    expect(paths.map(({ probability }) => probability)).toEqual([0.25, 0.25, 0.25, 0.25]);
    expect(paths.every(({ sourceSeen = '' }) => sourceSeen.startsWith('10.244.'))).toBe(true);
  });

  test('through node ports with externalTrafficPolicy Local: nodes without a pod fail the health check', async () => {
    const cluster = await load(
      app('a', { replicas: 1, annotations: {}, service: ', type: NodePort, externalTrafficPolicy: Local' }) +
        ingress('one', 'a'),
    );
    const { paths } = cluster.trace({ from: '198.51.100.7', to: 'http://one.example.com/', allPaths: true });
    expect(paths.map(({ probability, sourceSeen }) => [probability, sourceSeen])).toEqual([[1, '35.191.0.1']]);
    const texts = paths[0]!.request.hops.flatMap(({ steps }) =>
      steps.flatMap((step) => (step.kind === 'http' ? step.text : [])),
    );
    expect(texts.find((text) => text.startsWith('health check'))).toMatch(
      /^health check: 10\.128\.0\.\d:\d+ does not answer$/,
    );
  });

  test('tells the backend who asks, and the client whom it passed', async () => {
    const cluster = await load(app('a', { replicas: 1 }) + ingress('one', 'a'));
    const seen: Headers[] = [];
    podOf(cluster, 'a').listen(8080, (request) => {
      seen.push(request.headers);
      return new Response('hi');
    });
    const answer = await cluster.fetch('http://one.example.com/', { headers: { 'X-Forwarded-For': '1.2.3.4' } });
    expect([await answer.text(), answer.headers.get('via')]).toEqual(['hi', '1.1 google']);
    const asked = seen.at(-1)!;
    expect(asked.get('x-forwarded-for')).toBe(`1.2.3.4, 10.128.0.200, ${addressOf(cluster, 'one')}`);
    expect([asked.get('via'), asked.get('x-forwarded-proto')]).toEqual(['1.1 google', 'http']);
    expect(asked.get('x-cloud-trace-context')).toMatch(/^[0-9a-f]{32}\/\d+$/);
  });
});

describe('the health check', () => {
  test('a pod that does not answer 200 to / gets nothing: 502', async () => {
    const cluster = await load(app('a', { replicas: 1 }) + ingress('one', 'a'));
    podOf(cluster, 'a').listen(
      8080,
      ({ url }) => new Response('', { status: new URL(url).pathname === '/ok' ? 200 : 404 }),
    );
    await cluster.fetch('http://one.example.com/').catch(() => {});
    expect(await status(cluster, 'http://one.example.com/ok')).toBe('502');
  });

  test('what listens nowhere: 502, and the trace says what the check found', async () => {
    const cluster = await load(
      app('a', { service: '' }).replace('targetPort: 8080', 'targetPort: 8081') + ingress('one', 'a'),
    );
    expect(await curl(cluster, 'http://one.example.com/')).toContain('<title>502 Server Error</title>');
    const [path] = cluster.trace({ from: 'external', to: 'http://one.example.com/' }).paths;
    expect([path?.disposition, path?.http?.status]).toEqual(['NO_ENDPOINTS', 502]);
    expect(path?.reason).toMatch(
      /^no backend of service default\/a passes its health check: 10\.244\.\d\.\d:8081 refuses the connection \(1 more fails\): the load balancer answers 502$/,
    );
  });

  test('asks the port of the BackendConfig', async () => {
    const annotations = { ...NEG, 'cloud.google.com/backend-config': '{"default": "check"}' };
    const config = `
apiVersion: cloud.google.com/v1
kind: BackendConfig
metadata: { name: check }
spec: { healthCheck: { requestPath: /healthz, port: 15020 } }
---
`;
    const cluster = await load(app('a', { annotations }) + config + ingress('one', 'a'));
    const [path] = cluster.trace({ from: 'external', to: 'http://one.example.com/' }).paths;
    expect(path?.reason).toContain('refuses the connection on port 15020');
  });

  test('a pod that is not ready leaves the group', async () => {
    const cluster = await load(app('a') + ingress('one', 'a'));
    const pod = podOf(cluster, 'a');
    cluster.setReady(`pod/${pod.name}`, false);
    const { paths } = cluster.trace({ from: 'external', to: 'http://one.example.com/', allPaths: true });
    expect(paths.map(({ backend }) => backend?.name === pod.name)).toEqual([false]);
    cluster.scale('deploy/a', 0);
    expect(await status(cluster, 'http://one.example.com/')).toBe('502');
  });
});

describe('what the controller makes no load balancer of', () => {
  test('a ClusterIP service without NEG: no address, and the finding says what is missing', async () => {
    const cluster = await load(app('a', { annotations: {} }) + ingress('one', 'a'));
    expect(addressOf(cluster, 'one')).toBeUndefined();
    const found = cluster.findings.filter(({ code }) => code === 'gke-service-type');
    expect(found.map(({ message }) => message.split(':').slice(0, 2).join(':'))).toEqual([
      'ingress "default/one": Service "a" is type "ClusterIP", expected "NodePort" or "LoadBalancer", or the annotation cloud.google.com/neg',
    ]);
    cluster.apply(app('a'));
    expect(addressOf(cluster, 'one')).toBeDefined();
    expect(await curl(cluster, 'http://one.example.com/')).toContain("You've hit a-");
  });

  test('an Ingress that is deleted takes its load balancer along', async () => {
    const cluster = await load(app('a') + ingress('one', 'a'));
    const ip = addressOf(cluster, 'one')!;
    expect(await status(cluster, `http://${ip}/`)).toBe('404');
    cluster.delete('ingress/one');
    const [path] = cluster.trace({ from: 'external', to: `http://${ip}/` }).paths;
    expect(path?.disposition).toBe('EXITS_CLUSTER');
  });

  test('an Ingress of another class is left to its controller', async () => {
    const cluster = await load(
      app('a') + ingress('one', 'a').replace('spec:\n  rules', 'spec:\n  ingressClassName: nginx\n  rules'),
    );
    expect(cluster.notes).toEqual([expect.stringContaining('ingress-nginx is added')]);
    expect(cluster.frontDoor.gke.all()).toEqual([]);
  });
});

describe('the front of the load balancer', () => {
  test('a port without a forwarding rule takes nothing', async () => {
    const cluster = await load(app('a') + ingress('one', 'a'));
    const [path] = cluster.trace({ from: 'external', to: 'https://one.example.com/' }).paths;
    expect([path?.disposition, path?.reason]).toEqual([
      'DROPPED',
      'the load balancer of ingress "default/one" has no forwarding rule for port 443: it listens on 80',
    ]);
    expect(await curl(cluster, '--connect-timeout', '3', 'https://one.example.com/')).toMatch(
      /timed out|Timeout|timeout/,
    );
  });

  test('inside the VPC: an address of the nodes’ network, and the proxy-only subnet as source', async () => {
    const cluster = await load(app('a') + ingress('one', 'a', { 'kubernetes.io/ingress.class': 'gce-internal' }));
    expect(addressOf(cluster, 'one')).toBe('10.128.0.250');
    for (const from of ['external', 'node/gke-1', `pod/${podOf(cluster, 'a').name}`]) {
      const [path] = cluster.trace({ from, to: 'http://10.128.0.250/' }).paths;
      expect([from, path?.disposition, path?.http?.status]).toEqual([from, 'DELIVERED', 404]);
    }
    const [path] = cluster.trace({ from: 'external', to: 'http://one.example.com/' }).paths;
    expect(path?.sourceSeen).toBe('10.129.0.2');
  });

  test('the cookie of GENERATED_COOKIE leads to the same pod', async () => {
    const annotations = { ...NEG, 'cloud.google.com/backend-config': '{"default": "sticky"}' };
    const config = `
apiVersion: cloud.google.com/v1
kind: BackendConfig
metadata: { name: sticky }
spec: { sessionAffinity: { affinityType: GENERATED_COOKIE } }
---
`;
    const cluster = await load(app('a', { replicas: 3, annotations }) + config + ingress('one', 'a'));
    const first = await cluster.fetch('http://one.example.com/');
    const cookie = /^GCLB=[^;]+/.exec(first.headers.get('set-cookie') ?? '')?.[0] ?? '';
    const text = await first.text();
    for (let n = 0; n < 5; n++) {
      const again = await cluster.fetch('http://one.example.com/', { headers: { cookie } });
      expect([await again.text(), again.headers.get('set-cookie')]).toEqual([text, null]);
    }
  });
});

test('routes show each load balancer with its rules', async () => {
  const cluster = await load(app('a') + app('b', byNodes) + ingress('one', 'a') + ingress('two', 'b'));
  expect(cluster.routes().map(({ controller, host, backends }) => [controller, host, backends[0]?.endpoints])).toEqual([
    ['gce default/one', 'one.example.com', 2],
    ['gce default/two', 'two.example.com', 2],
  ]);
});

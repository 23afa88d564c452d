import { Cluster } from 'netsim';
import { describe, expect, test } from 'vitest';
import { gatewayOf, METALLB } from './support.ts';

const app = (name: string, port: string, replicas = 1): string => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name} }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} }, annotations: { netsim.dev/listen: ${port} } }
    spec: { containers: [{ name: ${name}, image: example.com/${name} }] }
---
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec:
  selector: { app: ${name} }
  ports: [{ port: ${Number.parseInt(port, 10)}, protocol: ${port.endsWith('udp') ? 'UDP' : 'TCP'} }]
---
`;

const route = (kind: string, section: string, backends: string): string => `
apiVersion: gateway.networking.k8s.io/v1alpha2
kind: ${kind}
metadata: { name: ${section} }
spec:
  parentRefs: [{ name: web, sectionName: ${section} }]
  rules: [{ backendRefs: [${backends}] }]
---
`;

const gateway = gatewayOf(
  'name: syslog, port: 514, protocol: UDP',
  'name: redis, port: 6379, protocol: TCP',
  'name: idle, port: 7000, protocol: TCP',
);

const load = (yaml: string): Promise<Cluster> => Cluster.load({ yaml: METALLB + gateway + yaml });
const address = '192.168.1.11';

describe('UDP through a Gateway', () => {
  const weighted =
    app('one', '514/udp') +
    app('two', '514/udp', 2) +
    route('UDPRoute', 'syslog', '{ name: one, port: 514, weight: 3 }, { name: two, port: 514, weight: 1 }');

  test('a datagram goes on to an endpoint, and its answer back to the client', async () => {
    const cluster = await load(weighted);
    const { stdout, code } = await cluster.exec('host/external', ['nc', '-zuv', address, '514']);
    expect([stdout, code]).toEqual(['', 0]);
    const trace = cluster.trace({ from: 'external', to: `${address}:514`, protocol: 'udp' });
    const [path] = trace.paths;
    expect([path?.disposition, path?.backend?.kind]).toEqual(['DELIVERED', 'Pod']);
    expect(path?.backend?.name).toMatch(/^(one|two)-/);
    const nodes = path!.reply!.hops;
    expect(nodes[0]?.netns).toMatch(/default\/(one|two)-/);
    expect(nodes.at(-1)?.node).toBe('external');
  });

  test('all paths have the weights of the route', async () => {
    const cluster = await load(weighted);
    const { paths } = cluster.trace({ from: 'external', to: `${address}:514`, protocol: 'udp', allPaths: true });
    const share = (name: string): number =>
      paths
        .filter(({ backend }) => backend?.name.startsWith(name))
        .reduce((sum, { probability }) => sum + probability, 0);
    expect([share('one-'), share('two-'), paths.length]).toEqual([0.75, 0.25, 3]);
  });

  test('without a route, or without endpoints, it is dropped and the reason said', async () => {
    const bare = await load(app('one', '514/udp'));
    const reasonOf = (cluster: Cluster): string | undefined =>
      cluster.trace({ from: 'external', to: `${address}:514`, protocol: 'udp' }).paths[0]?.reason;
    expect(reasonOf(bare)).toBe('the controller drops the datagram: no route on listener "syslog"');
    const idle = await load(app('one', '514/udp', 0) + route('UDPRoute', 'syslog', '{ name: one, port: 514 }'));
    expect(reasonOf(idle)).toBe('service default/one has no endpoints: the controller drops the datagram');
  });
});

describe('TCP through a Gateway', () => {
  test('a connection goes on to an endpoint, with the route and its line', async () => {
    const cluster = await load(app('redis', '6379/tcp', 2) + route('TCPRoute', 'redis', '{ name: redis, port: 6379 }'));
    const { paths } = cluster.trace({ from: 'external', to: `${address}:6379`, allPaths: true });
    expect(paths.map(({ probability, disposition, backend }) => [probability, disposition, backend?.kind])).toEqual([
      [0.5, 'DELIVERED', 'Pod'],
      [0.5, 'DELIVERED', 'Pod'],
    ]);
    const texts = paths[0]!.request.hops.flatMap(({ steps }) =>
      steps.flatMap((step) => (step.kind === 'http' ? step.text : [])),
    );
    expect(texts[0]).toMatch(/^tcproute\/redis/);
    expect(texts[1]).toMatch(/^passed on to svc\/redis:6379: one of its 2 endpoints, 10\./);
    expect((await cluster.exec('host/external', ['nc', '-zv', address, '6379'])).code).toBe(0);
  });

  test('a listener without a route closes what comes', async () => {
    const cluster = await load('');
    const [path] = cluster.trace({ from: 'external', to: `${address}:7000` }).paths;
    expect([path?.disposition, path?.reason]).toEqual([
      'NO_ENDPOINTS',
      'the controller closes the connection: no route on listener "idle"',
    ]);
  });
});

test('netsim routes shows streams beside HTTP', async () => {
  const cluster = await load(
    app('redis', '6379/tcp') +
      app('one', '514/udp') +
      route('TCPRoute', 'redis', '{ name: redis, port: 6379 }') +
      route('UDPRoute', 'syslog', '{ name: one, port: 514 }'),
  );
  expect(cluster.routes().map(({ kind, pathType, notes }) => [kind, pathType, notes[0]])).toEqual([
    ['UDPRoute', 'UDP', 'Gateway default/web listener syslog port 514'],
    ['TCPRoute', 'TCP', 'Gateway default/web listener redis port 6379'],
  ]);
});

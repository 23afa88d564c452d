import type { Pod } from '@netsim/manifest';
import { Cluster } from 'netsim';
import { beforeAll, describe, expect, test } from 'vitest';
import { curl, gatewayOf, METALLB, web } from './support.ts';

const gateway = `${gatewayOf(
  'name: http, port: 80, protocol: HTTP',
  'name: tls, port: 443, protocol: TLS, hostname: tls.example.com, tls: { mode: Passthrough }',
)}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: kubia }
spec:
  parentRefs: [{ name: web }]
  hostnames: [kubia.example.com]
  rules:
  - matches: [{ path: { type: PathPrefix, value: /bar } }]
    backendRefs: [{ name: bar, port: 80 }]
  - backendRefs: [{ name: kubia, port: 80, weight: 3 }, { name: bar, port: 80, weight: 1 }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: { name: tls }
spec:
  parentRefs: [{ name: web, sectionName: tls }]
  hostnames: [tls.example.com]
  rules:
  - backendRefs: [{ name: bar, port: 80 }]
---
`;

describe('a Gateway', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.load({ yaml: web('kubia', 1) + web('bar', 1) + gateway + METALLB });
  });
  const resolve = ['--resolve', 'kubia.example.com:80:192.168.1.11', '--resolve', 'tls.example.com:443:192.168.1.11'];

  test('gets a data plane of its own, and its address', () => {
    expect(cluster.notes).toEqual([
      'the manifests have no data plane for gateway default/web: Deployment and LoadBalancer Service default/web-eg are added',
    ]);
    const { status } = cluster.store.get<Pod & { status: { addresses: unknown } }>('Gateway', 'default', 'web')!;
    expect(status.addresses).toEqual([{ type: 'IPAddress', value: '192.168.1.11' }]);
  });

  test('carries requests by its routes', async () => {
    expect(await curl(cluster, ...resolve, 'http://kubia.example.com/bar/x')).toContain("You've hit bar-");
    expect(await curl(cluster, '-o', '/dev/null', '-w', '%{http_code}', 'http://192.168.1.11/')).toBe('404');
  });

  test('weights are shares of the requests', async () => {
    const hits = { kubia: 0, bar: 0 };
    for (let n = 0; n < 200; n++) {
      const answer = await curl(cluster, ...resolve, 'http://kubia.example.com/');
      hits[answer.includes('kubia-') ? 'kubia' : 'bar']++;
    }
    expect(hits.kubia / 200).toBeGreaterThan(0.65);
    expect(hits.kubia / 200).toBeLessThan(0.85);
  });

  test('a trace has every backend with its weight', () => {
    const { paths } = cluster.trace({ from: 'external', to: 'http://192.168.1.11/', allPaths: true });
    expect(paths.map(({ http }) => http?.status)).toEqual([404]);
    const routes = cluster.routes('kubia.example.com');
    expect(routes.map(({ kind, path }) => `${kind} ${path}`).length).toBeGreaterThanOrEqual(2);
  });

  test('TLS is passed through unread: what answers in clear is no TLS for the client', async () => {
    expect(await curl(cluster, ...resolve, 'https://tls.example.com/')).toContain('wrong version number');
  });

  test('one that is applied later is served too', async () => {
    const later = gateway.replace('metadata: { name: web }', 'metadata: { name: late }').split('---\n')[1]!;
    cluster.apply(later);
    expect(cluster.store.list<Pod>('Pod').some(({ metadata }) => metadata.name.startsWith('late-eg-'))).toBe(true);
  });

  test('without its class it gets nothing', async () => {
    const [, only] = gateway.split('---\n');
    const other = await Cluster.load({ yaml: only! });
    expect(other.notes).toEqual([]);
  });
});

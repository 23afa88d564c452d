import { assertTraceInvariants, type Path } from '@netsim/trace';
import { Cluster, type TraceOptions } from 'netsim';
import { describe, expect, test } from 'vitest';
import { ingress, METALLB, web } from './support.ts';

const manifests = web('kubia') + web('bar', 1) + ingress({ '/': 'kubia', '/bar': 'bar' }) + METALLB;

async function pathsTo(url: string, yaml = manifests, options: Partial<TraceOptions> = {}): Promise<readonly Path[]> {
  const cluster = await Cluster.load({ yaml });
  return assertTraceInvariants(cluster.trace({ from: 'external', to: url, ...options })).paths;
}

function places(path: Path): string[] {
  return path.request.hops.map(({ netns }) => netns.replace(/-[a-z0-9]+-[a-z0-9]{5}$/, ''));
}

function said(path: Path, action: string): string[] {
  return path.request.hops.flatMap(({ steps }) =>
    steps.flatMap((step) => (step.kind === 'http' && step.action === action ? [step.text] : [])),
  );
}

describe('a URL is traced through the controller', () => {
  test('host outside, node, controller pod, then straight to the endpoint', async () => {
    const [path] = await pathsTo('http://kubia.example.com/bar/x');
    expect(path?.disposition).toBe('DELIVERED');
    expect(path?.backend?.name).toMatch(/^bar-/);
    const [first, second, door, ...rest] = places(path!);
    expect([first, second, door]).toEqual(['host', 'host', 'ingress-nginx/ingress-nginx-controller']);
    expect(rest.at(-1)).toBe('default/bar');
    const nat = path!.request.hops.flatMap(({ steps }) => steps.filter((step) => step.kind === 'nat'));
    expect(nat.length, 'the service of the controller is translated, that of the pod is not used').toBe(1);
    expect(path?.http).toMatchObject({
      method: 'GET',
      host: 'kubia.example.com',
      target: '/bar/x',
      rule: { kind: 'Ingress', name: 'kubia', path: '/bar', file: 'yaml' },
      forwardedFor: '192.168.1.200',
    });
    expect(said(path!, 'forward')).toEqual([
      expect.stringMatching(/^to svc\/bar:80: straight to its only endpoint, 10\./),
    ]);
  });

  test('every endpoint is a path with its probability', async () => {
    const paths = await pathsTo('http://kubia.example.com/', manifests, { allPaths: true });
    expect(paths.map(({ probability }) => probability.toFixed(3))).toEqual(['0.333', '0.333', '0.333']);
    expect(new Set(paths.map(({ backend }) => backend?.name)).size).toBe(3);
  });

  test('a host that no rule has is answered 404 by the controller', async () => {
    const [path] = await pathsTo('http://192.168.1.11/');
    expect(path?.disposition).toBe('DELIVERED');
    expect(path?.http?.status).toBe(404);
    expect(path?.advice).toContain('kubia.example.com');
  });

  test('a service without a ready endpoint is NO_ENDPOINTS and 503', async () => {
    const [path] = await pathsTo('http://kubia.example.com/bar', manifests.replace('replicas: 1', 'replicas: 0'));
    expect(path?.disposition).toBe('NO_ENDPOINTS');
    expect(path?.http?.status).toBe(503);
    expect(path?.reason).toBe('service default/bar has no endpoints: the controller answers 503');
  });

  test('a service that is not there is 503 too', async () => {
    const [path] = await pathsTo('http://kubia.example.com/', web('x') + ingress({ '/': 'missing' }) + METALLB);
    expect(path?.disposition).toBe('NO_ENDPOINTS');
    expect(path?.reason).toContain('there is no service default/missing');
  });

  test('a pod where nobody listens is 502', async () => {
    const [path] = await pathsTo(
      'http://kubia.example.com/',
      manifests.replaceAll('targetPort: 8080', 'targetPort: 9090'),
    );
    expect(path?.disposition).toBe('NO_LISTENER');
    expect(path?.http?.status).toBe(502);
  });

  test('header fields decide where a canary asks for them', async () => {
    const canary = ingress(
      { '/': 'bar' },
      { 'nginx.ingress.kubernetes.io/canary': 'true', 'nginx.ingress.kubernetes.io/canary-by-header': 'X-Canary' },
    ).replace('name: kubia', 'name: canary');
    const yaml = web('kubia', 1) + web('bar', 1) + ingress({ '/': 'kubia' }) + canary + METALLB;
    const [old] = await pathsTo('http://kubia.example.com/', yaml);
    const [next] = await pathsTo('http://kubia.example.com/', yaml, { headers: [['X-Canary', 'always']] });
    expect([old?.http?.service?.name, next?.http?.service?.name]).toEqual(['kubia', 'bar']);
  });

  test('a canary by weight is a path with its share', async () => {
    const canary = ingress(
      { '/': 'bar' },
      { 'nginx.ingress.kubernetes.io/canary': 'true', 'nginx.ingress.kubernetes.io/canary-weight': '20' },
    ).replace('name: kubia', 'name: canary');
    const yaml = web('kubia', 1) + web('bar', 1) + ingress({ '/': 'kubia' }) + canary + METALLB;
    const paths = await pathsTo('http://kubia.example.com/', yaml, { allPaths: true });
    const share = Object.fromEntries(
      paths.map(({ http, probability }) => [http?.service?.name, probability.toFixed(3)]),
    );
    expect(share).toEqual({ kubia: '0.800', bar: '0.200' });
  });

  test('without a load balancer the name leads to a node, on whose port 80 nobody listens', async () => {
    const cluster = await Cluster.load({ yaml: manifests.replace(METALLB, '') });
    const [path] = cluster.trace({ from: 'external', to: 'http://kubia.example.com/bar?x=1' }).paths;
    expect(path?.disposition).toBe('NO_LISTENER');
    expect(path?.cause).toMatchObject({ kind: 'Service', name: 'ingress-nginx-controller' });
    const url = /^Write (http:\/\/kubia\.example\.com:3\d{4}\/bar\?x=1), or .*MetalLB/.exec(path?.advice ?? '')?.[1];
    expect(cluster.trace({ from: 'external', to: url! }).paths[0]?.disposition, 'the advice is right').toBe(
      'DELIVERED',
    );
  });

  test('without a controller the name has no address', async () => {
    const yaml = web('kubia') + ingress({ '/': 'kubia' }, { 'netsim.dev/controller': 'none' }) + METALLB;
    const [path] = await pathsTo('http://kubia.example.com/', yaml);
    expect(path?.disposition).toBe('INSUFFICIENT_INFO');
  });
});

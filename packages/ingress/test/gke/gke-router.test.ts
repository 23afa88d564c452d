import { type Ingress, type KubeObject, loadManifests, type Service } from '@netsim/manifest';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UrlMap } from '../../src/gke/url-map.ts';
import { type GkeRouter, gkeClassOf, gkeRouter, type IngressView, type RouteRule } from '../../src/index.ts';
import { request } from '../support.ts';

const NOW = Date.UTC(2026, 0, 1);
const NEG = { 'cloud.google.com/neg': '{"ingress": true}' };

function service(
  name: string,
  changes: Partial<Service['spec']> = {},
  annotations: Record<string, string> = NEG,
): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: 'default', name, annotations },
    spec: { type: 'ClusterIP', ports: [{ port: 80, targetPort: 8080 }], ...changes },
  };
}

type Row = readonly [host: string, path: string, pathType: string, service: string];

function ingressOf(rows: readonly Row[], annotations: Record<string, string> = {}, more: object = {}): Ingress {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { namespace: 'default', name: 'web', annotations },
    spec: {
      rules: rows.map(([host, path, pathType, name]) => ({
        ...(host === '' ? {} : { host }),
        http: { paths: [{ path, pathType, backend: { service: { name, port: { number: 80 } } } }] },
      })),
      ...more,
    },
  };
}

function router(
  ingress: Ingress,
  objects: readonly KubeObject[] = ['a', 'b', 'c'].map((name) => service(name)),
): GkeRouter {
  const all = [ingress, ...objects];
  const view: IngressView = {
    list: <T extends KubeObject>(kind: string) => all.filter((each) => each.kind === kind) as T[],
    get: <T extends KubeObject>(kind: string, namespace: string | undefined, name: string) =>
      all.find((each) => each.kind === kind && each.metadata.namespace === namespace && each.metadata.name === name) as
        | T
        | undefined,
  };
  return gkeRouter(view, ingress, 'gce', NOW);
}

/** The service that gets a request, or the status that is answered. */
function to(made: GkeRouter, url: string, headers: readonly (readonly [string, string])[] = []): string | number {
  const outcome = made.decide(request(url, { headers }), 0);
  if (outcome.kind === 'forward' && outcome.backend.kind === 'service') return outcome.backend.name;
  if (outcome.kind === 'redirect') return `${outcome.status} ${outcome.location}`;
  return outcome.kind === 'respond' ? outcome.status : outcome.kind;
}

/** Several paths of one host stand in one rule, as GKE wants it. */
function paths(host: string, ...rows: readonly (readonly [path: string, pathType: string, service: string])[]): object {
  return {
    rules: [
      {
        ...(host === '' ? {} : { host }),
        http: {
          paths: rows.map(([path, pathType, name]) => ({
            path,
            pathType,
            backend: { service: { name, port: { number: 80 } } },
          })),
        },
      },
    ],
  };
}

describe('which Ingresses are GKE’s', () => {
  const of = (annotation: string | undefined, className: string | undefined, onGke: boolean): string | undefined =>
    gkeClassOf(
      ingressOf([], annotation === undefined ? {} : { 'kubernetes.io/ingress.class': annotation }, {
        ...(className === undefined ? {} : { ingressClassName: className }),
      }),
      onGke,
    );
  test.each([
    ['no class, on GKE', undefined, undefined, true, 'gce'],
    ['no class, elsewhere', undefined, undefined, false, undefined],
    ['class nginx in the spec, on GKE', undefined, 'nginx', true, undefined],
    ['class gce in the spec only, on GKE', undefined, 'gce', true, undefined],
    ['annotation gce, elsewhere', 'gce', undefined, false, 'gce'],
    ['annotation gce beside another class in the spec', 'gce', 'nginx', true, 'gce'],
    ['annotation gce-internal', 'gce-internal', undefined, true, 'gce-internal'],
    ['annotation nginx, on GKE', 'nginx', undefined, true, undefined],
    ['empty annotation, on GKE', '', undefined, true, 'gce'],
  ])('%s', (_, annotation, className, onGke, expected) => {
    expect(of(annotation, className, onGke)).toBe(expected);
  });
});

describe('paths of a URL map', () => {
  const of = (...rows: readonly (readonly [string, string, string])[]): GkeRouter =>
    router(ingressOf([], {}, paths('', ...rows)));
  test.each([
    ['Prefix /foo takes /foo', ['/foo', 'Prefix', 'a'], '/foo', 'a'],
    ['Prefix /foo takes /foo/', ['/foo', 'Prefix', 'a'], '/foo/', 'a'],
    ['Prefix /foo takes /foo/bar', ['/foo', 'Prefix', 'a'], '/foo/bar', 'a'],
    ['Prefix /foo does not take /foobar', ['/foo', 'Prefix', 'a'], '/foobar', 404],
    ['Prefix /foo/ takes /foo', ['/foo/', 'Prefix', 'a'], '/foo', 'a'],
    ['Prefix / takes everything', ['/', 'Prefix', 'a'], '/x/y', 'a'],
    ['Exact /foo does not take /foo/', ['/foo', 'Exact', 'a'], '/foo/', 404],
    ['ImplementationSpecific / takes / alone', ['/', 'ImplementationSpecific', 'a'], '/x', 404],
    ['ImplementationSpecific /* takes everything', ['/*', 'ImplementationSpecific', 'a'], '/x', 'a'],
    ['ImplementationSpecific /foo/* does not take /foo', ['/foo/*', 'ImplementationSpecific', 'a'], '/foo', 404],
    ['ImplementationSpecific /foo/* takes /foo/', ['/foo/*', 'ImplementationSpecific', 'a'], '/foo/', 'a'],
    ['ImplementationSpecific without a path takes everything', ['', 'ImplementationSpecific', 'a'], '/x', 'a'],
    ['the query is no part of the path', ['/foo', 'Exact', 'a'], '/foo?x=/bar', 'a'],
    ['upper case is another path', ['/foo', 'Prefix', 'a'], '/FOO', 404],
  ] as const)('%s', (_, row, path, expected) => {
    expect(to(of(row), `http://any${path}`)).toBe(expected);
  });

  test('the longer pattern wins, whatever the order', () => {
    const made = of(
      ['/*', 'ImplementationSpecific', 'a'],
      ['/foo/*', 'ImplementationSpecific', 'b'],
      ['/foo/bar', 'Exact', 'c'],
    );
    expect(['/x', '/foo/x', '/foo/bar', '/foo'].map((path) => to(made, `http://any${path}`))).toEqual([
      'a',
      'b',
      'c',
      'a',
    ]);
  });

  test('of two equal paths the later one has it', () => {
    const made = of(['/foo', 'Prefix', 'a'], ['/foo', 'Exact', 'b']);
    expect([to(made, 'http://any/foo'), to(made, 'http://any/foo/x')]).toEqual(['b', 'a']);
  });

  test.each([
    ['Exact', '/foo/*'],
    ['Prefix', '/foo/*'],
    ['ImplementationSpecific', '/foo*'],
    ['ImplementationSpecific', '/foo/*/bar'],
    ['ImplementationSpecific', '*'],
  ])('%s %s: there is no load balancer', (pathType, path) => {
    const made = of([path, pathType, 'a']);
    expect(made.listeners).toEqual([]);
    expect(made.findings.map(({ code }) => code)).toContain('gke-path');
  });

  /** The documentation's words, one by one: hosts by the longest glob, then paths by the longest pattern. */
  test('are found as a look at all of them finds them', () => {
    const label = fc.constantFrom('a', 'b', 'a-b', 'com');
    const host = fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.'));
    const glob = fc.oneof(
      host,
      host.map((name) => `*.${name}`),
      host.map((name) => `*-${name}`),
      fc.constant('*'),
    );
    const path = fc.array(fc.constantFrom('x', 'y', ''), { maxLength: 4 }).map((parts) => `/${parts.join('/')}`);
    const pattern = fc.oneof(
      path,
      path.map((text) => (text.endsWith('/') ? `${text}*` : `${text}/*`)),
    );
    const table = fc.uniqueArray(fc.tuple(glob, fc.uniqueArray(pattern, { maxLength: 5 })), {
      selector: ([name]) => name,
    });
    fc.assert(
      fc.property(table, host, path, (hosts, asked, target) => {
        const map = new UrlMap();
        const ruleOf = (name: string, text: string): RouteRule => ({
          kind: 'Ingress',
          namespace: '',
          name,
          field: [],
          host: name,
          path: text,
          pathType: '',
          backends: [],
        });
        for (const [name, patterns] of hosts)
          map.put(
            name,
            patterns.map((text) => ({ pattern: text, rule: ruleOf(name, text) })),
          );
        const fitting = hosts.filter(
          ([name]) =>
            name === '*' ||
            name === asked ||
            (/^\*[.-]/.test(name) && asked.length > name.length - 1 && asked.endsWith(name.slice(1))),
        );
        const best = fitting.sort(([a], [b]) => Number(b === asked) - Number(a === asked) || b.length - a.length)[0];
        const takes = (text: string): boolean =>
          text.endsWith('/*') ? target.startsWith(text.slice(0, -1)) : target === text;
        const found = best?.[1]
          .filter(takes)
          .sort((a, b) => Number(a.endsWith('*')) - Number(b.endsWith('*')) || b.length - a.length)[0];
        const rule = map.match(asked, target);
        expect([rule?.host, rule?.path]).toEqual(found === undefined ? [undefined, undefined] : [best![0], found]);
      }),
    );
  });
});

describe('hosts', () => {
  test('a star stands for any number of labels, unlike in the words of the API', () => {
    const made = router(ingressOf([['*.example.com', '/', 'Prefix', 'a']]));
    expect([
      to(made, 'http://www.example.com/'),
      to(made, 'http://a.b.example.com/'),
      to(made, 'http://example.com/'),
    ]).toEqual(['a', 'a', 404]);
  });
  test('only the paths of the most precise host count', () => {
    const made = router(
      ingressOf([
        ['shop.example.com', '/api', 'Prefix', 'a'],
        ['', '/', 'Prefix', 'b'],
      ]),
    );
    expect([
      to(made, 'http://shop.example.com/api'),
      to(made, 'http://shop.example.com/'),
      to(made, 'http://x/'),
    ]).toEqual(['a', 404, 'b']);
    const { considered } = made.explain(request('http://shop.example.com/cart'), 0);
    expect(considered.map(({ won, why }) => [won, why])).toEqual([
      [false, 'path /api does not fit /cart'],
      [false, 'host "shop.example.com" is more precise, and only its paths count'],
    ]);
  });
  test('a second rule for the same host takes the place of the first', () => {
    const made = router(
      ingressOf([
        ['shop.example.com', '/a', 'Prefix', 'a'],
        ['shop.example.com', '/b', 'Prefix', 'b'],
      ]),
    );
    expect([to(made, 'http://shop.example.com/a'), to(made, 'http://shop.example.com/b')]).toEqual([404, 'b']);
    expect(made.findings.map(({ code, field }) => [code, field[2]])).toEqual([['gke-host-twice', 0]]);
  });
  test('port, case and a trailing dot of the Host header do not matter', () => {
    const made = router(ingressOf([['shop.example.com', '/', 'Prefix', 'a']]));
    expect(to(made, 'http://SHOP.example.com.:80/')).toBe('a');
  });
  test('what no rule takes goes to the default backend of the Ingress', () => {
    const made = router(
      ingressOf(
        [['shop.example.com', '/a', 'Prefix', 'a']],
        {},
        { defaultBackend: { service: { name: 'b', port: { number: 80 } } } },
      ),
    );
    expect([to(made, 'http://shop.example.com/x'), to(made, 'http://other/')]).toEqual(['b', 'b']);
  });
});

describe('what the controller refuses', () => {
  const one = ingressOf([['', '/', 'Prefix', 'a']]);
  test.each([
    ['a ClusterIP service without NEG', [service('a', {}, {})], 'gke-service-type'],
    ['a service that is not there', [], 'ingress-service-missing'],
    ['a port that the service does not have', [service('a', { ports: [{ port: 8080 }] })], 'ingress-port-missing'],
    [
      'an annotation that is no JSON',
      [service('a', {}, { 'cloud.google.com/neg': '{ingress: true}' })],
      'gke-annotation',
    ],
    [
      'a BackendConfig that is not there',
      [service('a', {}, { ...NEG, 'cloud.google.com/backend-config': '{"default": "x"}' })],
      'gke-backend-config',
    ],
  ] as const)('%s: no load balancer', (_, objects, code) => {
    const made = router(one, objects);
    expect(made.findings.map((each) => each.code)).toContain(code);
    expect([made.listeners, made.refused === undefined]).toEqual([[], false]);
  });
  test.each(['NodePort', 'LoadBalancer'] as const)('a service of type %s needs no NEG', (type) => {
    const made = router(one, [service('a', { type, ports: [{ port: 80, nodePort: 30123 }] }, {})]);
    expect([made.findings, made.services.map(({ reaches, nodePort }) => [reaches, nodePort])]).toEqual([
      [],
      [['nodes', 30123]],
    ]);
  });
});

describe('the front', () => {
  const rows: readonly Row[] = [['shop.example.com', '/', 'Prefix', 'a']];
  const managed = loadManifests([
    {
      file: 'x',
      text: `
apiVersion: networking.gke.io/v1
kind: ManagedCertificate
metadata: { name: cert, namespace: default }
spec: { domains: [shop.example.com] }
---
apiVersion: networking.gke.io/v1beta1
kind: FrontendConfig
metadata: { name: secure, namespace: default }
spec: { redirectToHttps: { enabled: true, responseCodeName: PERMANENT_REDIRECT } }
`,
    },
  ]).objects;
  const withCertificate = (annotations: Record<string, string>): GkeRouter =>
    router(ingressOf(rows, { 'networking.gke.io/managed-certificates': 'cert', ...annotations }), [
      service('a'),
      ...managed,
    ]);

  test('HTTP alone without a certificate', () => {
    expect(router(ingressOf(rows)).listeners).toEqual([{ port: 80, scheme: 'http' }]);
  });
  test('a managed certificate opens 443, and that nobody knows whether it is there is said', () => {
    const made = withCertificate({});
    expect(made.listeners.map(({ port }) => port)).toEqual([80, 443]);
    expect(made.certificate('shop.example.com')?.names).toEqual(['shop.example.com']);
    expect(made.findings.map(({ code }) => code)).toEqual(['gke-certificate']);
  });
  test('allow-http: "false" closes 80', () => {
    expect(withCertificate({ 'kubernetes.io/ingress.allow-http': 'false' }).listeners.map(({ port }) => port)).toEqual([
      443,
    ]);
  });
  test('allow-http: "false" without a certificate leaves nothing', () => {
    const made = router(ingressOf(rows, { 'kubernetes.io/ingress.allow-http': 'false' }));
    expect([made.listeners, made.findings.map(({ code }) => code)]).toEqual([[], ['gke-no-port']]);
  });
  test('redirectToHttps answers HTTP with a redirect', () => {
    const made = withCertificate({ 'networking.gke.io/v1beta1.FrontendConfig': 'secure' });
    expect(to(made, 'http://shop.example.com/a?b=c')).toBe('308 https://shop.example.com/a?b=c');
    expect(to(made, 'https://shop.example.com/')).toBe('a');
  });
  test('a secret that is not there is no certificate', () => {
    const made = router(ingressOf(rows, {}, { tls: [{ secretName: 'gone' }] }));
    expect(made.listeners.map(({ port }) => port)).toEqual([80]);
    expect(made.findings.map(({ code }) => code)).toEqual(['ingress-tls-secret-missing']);
  });
  test('the class in the field that GKE passes over', () => {
    const made = router(ingressOf(rows, { 'kubernetes.io/ingress.class': 'gce' }, { ingressClassName: 'gce' }));
    expect(made.findings.map(({ code }) => code)).toEqual(['gke-class-field']);
  });
});

describe('a BackendConfig', () => {
  const config = (spec: object): KubeObject =>
    ({
      apiVersion: 'cloud.google.com/v1',
      kind: 'BackendConfig',
      metadata: { namespace: 'default', name: 'config' },
      spec,
    }) as KubeObject;
  const made = (spec: object): GkeRouter =>
    router(ingressOf([['', '/', 'Prefix', 'a']]), [
      service('a', {}, { ...NEG, 'cloud.google.com/backend-config': '{"ports": {"80": "config"}}' }),
      config(spec),
    ]);
  const forward = (spec: object, headers: readonly (readonly [string, string])[] = []) => {
    const outcome = made(spec).decide(request('http://x/', { headers }), 0);
    return outcome.kind === 'forward' ? outcome : undefined;
  };
  test('gives the health check its path and port', () => {
    const { services } = made({ healthCheck: { requestPath: '/ready', port: 9000, type: 'HTTP' } });
    expect(services[0]?.healthCheck).toEqual({ protocol: 'HTTP', path: '/ready', port: 9000, from: 'BackendConfig' });
  });
  test('30 seconds without timeoutSec', () => {
    expect(forward({})?.timeouts.backendRequest).toBe(30_000);
    expect(forward({ timeoutSec: 5 })?.timeouts.backendRequest).toBe(5_000);
  });
  test('affinity by a cookie, and by the address', () => {
    const cookie = { sessionAffinity: { affinityType: 'GENERATED_COOKIE', affinityCookieTtlSec: 50 } };
    expect(forward(cookie)?.affinity).toEqual({ cookie: 'GCLB', attributes: '; path=/; HttpOnly', expires: 50 });
    expect(forward(cookie, [['Cookie', 'x=1; GCLB=abc']])?.affinity?.value).toBe('abc');
    expect(forward({ sessionAffinity: { affinityType: 'CLIENT_IP' } })?.clientAffinity).toBe(true);
  });
});

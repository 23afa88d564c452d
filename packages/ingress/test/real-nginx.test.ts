import type { Ingress } from '@netsim/manifest';
import { afterAll, expect, test } from 'vitest';
import type { FrontRequest, Outcome, RouteFinding } from '../src/index.ts';
import { SecretReader } from '../src/ingress/certificates.ts';
import { readGlobals } from '../src/ingress/nginx/globals.ts';
import { type NginxRouter, nginxRouter } from '../src/ingress/nginx/nginx-router.ts';
import { renderServers } from '../src/ingress/nginx/render.ts';
import { fakeCertificate } from '../src/tls/certificate.ts';
import { generator } from './random.ts';
import { type Answer, nginxProgram, nginxVersion, RealNginx } from './real-nginx.ts';
import { nginxOptions, viewOf } from './support.ts';

/** How many requests are compared; NETSIM_NGINX_REQUESTS=10000 for the whole figure. */
const wanted = Number(process.env.NETSIM_NGINX_REQUESTS ?? 1000);
const seed = Number(process.env.NETSIM_NGINX_SEED ?? 1);

const HOSTS = ['a.example', 'b.example', '*.example', '*.b.example', 'www.a.example', undefined];
const PLAIN = [
  '/',
  '/foo',
  '/foo/',
  '/foo/bar',
  '/foo/bar/',
  '/foobar',
  '/api',
  '/api/v1',
  '/a.b',
  '/a-b',
  '/FOO',
  '/x/y/z',
  '',
  // Paths that no request has, or only an odd one.
  '/foo//bar',
  '/foo/../api',
  '/foo?x=1',
  '/api/(.*)',
];
const PATTERNS = [
  '/foo(/|$)(.*)',
  '/api/(.*)',
  '/(.*)',
  '/foo/[A-Z0-9]{3}',
  '/foo/bar/(.+)',
  '/v[0-9]+/?(.*)',
  '/(foo|bar)/(\\d+)',
  '/(?!api)(.*)',
  '/a\\.b$',
  '/something(/|$)(.*)',
  '/x/(?<rest>.*)',
  '/[^/]+/z',
  '/foo/?$',
  '/b(a+)+c',
  '/.*\\.(png|jpg)$',
  '/((((a))))(.*)',
];
const TARGETS = [
  '/',
  '/$1',
  '/$2',
  '/new/$1',
  '/q?x=$1',
  '/q?x=$2&z=',
  '/$1?',
  '/api',
  '/foo',
  'http://other.example/$1',
  'https://o.example/$1?k=v',
  '/$request_method/$1',
  '$1',
  '/$uri',
];
const TAILS = [
  '',
  '/',
  '/bar',
  '/bar/baz',
  '/1',
  '/ABC',
  'bar',
  '/a%2Fb',
  '/a%20b',
  '//',
  '/./c',
  '/../c',
  '/..',
  '/.',
  '/...',
  '?x=1',
  '/?x=/1/',
  '?a=b#c',
  '#f',
  '/a+b',
  '/%41',
  '/a;v=1',
  '/é',
  '/%e9',
  '/%0Ad',
  '/"q"',
  '/<x>',
  '/a%25b',
  '/%3Fq',
  '/%23h',
  '/{y}',
  '/~u',
  "/it's",
  '/a|b',
  '/a^b',
  '/a&b=c',
  '/x.png',
];
const BAD = [
  '/%',
  '/%zz',
  '/%00',
  '/../x',
  '/..',
  '*',
  'foo',
  '/a b',
  'http://',
  'http://b.example',
  'http://a.example/foo',
  'http://b.example?x=1',
  'HTTP://B.example:80/api/x',
  'http://a_b.example/',
  'b.example:443',
  'ftp://a.example/foo',
  '//a.example/foo',
  '/foo\\bar',
  '/\x7f',
  '/%2e%2e/x',
  '/foo/%2e%2e/api',
  '/foo/.%2e/api',
];
const ASKED = [
  'a.example',
  'b.example',
  'A.Example',
  'c.example',
  'x.b.example',
  'x.y.b.example',
  'www.a.example',
  'a.example:8080',
  'b.example.',
  'B.EXAMPLE.:80',
  'c_d.example',
  '.example',
  'other.test',
  '',
  '10.0.0.1',
  '[::1]:80',
  'a..example',
  'a.example/x',
  'xn--bcher-kva.example',
  'bücher.example',
  'alias.test',
  'x.wild.test',
  undefined,
];

type Random = (below: number) => number;
const pick = <T>(random: Random, items: readonly T[]): T => items[random(items.length)]!;

function randomIngress(random: Random, name: string): Ingress {
  const annotations: Record<string, string> = {};
  const annotate = (key: string, value: string): void => {
    annotations[`nginx.ingress.kubernetes.io/${key}`] = value;
  };
  const withPatterns = random(3) === 0;
  if (withPatterns) annotate(random(2) === 0 ? 'use-regex' : 'rewrite-target', 'true');
  if (annotations['nginx.ingress.kubernetes.io/rewrite-target'] !== undefined || random(6) === 0) {
    annotate('rewrite-target', pick(random, TARGETS));
  }
  if (random(12) === 0)
    annotate(
      'permanent-redirect',
      pick(random, ['https://new.example$request_uri', 'http://n.example', '$scheme://$host/x?$args']),
    );
  if (random(12) === 0) annotate('app-root', '/start');
  if (random(12) === 0) annotate('upstream-vhost', 'inner.example');
  if (random(12) === 0) annotate('server-alias', pick(random, ['alias.test', '*.wild.test', 'alias.test,b.example']));
  if (random(12) === 0) annotate('proxy-body-size', '10');
  const service = (): { service: { name: string; port: { number: number } } } => ({
    service: { name: `s${random(5)}`, port: { number: 80 } },
  });
  const rules = Array.from({ length: 1 + random(3) }, () => {
    const host = pick(random, HOSTS);
    const paths = Array.from({ length: 1 + random(4) }, () => {
      const isPattern = withPatterns && random(2) === 0;
      const path = isPattern ? pick(random, PATTERNS) : pick(random, PLAIN);
      const pathType =
        isPattern || path === '' ? 'ImplementationSpecific' : pick(random, ['Exact', 'Prefix', 'Prefix']);
      return { path, pathType, backend: service() };
    });
    return { ...(host !== undefined && { host }), http: { paths } };
  });
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, namespace: 'default', annotations },
    spec: { ingressClassName: 'nginx', rules, ...(random(5) === 0 && { defaultBackend: service() }) },
  };
}

function randomTarget(random: Random): string {
  if (random(8) === 0) return pick(random, BAD);
  const base = pick(random, [...PLAIN, '/something', '/v1', '/bar', '/baaac', '/x/q', '/a']);
  const target = `${base}${pick(random, TAILS)}`;
  const twisted =
    random(6) === 0
      ? target.replace(/[a-z]/, (c) => pick(random, [`%${c.charCodeAt(0).toString(16)}`, c.toUpperCase()]))
      : target;
  return twisted === '' ? '/' : twisted;
}

function randomRequest(random: Random): FrontRequest {
  return {
    scheme: 'http',
    method: pick(random, ['GET', 'GET', 'GET', 'POST', 'PUT', 'OPTIONS', 'TRACE', 'get']),
    version: random(12) === 0 ? '1.0' : '1.1',
    host: wire(pick(random, ASKED)),
    target: wire(randomTarget(random)) ?? '',
    headers: random(10) === 0 ? [['Content-Length', String(random(20))]] : [],
    port: 80,
  };
}

/** One character a byte, as the model has them. */
function wire(text: string | undefined): string | undefined {
  return text === undefined ? undefined : Buffer.from(text, 'utf8').toString('latin1');
}

function bytesOf({ method, target, version, host, headers }: FrontRequest): string {
  const fields = [
    ...(host === undefined ? [] : [['Host', host] as const]),
    ...headers,
    ['Connection', 'close'] as const,
  ];
  const body = 'x'.repeat(Number(headers.find(([name]) => name === 'Content-Length')?.[1] ?? 0));
  return `${method} ${target} HTTP/${version}\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`;
}

/** Our decision in the words of the real answer. */
function ours(outcome: Outcome): Answer {
  if (outcome.kind === 'redirect') return { status: outcome.status, location: outcome.location };
  if (outcome.kind !== 'forward') return { status: outcome.kind === 'respond' ? outcome.status : 0 };
  const { backend, target, host } = outcome;
  const text = backend.kind === 'service' ? `${backend.name}:${backend.port}` : 'upstream-default-backend';
  return { status: 200, backend: text, target, host };
}

let nginx: RealNginx | undefined;
afterAll(() => nginx?.stop());

test.runIf(nginxProgram !== undefined)(
  `decides ${wanted} random requests as the real nginx with the same configuration`,
  async () => {
    const random = generator(seed);
    const perScenario = 50;
    const scenarios: { ingresses: Ingress[]; router: NginxRouter }[] = [];
    while (scenarios.length < wanted / perScenario) {
      const ingresses = Array.from({ length: 1 + random(3) }, (_, i) => randomIngress(random, `i${i}`));
      scenarios.push({ ingresses, router: nginxRouter(viewOf(ingresses), nginxOptions) });
    }
    nginx = new RealNginx();
    await nginx.start(scenarios.map(({ router }) => router.servers));
    const differences: string[] = [];
    let compared = 0;
    for (const [i, { ingresses, router }] of scenarios.entries()) {
      const requests = Array.from({ length: perScenario }, () => randomRequest(random));
      const answers = await Promise.all(requests.map((request) => nginx!.ask(i, bytesOf(request))));
      requests.forEach((request, j) => {
        compared++;
        const real = JSON.stringify(answers[j]);
        const model = JSON.stringify(ours(router.decide(request, 0)));
        if (real === model) return;
        const { method, version, host, target } = request;
        differences.push(
          `${method} ${JSON.stringify(target)} HTTP/${version} host ${JSON.stringify(host)}\n  nginx ${real}\n  ours  ${model}\n  ${JSON.stringify(ingresses.map(({ metadata, spec }) => [metadata.annotations, spec.rules]))}`,
        );
      });
    }
    console.log(`nginx ${nginxVersion()}: ${compared - differences.length}/${compared} requests the same`);
    expect(differences.slice(0, 8).join('\n')).toBe('');
  },
  300_000,
);

const bad: readonly (readonly [what: string, ingress: Ingress])[] = [
  ['a prefix with and one without a slash', withPaths({}, ['/foo', '/foo/'])],
  ['a bracket that never ends', withPaths({ 'use-regex': 'true' }, ['/foo[a-'])],
  ['a group that never ends', withPaths({ 'use-regex': 'true' }, ['/foo(bar'])],
  ['a quantifier of nothing', withPaths({ 'use-regex': 'true' }, ['/foo(*)'])],
  ['a look-behind of no fixed length', withPaths({ 'use-regex': 'true' }, ['/(?<=a+)b'])],
  ['a variable that nginx does not know', withPaths({ 'rewrite-target': '/$nothing' }, ['/foo(.*)'])],
  ['a rewrite target with a blank', withPaths({ 'rewrite-target': '/a b c' }, ['/foo(.*)'])],
  ['a quotation mark in a path', withPaths({ 'use-regex': 'true' }, ['/foo"bar'])],
];

function withPaths(annotations: Readonly<Record<string, string>>, paths: readonly string[]): Ingress {
  const prefixed = Object.entries(annotations).map(([name, value]) => [`nginx.ingress.kubernetes.io/${name}`, value]);
  const written = paths.map((path) => ({
    path,
    pathType: 'Prefix',
    backend: { service: { name: 's', port: { number: 80 } } },
  }));
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: 'bad', namespace: 'default', annotations: Object.fromEntries(prefixed) },
    spec: { ingressClassName: 'nginx', rules: [{ host: 'a.example', http: { paths: written } }] },
  };
}

test.each(bad)('leaves out what nginx does not start with: %s', async (_what, ingress) => {
  const router = nginxRouter(viewOf([ingress]), nginxOptions);
  expect(router.findings.map(({ code }) => code)).toContain('ingress-nginx-refuses');
  expect(router.servers.map(({ hostname }) => hostname)).toEqual(['_']);
  if (nginxProgram === undefined) return;
  const real = new RealNginx();
  const findings: RouteFinding[] = [];
  const view = viewOf([ingress]);
  const servers = renderServers([ingress], {
    view,
    secrets: new SecretReader(view, findings, 0),
    fake: fakeCertificate(0),
    defaultBackend: { kind: 'default-backend' },
    globals: readGlobals(view, {}, findings),
    findings,
  });
  expect(real.test(servers)).toContain('[emerg]');
  await real.stop();
});

test('leaves out a canary for a host without other rules, where its locations break the default server', () => {
  const canary = withPaths({ canary: 'true', 'canary-weight': '10' }, []);
  const paths = ['Prefix', 'Exact', 'Exact'].map((pathType, i) => ({
    path: '/a',
    pathType,
    backend: { service: { name: `s${i}`, port: { number: 80 } } },
  }));
  const main: Ingress = {
    ...withPaths({}, ['/0', '/1', '/2']),
    metadata: { name: 'main', namespace: 'default', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: {
      ingressClassName: 'nginx',
      rules: [{ host: 'b.example', http: { paths: paths.map((one, i) => ({ ...one, path: `/${i}` })) } }],
    },
  };
  const given: Ingress = {
    ...canary,
    metadata: { ...canary.metadata, creationTimestamp: '2026-01-02T00:00:00Z' },
    spec: { ingressClassName: 'nginx', rules: [{ host: 'nobody.example', http: { paths } }] },
  };
  const router = nginxRouter(viewOf([main, given]), nginxOptions);
  expect(
    router.findings.filter(({ code }) => code === 'ingress-nginx-refuses').map(({ object }) => object.name),
  ).toEqual(['bad']);
  expect(router.servers.map(({ hostname }) => hostname)).toEqual(['_', 'b.example']);
});

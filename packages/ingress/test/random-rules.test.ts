import type { Ingress } from '@netsim/manifest';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FrontRequest, Outcome } from '../src/index.ts';
import { type NginxRouter, nginxRouter } from '../src/ingress/nginx/nginx-router.ts';
import { nginxOptions, request, routerOf, viewOf } from './support.ts';

const HOSTS = ['a.example', 'b.example', '*.example', '*.b.example', undefined];
const PATHS = ['/', '/a', '/a/', '/a/b', '/a/bc', '/A', '/b', '/a/b/c', '/b.c'];
const TAILS = ['', '/', '/b', '/c', '?x=1', '/?x=/a', 'c', '/%61', '/../a', '//b', '/.', '#f', '/b+c', '/é', '/ '];
const ASKED = ['a.example', 'b.example', 'x.b.example', 'x.y.example', 'A.Example', 'a.example:8080', 'b.example.', ''];

const rule = fc.record({
  host: fc.constantFrom(...HOSTS),
  paths: fc.array(
    fc.record({
      path: fc.constantFrom(...PATHS),
      pathType: fc.constantFrom('Exact', 'Prefix', 'Prefix', 'ImplementationSpecific'),
      service: fc.constantFrom('s0', 's1', 's2', 's3'),
    }),
    { minLength: 1, maxLength: 6 },
  ),
});

type Rule = typeof rule extends fc.Arbitrary<infer T> ? T : never;

const asked: fc.Arbitrary<FrontRequest> = fc
  .record({
    host: fc.option(fc.constantFrom(...ASKED), { nil: undefined, freq: 20 }),
    path: fc.constantFrom(...PATHS, '/c', '*', 'http://b.example/a', 'a'),
    tail: fc.constantFrom(...TAILS),
    method: fc.constantFrom('GET', 'GET', 'POST', 'OPTIONS', 'TRACE', 'get'),
    version: fc.constantFrom('1.1' as const, '1.1' as const, '1.0' as const),
    length: fc.constantFrom(undefined, '1', '20'),
    scheme: fc.constantFrom('http' as const, 'https' as const),
    clientAddress: fc.constantFrom('192.0.2.7', '10.0.0.1'),
  })
  .map(({ host, path, tail, method, version, length, scheme, clientAddress }) =>
    request('http://a.example/', {
      host,
      target: `${path}${tail}`,
      method,
      version,
      scheme,
      clientAddress,
      headers: [...(length === undefined ? [] : [['Content-Length', length] as const]), ['Accept', '*/*']],
    }),
  );

function ingress(
  name: string,
  rules: readonly Rule[],
  annotations: Readonly<Record<string, string>> = {},
  tls: readonly string[] = [],
): Ingress {
  const prefixed = Object.entries(annotations).map(([key, value]) => [`nginx.ingress.kubernetes.io/${key}`, value]);
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, namespace: 'default', annotations: Object.fromEntries(prefixed) },
    spec: {
      ingressClassName: 'nginx',
      ...(tls.length > 0 && { tls: [{ hosts: [...tls] }] }),
      rules: rules.map(({ host, paths }) => ({
        ...(host !== undefined && { host }),
        http: {
          paths: paths.map(({ path, pathType, service }) => ({
            path,
            pathType,
            backend: { service: { name: service, port: { number: 80 } } },
          })),
        },
      })),
    },
  };
}

/** The Service that gets the request, or the status of the answer. */
const inWords = (outcome: Outcome): string | number =>
  outcome.kind === 'forward' && outcome.backend.kind === 'service'
    ? outcome.backend.name
    : 'status' in outcome
      ? outcome.status
      : outcome.kind;

describe('profile spec', () => {
  test('tables decide as a walk over all rules: the narrowest host that has the path, then the longest path, then Exact', () => {
    const check = fc.property(
      fc.array(rule, { minLength: 1, maxLength: 6 }),
      fc.array(asked, { minLength: 1, maxLength: 20 }),
      (rules, requests) => {
        const router = routerOf('spec', [ingress('given', rules)]);
        for (const one of requests) {
          const { host = '', target } = one;
          const { outcome } = router.explain(one, 0.5);
          expect(router.decide(one, 0.5)).toEqual(outcome);
          if (outcome.kind === 'respond' && outcome.status === 400) continue;
          if (!target.startsWith('/')) continue;
          const name = host.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '');
          expect(inWords(outcome)).toBe(walk(rules, name, target.split(/[?#]/)[0]!));
        }
      },
    );
    fc.assert(check, { numRuns: 300 });
  });
});

function walk(rules: readonly Rule[], host: string, path: string): string | number {
  const wildcard = host.includes('.') ? host.replace(/^[^.]*/, '*') : undefined;
  for (const named of [host, wildcard, undefined]) {
    const fitting = rules
      .filter((one) => one.host === named)
      .flatMap(({ paths }) => paths)
      .map((one, i) => ({ ...one, i, bare: one.path.replace(/\/$/, '') }))
      .filter(({ path: wanted, pathType, bare }) =>
        pathType === 'Exact' ? path === wanted : path === bare || path.startsWith(`${bare}/`),
      )
      .sort(
        (a, b) =>
          Number(b.pathType === 'Exact') - Number(a.pathType === 'Exact') || b.bare.length - a.bare.length || a.i - b.i,
      );
    if (fitting.length > 0) return fitting[0]!.service;
  }
  return 404;
}

describe('profile ingress-nginx', () => {
  const annotations = fc.constantFrom<Readonly<Record<string, string>>>(
    {},
    {},
    { 'proxy-body-size': '10' },
    { 'proxy-read-timeout': '5' },
    { 'backend-protocol': 'HTTPS' },
    { 'app-root': '/start' },
    { 'use-regex': 'true' },
    { 'rewrite-target': '/new' },
    { 'upstream-vhost': 'inner.example' },
    { 'enable-cors': 'true' },
    { 'whitelist-source-range': '10.0.0.0/8' },
    { 'denylist-source-range': '10.0.0.0/8' },
    { 'whitelist-source-range': 'nonsense' },
    { affinity: 'cookie' },
    { 'auth-url': 'http://auth.example/' },
    { 'auth-url': 'http://auth.example/', 'auth-signin': 'http://auth.example/in' },
    { 'permanent-redirect': 'http://new.example' },
    { 'from-to-www-redirect': 'true' },
    { 'server-alias': 'x.b.example' },
    { 'force-ssl-redirect': 'true' },
    { 'ssl-redirect': 'false' },
    { 'custom-http-errors': '404', 'default-backend': 's0' },
    { 'x-forwarded-prefix': '/p', 'rewrite-target': '/new' },
    { canary: 'true', 'canary-weight': '60' },
    { canary: 'true', 'canary-by-header': 'accept', 'canary-by-header-value': '*/*' },
  );
  // Without a Secret the host gets the controller's own certificate: http is redirected to https then.
  const tls = fc.constantFrom<readonly string[]>([], [], ['a.example'], ['*.example', 'b.example']);
  const objects = fc.array(fc.tuple(fc.array(rule, { minLength: 1, maxLength: 3 }), annotations, tls), {
    minLength: 1,
    maxLength: 4,
  });

  test('what the tables know is decided as by reading the request and the locations with care', () => {
    let plain = 0;
    let redirected = 0;
    const check = fc.property(objects, fc.array(asked, { minLength: 1, maxLength: 20 }), (given, requests) => {
      const router = routerOf(
        'ingress-nginx',
        given.map(([rules, annotated, hosts], i) => ingress(`i${i}`, rules, annotated, hosts)),
      );
      for (const one of requests) {
        const outcome = router.decide(one, 0.5);
        expect(outcome).toEqual(router.explain(one, 0.5).outcome);
        if (outcome.kind === 'forward') plain++;
        if (outcome.kind === 'redirect' && outcome.status === 308) redirected++;
      }
    });
    fc.assert(check, { numRuns: 300 });
    expect(plain).toBeGreaterThan(100);
    expect(redirected).toBeGreaterThan(100);
  });

  test('a path finds its location as a walk over all locations does: the whole path, else the longest prefix', () => {
    const check = fc.property(
      fc.array(rule, { minLength: 1, maxLength: 5 }),
      fc.array(fc.tuple(fc.constantFrom('a.example', 'b.example'), fc.constantFrom(...PATHS, '/c', '/a/x', '/b.c/d')), {
        minLength: 1,
        maxLength: 20,
      }),
      (rules, requests) => {
        const router = nginxRouter(viewOf([ingress('given', rules)]), nginxOptions);
        for (const [host, path] of requests) {
          const outcome = router.decide(request(`http://${host}${path}`), 0.5);
          expect(inWords(outcome)).toEqual(walkLocations(router, host, path));
        }
      },
    );
    fc.assert(check, { numRuns: 300 });
  });
});

function walkLocations(router: NginxRouter, host: string, path: string): string | number {
  const named = router.servers.find(({ names }) => names.includes(host));
  const wildcard = router.servers.find(({ names }) =>
    names.some((name) => name.startsWith('~') && new RegExp(name.slice(1)).test(host)),
  );
  const { locations } = named ?? wildcard ?? router.servers.find(({ isDefault }) => isDefault)!;
  const fitting = locations.filter((one) => (one.modifier === '=' ? path === one.path : path.startsWith(one.path)));
  const whole = fitting.find(({ modifier }) => modifier === '=');
  if (whole === undefined && locations.some((one) => one.path === `${path}/`)) return 301;
  const longest = fitting.toSorted((a, b) => b.path.length - a.path.length)[0];
  const { backend } = (whole ?? longest)!.upstream;
  return backend.kind === 'service' ? backend.name : 'forward';
}

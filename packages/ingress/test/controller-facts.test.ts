/** What the sources of ingress-nginx 1.12 and its own e2e tests say of annotations, as rows. */
import { createHash } from 'node:crypto';
import type { ConfigMap, Ingress, KubeObject } from '@netsim/manifest';
import { describe, expect, test } from 'vitest';
import type { Forward, FrontRequest, HeaderField, Outcome } from '../src/index.ts';
import { forwarded, type Given, ingress } from './nginx-ingress.ts';
import { request, routerOf } from './support.ts';

const canary = (annotations: Readonly<Record<string, string>>, given: Given = {}): Ingress =>
  ingress(
    { canary: 'true', ...annotations },
    { name: 'canary', service: 'new', created: '2024-02-01T00:00:00Z', ...given },
  );

function options(data: Readonly<Record<string, string>>): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: 'ingress-nginx', name: 'controller' }, data };
}
const configMap = { namespace: 'ingress-nginx', name: 'controller' };

interface Asked {
  readonly chance?: number;
  readonly idle?: readonly string[];
  readonly headers?: readonly HeaderField[];
  readonly method?: string;
  readonly clientAddress?: string;
}

function ask(
  objects: readonly KubeObject[],
  url: string,
  { chance = 0.5, idle = [], ...changes }: Asked = {},
): Outcome {
  return routerOf('ingress-nginx', objects, { idle, configMap }).decide(request(url, changes), chance);
}

/** `web`, `301 http://...`, `503`: where a request ends. */
function end(outcome: Outcome): string {
  if (outcome.kind === 'redirect') return `${outcome.status} ${outcome.location}`;
  if (outcome.kind === 'respond') return String(outcome.status);
  if (outcome.kind !== 'forward') return outcome.kind;
  return outcome.backend.kind === 'service' ? outcome.backend.name : outcome.backend.kind;
}

function fieldsOf(outcome: Outcome): Record<string, string> {
  if (outcome.kind === 'forward') {
    return Object.fromEntries(
      outcome.response.flatMap((each) => (each.kind === 'set' ? [[each.name, each.value]] : [])),
    );
  }
  return outcome.kind === 'respond' || outcome.kind === 'redirect' ? Object.fromEntries(outcome.headers) : {};
}

const md5 = (text: string): string => createHash('md5').update(text).digest('hex');
const cookieOf = (upstream: string): HeaderField => ['Cookie', `INGRESSCOOKIE=1.2.3|${md5(md5(upstream) + upstream)}`];

describe('canaries', () => {
  const always: readonly HeaderField[] = [['CanaryByHeader', 'always']];
  const byHeader = canary({ 'canary-by-header': 'CanaryByHeader' });
  const sticky = ingress({ affinity: 'cookie' });
  const rows: [what: string, objects: readonly KubeObject[], asked: Asked, wanted: string][] = [
    ['the header says always', [ingress({}), byHeader], { headers: always }, 'new'],
    ['the header says never', [ingress({}), byHeader], { headers: [['CanaryByHeader', 'never']] }, 'web'],
    ['the header says something else', [ingress({}), byHeader], { headers: [['CanaryByHeader', 'bad']] }, 'web'],
    [
      'the canary is older than the main Ingress',
      [ingress({}, { created: '2025-01-01T00:00:00Z' }), byHeader],
      { headers: always },
      'new',
    ],
    [
      'the main Service has no endpoints: 503, canary or not',
      [ingress({}), byHeader],
      { headers: always, idle: ['web'] },
      'web',
    ],
    ['the canary has no endpoints', [ingress({}), byHeader], { headers: always, idle: ['new'] }, 'web'],
    ['without a main Ingress for its host', [byHeader], { headers: always }, 'default-backend'],
    [
      'the main Ingress has the path with another type',
      [ingress({}, { pathType: 'Exact', path: '/' }), byHeader],
      { headers: always },
      'web',
    ],
    [
      'a cookie is found in any case of its name',
      [ingress({}), canary({ 'canary-by-cookie': 'Try' })],
      { headers: [['Cookie', 'tRy=always']] },
      'new',
    ],
    [
      'the cookie says never, the weight is full',
      [ingress({}), canary({ 'canary-by-cookie': 'try', 'canary-weight': '100' })],
      { headers: [['Cookie', 'try=never']] },
      'web',
    ],
    [
      'header-value before header-pattern',
      [
        ingress({}),
        canary({ 'canary-by-header': 'R', 'canary-by-header-value': 'eu', 'canary-by-header-pattern': '.*' }),
      ],
      { headers: [['R', 'us']] },
      'web',
    ],
    [
      'a pattern matches anywhere in the value',
      [ingress({}), canary({ 'canary-by-header': 'R', 'canary-by-header-pattern': 'u|s' })],
      { headers: [['R', 'eu-west']] },
      'new',
    ],
    [
      'a value without the name of a header is nothing',
      [ingress({}), canary({ 'canary-by-header-value': 'eu' })],
      { headers: [['', 'eu']] },
      'web',
    ],
    [
      'a total below 100 counts as 100',
      [ingress({}), canary({ 'canary-weight': '50', 'canary-weight-total': '60' })],
      { chance: 0.6 },
      'web',
    ],
    ['a weight of 0', [ingress({}), canary({ 'canary-weight': '0' })], { chance: 0 }, 'web'],
    [
      'annotations of the canary beside its own are not its own: no rewrite, no redirect',
      [
        ingress({}),
        canary({ 'canary-weight': '100', 'permanent-redirect': 'http://x.example', 'rewrite-target': '/z' }),
      ],
      {},
      'new',
    ],
    [
      'of two canaries the older one',
      [
        ingress({}),
        canary({ 'canary-weight': '100' }),
        canary({ 'canary-weight': '100' }, { name: 'z', service: 'newer' }),
      ],
      {},
      'new',
    ],
    [
      'of two canaries the older one, also where only the younger has endpoints',
      [
        ingress({}),
        canary({ 'canary-weight': '100' }),
        canary({ 'canary-weight': '100' }, { name: 'z', service: 'newer' }),
      ],
      { idle: ['new'] },
      'web',
    ],
    [
      'a client with a cookie of the main Service stays there',
      [sticky, canary({ 'canary-weight': '100' })],
      { headers: [cookieOf('default-web-80')] },
      'web',
    ],
    [
      'a client with a cookie of the canary stays there',
      [sticky, canary({ 'canary-weight': '0' })],
      { headers: [cookieOf('default-new-80')] },
      'new',
    ],
    [
      'affinity-canary-behavior legacy: the canary knows no cookies',
      [sticky, canary({ 'canary-weight': '0', 'affinity-canary-behavior': 'legacy' })],
      { headers: [cookieOf('default-new-80')] },
      'web',
    ],
    [
      'a cookie of the main Service comes before the header',
      [sticky, byHeader],
      { headers: [...always, cookieOf('default-web-80')] },
      'web',
    ],
  ];
  test.each(rows)('%s', (_what, objects, asked, wanted) => {
    expect(end(ask(objects, 'http://a.example/', asked))).toBe(wanted);
  });

  test('a second canary is a finding', () => {
    const second = canary({}, { name: 'z', service: 'newer' });
    const { findings } = routerOf('ingress-nginx', [ingress({}), canary({}), second]);
    expect(findings.find(({ code }) => code === 'ingress-canary-second')?.object.name).toBe('z');
  });
});

describe('cookies of affinity', () => {
  const cookie = (annotations: Readonly<Record<string, string>>, url = 'http://a.example/', given: Given = {}) =>
    forwarded(ask([ingress({ affinity: 'cookie', ...annotations }, given)], url)).affinity;

  test('the path is that of the rule, also behind it', () => {
    expect(cookie({}, 'http://a.example/something/more', { path: '/something' })?.attributes).toContain(
      'Path=/something;',
    );
  });

  test('session-cookie-secure: false over TLS is still secure, true without TLS too', () => {
    expect(cookie({ 'session-cookie-secure': 'false' }, 'https://a.example/')?.attributes).toContain('; Secure');
    expect(cookie({ 'session-cookie-secure': 'true' })?.attributes).toContain('; Secure');
    expect(cookie({ 'session-cookie-secure': 'false' })?.attributes).not.toContain('Secure');
  });

  test('expires and Max-Age stand side by side', () => {
    const found = cookie({ 'session-cookie-expires': '172800', 'session-cookie-max-age': '259200' });
    expect(found).toMatchObject({ expires: 172_800, attributes: '; Max-Age=259200; Path=/; HttpOnly' });
  });

  test('another Ingress of the same Service without affinity sets no cookie, but reads it', () => {
    const objects = [ingress({ affinity: 'cookie' }, { path: '/foo/bar' }), ingress({}, { name: 'two', path: '/foo' })];
    expect(forwarded(ask(objects, 'http://a.example/foo')).affinity?.silent).toBe(true);
    expect(forwarded(ask(objects, 'http://a.example/foo/bar')).affinity?.silent).toBeUndefined();
  });

  test('modes, a change on failure, domain, SameSite and Partitioned', () => {
    const found = cookie({
      'affinity-mode': 'persistent',
      'session-cookie-change-on-failure': 'true',
      'session-cookie-domain': 'a.example',
      'session-cookie-samesite': 'None',
      'session-cookie-partitioned': 'true',
    });
    expect(found).toMatchObject({ persistent: true, changeOnFailure: true });
    expect(found?.attributes).toBe('; Domain=a.example; Path=/; HttpOnly; SameSite=None; Partitioned');
  });

  test('a cookie comes before upstream-hash-by, that before load-balance', () => {
    const both = { 'upstream-hash-by': '$request_uri', 'load-balance': 'ewma' };
    expect(forwarded(ask([ingress({ affinity: 'cookie', ...both })], 'http://a.example/')).balance).toBeUndefined();
    const hashed = ingress({ ...both, 'upstream-hash-by-subset': 'true' });
    expect(forwarded(ask([hashed], 'http://a.example/x?y')).balance).toEqual({ kind: 'hash', key: '/x?y', subset: 3 });
    expect(forwarded(ask([ingress({ 'load-balance': 'ewma' })], 'http://a.example/')).balance).toEqual({
      kind: 'ewma',
    });
  });

  test('how an upstream shares requests is said by the Ingress that names it first', () => {
    const first = ingress({ 'upstream-hash-by': '$host' });
    const later = ingress({ 'load-balance': 'ewma' }, { name: 'later', path: '/x', created: '2024-03-01T00:00:00Z' });
    expect(forwarded(ask([first, later], 'http://a.example/x')).balance).toEqual({ kind: 'hash', key: 'a.example' });
  });
});

describe('CORS', () => {
  const cors = (annotations: Readonly<Record<string, string>>): Ingress =>
    ingress({ 'enable-cors': 'true', ...annotations });
  const rows: [what: string, origins: string, origin: string | undefined, allowed: string | undefined][] = [
    [
      'the origin to the letter',
      'https://origin.cors.com:8080',
      'https://origin.cors.com:8080',
      'https://origin.cors.com:8080',
    ],
    [
      'one of several',
      'https://origin.cors.com:8080, https://origin2.cors.com',
      'https://origin2.cors.com',
      'https://origin2.cors.com',
    ],
    ['none of several', 'http://origin2.cors.com, https://origin.com', 'http://no.origin.com', undefined],
    ['a dot is a dot', 'https://foo.bar.com', 'https://fooxbar.com', undefined],
    ['the port is not left out', 'http://origin.com:8080', 'http://origin.com', undefined],
    ['a port too much', 'http://origin.com', 'http://origin.com:8080', undefined],
    ['a star is one label', 'http://*.origin.cors.com', 'http://foo.origin.cors.com', 'http://foo.origin.cors.com'],
    [
      'a star is one label, also with a hyphen',
      'http://*.origin.cors.com',
      'http://bar-foo.origin.cors.com',
      'http://bar-foo.origin.cors.com',
    ],
    ['a star is not two labels', 'http://*.origin.cors.com', 'http://bar.foo.origin.cors.com', undefined],
    ['a star with a port', 'http://*.origin.com:8080', 'http://x.origin.com:8080', 'http://x.origin.com:8080'],
    ['a star beside others is every origin', 'https://x.example, *', 'http://y.example', '*'],
    ['no Origin, every origin allowed', '*', undefined, '*'],
    [
      'an origin without scheme is passed over',
      'origin.cors.com:8080, https://origin.com',
      'https://origin.com',
      'https://origin.com',
    ],
    ['only origins that are none: no field at all', 'origin.cors.com', 'https://origin.cors.com', undefined],
    ['a scheme of another kind', 'test://localhost', 'test://localhost', 'test://localhost'],
    ['null', 'null', 'null', 'null'],
  ];
  test.each(rows)('%s', (_what, origins, origin, allowed) => {
    const headers: HeaderField[] = origin === undefined ? [] : [['Origin', origin]];
    const outcome = ask([cors({ 'cors-allow-origin': origins })], 'http://a.example/', { headers });
    expect(fieldsOf(outcome)['Access-Control-Allow-Origin']).toBe(allowed);
  });

  test('a preflight of an origin that is not allowed goes to the backend', () => {
    const objects = [cors({ 'cors-allow-origin': 'https://a.example' })];
    const headers: HeaderField[] = [['Origin', 'https://evil.example']];
    expect(end(ask(objects, 'http://a.example/', { method: 'OPTIONS', headers }))).toBe('web');
  });

  test('a preflight is answered before the redirect to https, with 204 and no body', () => {
    const outcome = ask([cors({ 'force-ssl-redirect': 'true' })], 'http://a.example/', { method: 'OPTIONS' });
    expect(end(outcome)).toBe('204');
    expect(fieldsOf(outcome)).toMatchObject({ 'Content-Length': '0', 'Content-Type': 'text/plain charset=UTF-8' });
  });

  test('refusals and redirects have the fields too', () => {
    const closed = cors({ 'whitelist-source-range': '10.0.0.0/8' });
    const outcome = ask([closed], 'http://a.example/', { clientAddress: '192.0.2.1' });
    expect([end(outcome), fieldsOf(outcome)['Access-Control-Allow-Origin']]).toEqual(['403', '*']);
    const moved = ask([cors({ 'permanent-redirect': 'http://b.example' })], 'http://a.example/');
    expect(fieldsOf(moved)['Access-Control-Allow-Origin']).toBe('*');
  });

  test('the defaults, and values that are no lists of names', () => {
    const outcome = ask(
      [cors({ 'cors-allow-methods': 'GET; DROP', 'cors-expose-headers': '*, X-A' })],
      'http://a.example/',
    );
    expect(fieldsOf(outcome)).toEqual({
      'Access-Control-Allow-Origin': '*',
      'Access-Control-Allow-Credentials': 'true',
      'Access-Control-Allow-Methods': 'GET, PUT, POST, DELETE, PATCH, OPTIONS',
      'Access-Control-Allow-Headers':
        'DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization',
      'Access-Control-Expose-Headers': '*, X-A',
      'Access-Control-Max-Age': '1728000',
    });
  });
});

describe('auth-url', () => {
  const auth = (annotations: Readonly<Record<string, string>>, given: Given = {}): Forward['auth'] =>
    forwarded(ask([ingress({ 'auth-url': 'http://auth/check', ...annotations }, given)], 'http://a.example/?a=b&c=d'))
      .auth;

  test('the sign-in page gets the way back, escaped to the last character', () => {
    expect(auth({ 'auth-signin': 'http://$host/auth/start' })?.signin).toBe(
      'http://a.example/auth/start?rd=http://a.example%2F%3Fa%3Db%26c%3Dd',
    );
    expect(auth({ 'auth-signin': 'http://$host/auth/start', 'auth-signin-redirect-param': 'orig' })?.signin).toBe(
      'http://a.example/auth/start?orig=http://a.example%2F%3Fa%3Db%26c%3Dd',
    );
    expect(auth({ 'auth-signin': 'http://x/start?rd=http://y' })?.signin).toBe('http://x/start?rd=http://y');
    expect(auth({ 'auth-signin': 'http://x/start?z=1' })?.signin).toContain('?z=1&rd=http://a.example');
  });

  test('with auth-method the service is told the path and the scheme', () => {
    expect(auth({ 'auth-method': 'POST' })).toMatchObject({
      method: 'POST',
      fields: [
        ['X-Original-URI', '/?a=b&c=d'],
        ['X-Scheme', 'http'],
      ],
    });
  });

  test('a cache has keys of its own for each server and location', () => {
    const found = auth({
      'auth-cache-key': '$cookie_s$http_authorization',
      'auth-cache-duration': '200 202 10m, 401 5s',
    });
    expect(found?.cache?.key).toContain('a.example');
    expect(found?.cache?.times).toEqual([
      { statuses: [200, 202], time: 600_000 },
      { statuses: [401], time: 5_000 },
    ]);
  });

  test.each([
    ['a URL without host', { 'auth-url': 'http://' }],
    ['two dots in the host', { 'auth-url': 'http://a..b/' }],
    ['a method that is none', { 'auth-method': 'FETCH' }],
    ['a header field with a blank', { 'auth-response-headers': 'X User' }],
    ['a time that is none', { 'auth-cache-duration': '200 ten' }],
    ['a ConfigMap that is not there', { 'auth-proxy-set-headers': 'default/none' }],
  ])('%s closes the locations: 503', (_what, annotations) => {
    expect(end(ask([ingress({ 'auth-url': 'http://auth/', ...annotations })], 'http://a.example/'))).toBe('503');
  });

  test('the challenge of Let’s Encrypt needs neither password nor TLS', () => {
    const path = '/.well-known/acme-challenge/token';
    const objects = [
      ingress({ 'auth-url': 'http://auth/', 'force-ssl-redirect': 'true' }),
      ingress({ 'auth-url': 'http://auth/', 'force-ssl-redirect': 'true' }, { name: 'acme', path, service: 'solver' }),
    ];
    const outcome = ask(objects, `http://a.example${path}`);
    expect([end(outcome), forwarded(outcome).auth]).toEqual(['solver', undefined]);
    expect(end(ask(objects, 'http://a.example/'))).toBe('308 https://a.example');
  });

  test('satisfy any: an address that is let in needs no password, another one may have it', () => {
    const any = ingress({ satisfy: 'any', 'auth-url': 'http://auth/', 'whitelist-source-range': '10.0.0.0/8' });
    const of = (clientAddress: string): Outcome => ask([any], 'http://a.example/', { clientAddress });
    expect(forwarded(of('10.1.1.1')).auth).toBeUndefined();
    expect(forwarded(of('192.0.2.1')).auth?.url).toBe('http://auth/');
  });
});

describe('TLS', () => {
  test('every answer over TLS says so for a year, none in clear', () => {
    const wanted = { 'Strict-Transport-Security': 'max-age=31536000; includeSubDomains' };
    expect(fieldsOf(ask([ingress({})], 'https://a.example/'))).toEqual(wanted);
    expect(fieldsOf(ask([ingress({})], 'http://a.example/'))).toEqual({});
    expect(fieldsOf(ask([ingress({ 'permanent-redirect': 'http://b.example' })], 'https://a.example/'))).toEqual(
      wanted,
    );
    const preload = options({ 'hsts-max-age': '86400', 'hsts-include-subdomains': 'false', 'hsts-preload': 'true' });
    expect(fieldsOf(ask([ingress({}), preload], 'https://a.example/'))).toEqual({
      'Strict-Transport-Security': 'max-age=86400; preload',
    });
    expect(fieldsOf(ask([ingress({}), options({ hsts: 'false' })], 'https://a.example/'))).toEqual({});
  });

  const forwarding = options({ 'use-forwarded-headers': 'true' });
  const rows: [what: string, objects: readonly KubeObject[], headers: HeaderField[], wanted: string][] = [
    [
      'X-Forwarded-Proto is not believed',
      [ingress({ 'force-ssl-redirect': 'true' })],
      [['X-Forwarded-Proto', 'https']],
      '308 https://a.example',
    ],
    [
      'with use-forwarded-headers it is',
      [ingress({ 'force-ssl-redirect': 'true' }), forwarding],
      [['X-Forwarded-Proto', 'https']],
      'web',
    ],
    [
      'the redirect goes to X-Forwarded-Host, the first of several',
      [ingress({ 'force-ssl-redirect': 'true' }), forwarding],
      [
        ['X-Forwarded-Proto', 'http'],
        ['X-Forwarded-Host', 'outer.example:8443, inner.example'],
      ],
      '308 https://outer.example',
    ],
    [
      'http-redirect-code',
      [ingress({ 'force-ssl-redirect': 'true' }), options({ 'http-redirect-code': '301' })],
      [],
      '301 https://a.example',
    ],
    [
      'use-port-in-redirects',
      [ingress({ 'force-ssl-redirect': 'true', 'use-port-in-redirects': 'true' })],
      [],
      '308 https://a.example:443',
    ],
    ['ssl-redirect: false for all', [ingress({}, { tls: true }), options({ 'ssl-redirect': 'false' })], [], 'web'],
    [
      'force-ssl-redirect for all',
      [ingress({}), options({ 'force-ssl-redirect': 'true' })],
      [],
      '308 https://a.example',
    ],
  ];
  test.each(rows)('%s', (_what, objects, headers, wanted) => {
    expect(end(ask(objects, 'http://a.example/', { headers }))).toBe(wanted);
  });
});

describe('the default server', () => {
  test.each([
    ['/healthz is 200 for a load balancer', [], '/healthz', '200'],
    ['so is what begins with it', [], '/healthz/more', '200'],
    ['the status page is for nginx itself', [], '/nginx_status', '403'],
    ['an Ingress for / without host leaves it alone', [ingress({}, { host: '' })], '/healthz', '200'],
    ['one for /healthz takes it', [ingress({}, { host: '', path: '/healthz' })], '/healthz', 'web'],
    ['a regular expression comes before it', [ingress({ 'use-regex': 'true' }, { host: '' })], '/healthz', 'web'],
  ] as [string, KubeObject[], string, string][])('%s', (_what, objects, path, wanted) => {
    expect(end(ask(objects, `http://10.0.0.1${path}`))).toBe(wanted);
  });

  test('a host of its own has no /healthz', () => {
    expect(end(ask([ingress({}, { path: '/x' })], 'http://a.example/healthz'))).toBe('default-backend');
  });
});

describe('who the client is', () => {
  const closed = ingress({ 'whitelist-source-range': '203.0.113.0/24' });
  const rows: [what: string, data: Record<string, string>, sent: string | undefined, wanted: string][] = [
    ['X-Forwarded-For is not believed', {}, '203.0.113.7', '403'],
    ['with use-forwarded-headers it is', { 'use-forwarded-headers': 'true' }, '203.0.113.7', 'web'],
    ['with enable-real-ip too', { 'enable-real-ip': 'true' }, '203.0.113.7', 'web'],
    [
      'everybody is trusted by default: the leftmost counts',
      { 'use-forwarded-headers': 'true' },
      '203.0.113.7, 198.51.100.1',
      'web',
    ],
    [
      'with proxy-real-ip-cidr the last that is not trusted counts',
      { 'use-forwarded-headers': 'true', 'proxy-real-ip-cidr': '10.0.0.0/8' },
      '203.0.113.7, 198.51.100.1, 10.9.9.9',
      '403',
    ],
    [
      'a peer that is not trusted counts itself',
      { 'use-forwarded-headers': 'true', 'proxy-real-ip-cidr': '172.16.0.0/12' },
      '203.0.113.7',
      '403',
    ],
    [
      'another name of the field',
      { 'use-forwarded-headers': 'true', 'forwarded-for-header': 'X-Client' },
      undefined,
      '403',
    ],
    ['whitelist for all is replaced by the annotation', { 'whitelist-source-range': '10.0.0.0/8' }, undefined, '403'],
  ];
  test.each(rows)('%s', (_what, data, sent, wanted) => {
    const headers: HeaderField[] = sent === undefined ? [] : [['X-Forwarded-For', sent]];
    expect(end(ask([closed, options(data)], 'http://a.example/', { headers, clientAddress: '10.0.0.1' }))).toBe(wanted);
  });

  test('the backend is told the client, or the whole way with compute-full-forwarded-for', () => {
    const headers: HeaderField[] = [['X-Forwarded-For', '203.0.113.7']];
    const told = (data: Record<string, string>): string | undefined =>
      forwarded(
        ask([ingress({}), options({ 'use-forwarded-headers': 'true', ...data })], 'http://a.example/', {
          headers,
          clientAddress: '10.0.0.1',
        }),
      ).client?.forwardedFor;
    expect(told({})).toBe('203.0.113.7');
    expect(told({ 'compute-full-forwarded-for': 'true' })).toBe('203.0.113.7, 10.0.0.1');
  });
});

describe('access', () => {
  const rows: [what: string, annotations: Record<string, string>, client: string, wanted: string][] = [
    [
      'allowlist-source-range before its old name',
      { 'allowlist-source-range': '10.0.0.0/8', 'whitelist-source-range': '192.0.2.0/24' },
      '192.0.2.7',
      '403',
    ],
    [
      'nobody is asked for limits who is exempt',
      { 'limit-rps': '1', 'limit-whitelist': '192.0.2.0/24' },
      '192.0.2.7',
      'web',
    ],
    [
      'a refusal becomes the page of custom-http-errors',
      { 'denylist-source-range': '192.0.2.7', 'custom-http-errors': '403' },
      '192.0.2.7',
      'default-backend',
    ],
  ];
  test.each(rows)('%s', (_what, annotations, clientAddress, wanted) => {
    const outcome = ask([ingress(annotations)], 'http://a.example/', { clientAddress });
    expect(end(outcome)).toBe(wanted);
    if (wanted === 'web') expect(forwarded(outcome).limits).toBeUndefined();
  });

  test('limits: five times the rate at once, by the second and by the minute', () => {
    const limited = ingress({
      'limit-rps': '2',
      'limit-rpm': '60',
      'limit-connections': '3',
      'limit-burst-multiplier': '4',
    });
    const clientAddress = '192.0.2.7';
    expect(forwarded(ask([limited], 'http://a.example/', { clientAddress })).limits).toEqual({
      zone: 'default/main',
      client: clientAddress,
      rates: [
        { perMinute: 120, burst: 8 },
        { perMinute: 60, burst: 240 },
      ],
      connections: 3,
      status: { rate: 503, connections: 503 },
    });
    const teapot = options({ 'limit-req-status-code': '429' });
    expect(forwarded(ask([limited, teapot], 'http://a.example/', { clientAddress })).limits?.status.rate).toBe(429);
  });
});

describe('backends', () => {
  test('service-upstream goes to the address of the Service', () => {
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web', namespace: 'default' },
      spec: { clusterIP: '10.96.0.9', ports: [{ name: 'http', port: 80 }] },
    };
    const objects = [ingress({ 'service-upstream': 'true' }), service];
    expect(forwarded(ask(objects, 'http://a.example/')).backend).toMatchObject({ name: 'web', clusterIp: true });
    const headless = { ...service, spec: { ...service.spec, clusterIP: 'None' } };
    expect(forwarded(ask([objects[0]!, headless], 'http://a.example/')).backend).not.toHaveProperty('clusterIp');
  });

  test.each([
    ['HTTP', 'https', false],
    ['HTTPS', 'http', true],
    ['GRPCS', 'http', true],
    ['AUTO_HTTP', 'http', false],
    ['AUTO_HTTP', 'https', true],
    ['https', 'http', true],
    ['SPDY', 'http', false],
  ])('backend-protocol %s for a client of %s: TLS %s', (protocol, scheme, tls) => {
    expect(forwarded(ask([ingress({ 'backend-protocol': protocol })], `${scheme}://a.example/`)).tlsToBackend).toBe(
      tls,
    );
  });

  test('mirror-target gets the path where its text says so', () => {
    const mirrored = ingress({ 'mirror-target': 'http://copy.example$request_uri', 'mirror-request-body': 'off' });
    expect(forwarded(ask([mirrored], 'http://a.example/x?y=1')).copies).toEqual([
      { url: 'http://copy.example/x?y=1', host: 'copy.example', body: false },
    ]);
  });

  test('proxy-next-upstream, its tries and its time', () => {
    const next = ingress({
      'proxy-next-upstream': 'error http_503 non_idempotent',
      'proxy-next-upstream-tries': '2',
      'proxy-next-upstream-timeout': '9',
    });
    expect(forwarded(ask([next], 'http://a.example/')).next).toEqual({
      on: ['error', 'http_503', 'non_idempotent'],
      tries: 2,
      timeout: 9000,
    });
  });

  test('default-backend gets the request as it is, and is told whose it was', () => {
    const slice = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'sorry-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'sorry' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.0.0.9'] }],
      ports: [{ name: 'http', port: 8080 }],
    };
    const outcome = ask([ingress({ 'default-backend': 'sorry' }), slice], 'http://a.example/alma/armud', {
      idle: ['web'],
    });
    const { target, headers } = forwarded(outcome);
    expect([end(outcome), target]).toEqual(['sorry', '/alma/armud']);
    expect(Object.fromEntries(headers)).toMatchObject({
      'X-Code': '503',
      'X-Ingress-Name': 'main',
      'X-Service-Name': 'web',
      'X-Namespace': 'default',
    });
  });
});

describe('the ConfigMap of the controller', () => {
  test.each([
    ['an option that is misspelt', 'use-forwared-headers', 'true', 'ingress-config-unknown', '"use-forwarded-headers"'],
    ['a flag that is none', 'ssl-redirect', 'yes', 'ingress-config-value', 'not true or false: its default holds'],
    ['an option that is not modelled', 'use-proxy-protocol', 'true', 'ingress-config-not-modelled', 'not modelled'],
  ])('%s is a finding', (_what, key, value, code, says) => {
    const { findings } = routerOf('ingress-nginx', [ingress({}), options({ [key]: value })], { configMap });
    const found = findings.find((each) => each.code === code);
    expect(found?.message).toContain(says);
    expect(found).toMatchObject({ object: { kind: 'ConfigMap', name: 'controller' }, field: ['data', key] });
  });

  test('an option of the ordinary kind is none', () => {
    const { findings } = routerOf('ingress-nginx', [ingress({}), options({ 'use-gzip': 'true', 'keep-alive': '10' })], {
      configMap,
    });
    expect(findings.filter(({ object }) => object.kind === 'ConfigMap')).toEqual([]);
  });

  test('proxy-body-size and custom-http-errors for all Ingresses', () => {
    const forward = forwarded(
      ask([ingress({}), options({ 'proxy-body-size': '8m', 'custom-http-errors': '404' })], 'http://a.example/'),
    );
    expect([forward.maxBody, forward.onStatus?.codes]).toEqual([8 * 1024 ** 2, [404]]);
  });

  test('global-auth-url is asked unless the Ingress says no', () => {
    const global = options({ 'global-auth-url': 'http://auth/' });
    expect(forwarded(ask([ingress({}), global], 'http://a.example/')).auth?.url).toBe('http://auth/');
    const free = ingress({ 'enable-global-auth': 'false' });
    expect(forwarded(ask([free, global], 'http://a.example/')).auth).toBeUndefined();
  });
});

test('the certificate of --default-ssl-certificate is not there: the fake one is shown', () => {
  const asked: FrontRequest = request('https://b.example/');
  const router = routerOf('ingress-nginx', [ingress({})], { defaultCertificate: { namespace: 'x', name: 'none' } });
  expect(router.certificate(asked.sni)?.subject).toContain('Fake Certificate');
});

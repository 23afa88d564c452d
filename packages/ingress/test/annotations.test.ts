import { createHash } from 'node:crypto';
import type { Ingress } from '@netsim/manifest';
import { describe, expect, test } from 'vitest';
import type { FrontRequest, Outcome } from '../src/index.ts';
import { forwarded, type Given, ingress } from './nginx-ingress.ts';
import { request, routerOf } from './support.ts';

function decide(
  ingresses: readonly Ingress[],
  asked: FrontRequest,
  chance = 0.5,
  idle: readonly string[] = [],
): Outcome {
  return routerOf('ingress-nginx', ingresses, { idle }).decide(asked, chance);
}

const serviceOf = (outcome: Outcome): string => {
  const { backend } = forwarded(outcome);
  return backend.kind === 'service' ? backend.name : backend.kind;
};
const md5 = (text: string): string => createHash('md5').update(text).digest('hex');
const location = (outcome: Outcome): string =>
  outcome.kind === 'redirect' ? `${outcome.status} ${outcome.location}` : outcome.kind;
const status = (outcome: Outcome): number => (outcome.kind === 'respond' ? outcome.status : 200);

describe('redirects', () => {
  const rows: [what: string, annotations: Record<string, string>, url: string, location: string, given?: Given][] = [
    [
      'permanent-redirect',
      { 'permanent-redirect': 'https://b.example' },
      'http://a.example/x',
      '301 https://b.example',
    ],
    [
      'permanent-redirect with a code',
      { 'permanent-redirect': 'https://b.example$request_uri', 'permanent-redirect-code': '308' },
      'http://a.example/x?y=1',
      '308 https://b.example/x?y=1',
    ],
    [
      'a code that is no redirect counts as 301',
      { 'permanent-redirect': 'https://b.example', 'permanent-redirect-code': '200' },
      'http://a.example/',
      '301 https://b.example',
    ],
    [
      'temporal-redirect before permanent-redirect',
      { 'temporal-redirect': 'https://t.example', 'permanent-redirect': 'https://p.example' },
      'http://a.example/',
      '302 https://t.example',
    ],
    ['app-root', { 'app-root': '/app' }, 'http://a.example/', '302 http://a.example/app'],
    [
      'TLS redirects http, without the slash at the end',
      {},
      'http://a.example/x/',
      '308 https://a.example/x',
      { tls: true },
    ],
    ['the port of the Host is dropped', {}, 'http://a.example:8080/x', '308 https://a.example/x', { tls: true }],
    [
      'preserve-trailing-slash',
      { 'preserve-trailing-slash': 'true' },
      'http://a.example/x/',
      '308 https://a.example/x/',
      { tls: true },
    ],
    [
      'force-ssl-redirect needs no TLS section',
      { 'force-ssl-redirect': 'true' },
      'http://a.example/x',
      '308 https://a.example/x',
    ],
    [
      'permanent-redirect comes before the redirect to https',
      { 'permanent-redirect': 'https://b.example' },
      'http://a.example/',
      '301 https://b.example',
      { tls: true },
    ],
    ['from-to-www-redirect', { 'from-to-www-redirect': 'true' }, 'http://www.a.example/x/', '308 http://a.example/x'],
    [
      'a line end in $uri reaches the answer, as from nginx',
      { 'permanent-redirect': 'http://b.example$uri' },
      'http://a.example/%0d%0aSet-Cookie:%20x=1',
      '301 http://b.example/\r\nSet-Cookie: x=1',
    ],
    [
      '$request_uri stays as it was sent',
      { 'permanent-redirect': 'http://b.example$request_uri' },
      'http://a.example/%0d%0aSet-Cookie:%20x=1',
      '301 http://b.example/%0d%0aSet-Cookie:%20x=1',
    ],
  ];
  test.each(rows)('%s', (_what, annotations, url, wanted, given) => {
    expect(location(decide([ingress(annotations, given)], request(url)))).toBe(wanted);
  });

  test('ssl-redirect: false leaves http alone', () => {
    const main = ingress({ 'ssl-redirect': 'false' }, { tls: true });
    expect(serviceOf(decide([main], request('http://a.example/')))).toBe('web');
  });

  test('https is not redirected', () => {
    expect(serviceOf(decide([ingress({}, { tls: true })], request('https://a.example/')))).toBe('web');
  });
});

describe('canary', () => {
  const main = ingress({});
  const canary = (annotations: Record<string, string>): Ingress =>
    ingress({ canary: 'true', ...annotations }, { name: 'canary', service: 'new', created: '2024-02-01T00:00:00Z' });
  const rows: [
    what: string,
    annotations: Record<string, string>,
    headers: [string, string][],
    chance: number,
    service: string,
  ][] = [
    ['a weight of 20 takes a chance of 0.19', { 'canary-weight': '20' }, [], 0.19, 'new'],
    ['a weight of 20 leaves a chance of 0.2', { 'canary-weight': '20' }, [], 0.2, 'web'],
    ['canary-weight-total', { 'canary-weight': '20', 'canary-weight-total': '1000' }, [], 0.05, 'web'],
    ['header always', { 'canary-by-header': 'X-New' }, [['x-new', 'always']], 0.99, 'new'],
    [
      'header never beats the weight',
      { 'canary-by-header': 'X-New', 'canary-weight': '100' },
      [['X-New', 'never']],
      0,
      'web',
    ],
    ['another value is settled by the weight', { 'canary-by-header': 'X-New' }, [['X-New', 'maybe']], 0, 'web'],
    ['header value', { 'canary-by-header': 'R', 'canary-by-header-value': 'eu' }, [['R', 'eu']], 0.99, 'new'],
    [
      'always is nothing where a value is set',
      { 'canary-by-header': 'R', 'canary-by-header-value': 'eu' },
      [['R', 'always']],
      0.99,
      'web',
    ],
    ['header pattern', { 'canary-by-header': 'R', 'canary-by-header-pattern': '^e[a-z]$' }, [['R', 'eu']], 0.99, 'new'],
    [
      'a pattern that does not compile takes nothing',
      { 'canary-by-header': 'R', 'canary-by-header-pattern': '(', 'canary-weight': '100' },
      [['R', 'eu']],
      0,
      'web',
    ],
    ['cookie', { 'canary-by-cookie': 'try' }, [['Cookie', 'a=b; try=always']], 0.99, 'new'],
    [
      'header before cookie',
      { 'canary-by-header': 'X', 'canary-by-cookie': 'try' },
      [
        ['X', 'never'],
        ['Cookie', 'try=always'],
      ],
      0,
      'web',
    ],
  ];
  test.each(rows)('%s', (_what, annotations, headers, chance, service) => {
    const asked = request('http://a.example/x', { headers });
    expect(serviceOf(decide([main, canary(annotations)], asked, chance))).toBe(service);
  });

  test('without endpoints it gets nothing', () => {
    const all = canary({ 'canary-weight': '100' });
    expect(serviceOf(decide([main, all], request('http://a.example/'), 0, ['new']))).toBe('web');
  });

  test('without a main Ingress it is a finding', () => {
    const router = routerOf('ingress-nginx', [ingress({}, { host: 'b.example' }), canary({ 'canary-weight': '50' })]);
    expect(router.findings.map(({ code }) => code)).toContain('ingress-canary-without-main');
  });
});

describe('access', () => {
  const rows: [what: string, annotations: Record<string, string>, client: string, status: number][] = [
    ['whitelist lets the range in', { 'whitelist-source-range': '10.0.0.0/8, 192.0.2.7' }, '192.0.2.7', 200],
    ['whitelist keeps the others out', { 'whitelist-source-range': '10.0.0.0/8' }, '192.0.2.7', 403],
    ['allowlist is the newer name', { 'allowlist-source-range': '10.0.0.0/8' }, '192.0.2.7', 403],
    ['denylist', { 'denylist-source-range': '192.0.2.0/24' }, '192.0.2.7', 403],
    [
      'denylist comes before the whitelist',
      { 'denylist-source-range': '192.0.2.7', 'whitelist-source-range': '192.0.2.0/24' },
      '192.0.2.7',
      403,
    ],
    ['IPv6', { 'whitelist-source-range': '2001:db8::/32' }, '2001:db8::1', 200],
    ['a range that cannot be read closes the locations', { 'whitelist-source-range': '10.0.0.0/99' }, '10.0.0.1', 503],
  ];
  test.each(rows)('%s', (_what, annotations, clientAddress, wanted) => {
    expect(status(decide([ingress(annotations)], request('http://a.example/', { clientAddress })))).toBe(wanted);
  });

  test('a body above proxy-body-size is 413 at once where its length is told', () => {
    const big = request('http://a.example/', { method: 'POST', headers: [['Content-Length', '2000']] });
    expect(status(decide([ingress({ 'proxy-body-size': '1k' })], big))).toBe(413);
    expect(forwarded(decide([ingress({ 'proxy-body-size': '1k' })], request('http://a.example/'))).maxBody).toBe(1024);
    expect(forwarded(decide([ingress({ 'proxy-body-size': '0' })], big)).maxBody).toBeUndefined();
  });

  test('auth-url is a request of its own', () => {
    const main = ingress({
      'auth-url': 'http://auth.default.svc.cluster.local/check?u=$host',
      'auth-signin': 'https://login.example/start',
      'auth-response-headers': 'X-User, X-Group',
    });
    expect(forwarded(decide([main], request('http://a.example/x'))).auth).toEqual({
      method: 'GET',
      url: 'http://auth.default.svc.cluster.local/check?u=a.example',
      signin: 'https://login.example/start?rd=http://a.example%2Fx',
      responseHeaders: ['X-User', 'X-Group'],
    });
  });
});

describe('what the backend gets', () => {
  test('upstream-vhost, timeouts, https to the backend', () => {
    const main = ingress({
      'upstream-vhost': 'inner.example',
      'proxy-connect-timeout': '2',
      'proxy-read-timeout': '7',
      'backend-protocol': 'HTTPS',
    });
    expect(forwarded(decide([main], request('http://a.example/')))).toMatchObject({
      host: 'inner.example',
      timeouts: { request: 0, connect: 2000, backendRequest: 7000 },
      tlsToBackend: true,
    });
  });

  test('rewrite-target with x-forwarded-prefix', () => {
    const main = ingress(
      { 'rewrite-target': '/$2', 'x-forwarded-prefix': '/api' },
      { path: '/api(/|$)(.*)', pathType: 'ImplementationSpecific' },
    );
    const { target, headers } = forwarded(decide([main], request('http://a.example/api/v1?x=1')));
    expect(target).toBe('/v1?x=1');
    expect(headers).toEqual([['X-Forwarded-Prefix', '/api']]);
  });

  test('x-forwarded-prefix does nothing without a rewrite, as in the controller', () => {
    expect(
      forwarded(decide([ingress({ 'x-forwarded-prefix': '/api' })], request('http://a.example/'))).headers,
    ).toEqual([]);
  });

  test('the number of a target port is taken for the port', () => {
    const main = ingress({}, { service: 'odd' });
    const odd = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'odd', namespace: 'default' },
      spec: { ports: [{ port: 8000, targetPort: 80 }] },
    };
    const outcome = routerOf('ingress-nginx', [main, odd]).decide(request('http://a.example/'), 0);
    expect(forwarded(outcome).backend).toMatchObject({ name: 'odd', port: 8000 });
  });
});

describe('affinity', () => {
  test('a new client gets a cookie for the path', () => {
    const main = ingress(
      { affinity: 'cookie', 'session-cookie-name': 'route', 'session-cookie-max-age': '60' },
      { path: '/shop' },
    );
    expect(forwarded(decide([main], request('http://a.example/shop'))).affinity).toEqual({
      cookie: 'route',
      key: md5(`${md5('default-web-80')}default-web-80`),
      attributes: '; Max-Age=60; Path=/shop; HttpOnly',
    });
  });

  test('a known client keeps its endpoint; over TLS the cookie is secure', () => {
    const main = ingress({ affinity: 'cookie', 'session-cookie-path': '/', 'session-cookie-samesite': 'Lax' });
    const asked = request('https://a.example/', { headers: [['Cookie', 'x=1; INGRESSCOOKIE=abc']] });
    expect(forwarded(decide([main], asked)).affinity).toEqual({
      cookie: 'INGRESSCOOKIE',
      value: 'abc',
      key: md5(`${md5('default-web-80')}default-web-80`),
      attributes: '; Path=/; Secure; HttpOnly; SameSite=Lax',
    });
  });
});

describe('CORS', () => {
  const main = ingress({ 'enable-cors': 'true', 'cors-allow-origin': 'https://*.shop.example', 'cors-max-age': '10' });
  const from = (origin: string, method = 'GET'): FrontRequest =>
    request('http://a.example/', { method, headers: [['Origin', origin]] });

  test('a preflight from an allowed origin is answered by the controller', () => {
    const outcome = decide([main], from('https://eu.shop.example', 'OPTIONS'));
    expect(outcome).toMatchObject({ kind: 'respond', status: 204 });
    expect(outcome.kind === 'respond' ? Object.fromEntries(outcome.headers) : {}).toMatchObject({
      'Access-Control-Allow-Origin': 'https://eu.shop.example',
      'Access-Control-Allow-Credentials': 'true',
      'Access-Control-Max-Age': '10',
    });
  });

  test('an answer to an allowed origin says so, one to another does not', () => {
    const changes = (origin: string): string[] =>
      forwarded(decide([main], from(origin))).response.map(({ name }) => name);
    expect(changes('https://eu.shop.example')).toContain('Access-Control-Allow-Origin');
    expect(changes('https://evil.example')).toEqual([]);
  });
});

describe('default backends', () => {
  test('default-backend answers for a Service without endpoints', () => {
    const main = ingress({ 'default-backend': 'sorry' });
    const sorry = {
      apiVersion: 'v1',
      kind: 'EndpointSlice',
      metadata: { name: 'sorry-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'sorry' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.0.0.9'] }],
      ports: [{ name: 'http', port: 8080 }],
    };
    const ask = (idle: string[]): Outcome =>
      routerOf('ingress-nginx', [main, sorry], { idle }).decide(request('http://a.example/'), 0);
    expect(serviceOf(ask(['web']))).toBe('sorry');
    expect(serviceOf(ask([]))).toBe('web');
  });

  test('custom-http-errors hands these answers to the default backend', () => {
    const main = ingress({ 'custom-http-errors': '404,503' });
    expect(forwarded(decide([main], request('http://a.example/x?y=1'))).onStatus).toEqual({
      codes: [404, 503],
      backend: { kind: 'default-backend' },
      headers: [
        ['X-Format', ''],
        ['X-Original-URI', '/x?y=1'],
        ['X-Namespace', 'default'],
        ['X-Ingress-Name', 'main'],
        ['X-Service-Name', 'web'],
        ['X-Service-Port', '80'],
      ],
    });
  });
});

describe('hosts', () => {
  test('server-alias serves other names, a wildcard with any number of labels', () => {
    const main = ingress({ 'server-alias': 'b.example,*.c.example' });
    for (const host of ['b.example', 'x.c.example', 'x.y.c.example']) {
      expect(serviceOf(decide([main], request(`http://${host}/`)))).toBe('web');
    }
    expect(serviceOf(decide([main], request('http://c.example/')))).toBe('default-backend');
  });

  test('an alias that is a host of its own is left to it', () => {
    const other = ingress({}, { name: 'other', host: 'b.example', service: 'other' });
    expect(serviceOf(decide([ingress({ 'server-alias': 'b.example' }), other], request('http://b.example/')))).toBe(
      'other',
    );
  });
});

describe('findings on annotations', () => {
  const rows: [what: string, name: string, value: string, code: string, says: string][] = [
    [
      'a name that is misspelt',
      'nginx.ingress.kubernetes.io/rewrite-traget',
      '/',
      'ingress-annotation-unknown',
      'did you mean "nginx.ingress.kubernetes.io/rewrite-target"',
    ],
    [
      'the prefix of old pages',
      'ingress.kubernetes.io/rewrite-target',
      '/',
      'ingress-annotation-unknown',
      'nginx.ingress.kubernetes.io/rewrite-target',
    ],
    ['another controller', 'nginx.org/rewrite-target', '/', 'ingress-annotation-unknown', 'not one of ingress-nginx'],
    [
      'a snippet',
      'nginx.ingress.kubernetes.io/configuration-snippet',
      'return 200;',
      'ingress-annotation-snippet',
      'not modelled',
    ],
    ['a password', 'nginx.ingress.kubernetes.io/auth-type', 'basic', 'ingress-annotation-not-modelled', 'not modelled'],
    [
      'an annotation of older releases',
      'nginx.ingress.kubernetes.io/global-rate-limit',
      '5',
      'ingress-annotation-unknown',
      'of older releases',
    ],
    [
      'codes of errors with a space between them',
      'nginx.ingress.kubernetes.io/custom-http-errors',
      '404, 503',
      'ingress-annotation-value',
      'without spaces: it counts as not set',
    ],
    [
      'one of the origins that is none',
      'nginx.ingress.kubernetes.io/cors-allow-origin',
      'https://a.example, b.example',
      'ingress-annotation-value',
      'an origin at "b.example": that one is passed over',
    ],
    [
      'characters that no origin has',
      'nginx.ingress.kubernetes.io/cors-allow-origin',
      'https://a.example;https://b.example',
      'ingress-annotation-value',
      'every origin is allowed',
    ],
    [
      'an auth service without a scheme',
      'nginx.ingress.kubernetes.io/auth-url',
      'auth.default.svc/check',
      'ingress-annotation-value',
      'answer 503',
    ],
    [
      'SameSite in small letters',
      'nginx.ingress.kubernetes.io/session-cookie-samesite',
      'lax',
      'ingress-annotation-value',
      'one of None, Lax, Strict',
    ],
    [
      'a canary that is none',
      'nginx.ingress.kubernetes.io/canary-weight',
      '10',
      'ingress-canary-not-enabled',
      'does nothing without',
    ],
    [
      'a protocol that is not spoken here',
      'nginx.ingress.kubernetes.io/backend-protocol',
      'GRPC',
      'ingress-annotation-not-modelled',
      'HTTP/1.1 here',
    ],
    [
      'a flag that is none',
      'nginx.ingress.kubernetes.io/use-regex',
      'yes',
      'ingress-annotation-value',
      'true or false',
    ],
    ['a size that is none', 'nginx.ingress.kubernetes.io/proxy-body-size', '8 MB', 'ingress-annotation-value', '8m'],
    [
      'a redirect with a decoded variable',
      'nginx.ingress.kubernetes.io/permanent-redirect',
      'http://x$uri',
      'ingress-redirect-injection',
      '$request_uri',
    ],
  ];
  test.each(rows)('%s', (_what, name, value, code, says) => {
    const main = ingress({});
    const kind = name.replace(/cors-allow-origin/, 'enable-cors').replace(/session-cookie-samesite/, 'affinity');
    const enabling = kind.endsWith('affinity') ? 'cookie' : 'true';
    main.metadata.annotations = { ...(kind !== name && { [kind]: enabling }), [name]: value };
    const found = routerOf('ingress-nginx', [main]).findings.find((each) => each.code === code);
    expect(found?.message).toContain(says);
    expect(found?.field).toEqual(['metadata', 'annotations', name]);
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gatewayRouter } from '../../src/index.ts';
import { answerOf, gatewayOf, requestOf, routeOf, routerOf, storeOf } from './support.ts';

const to = (name: string) => `backendRefs: [{name: ${name}, port: 80}]`;
const path = (value: string, type = 'PathPrefix') => `matches: [{path: {type: ${type}, value: "${value}"}}]`;

describe('which rule gets a request', () => {
  test.each([
    [
      'an exact path goes before a longer prefix',
      `{${path('/a/b', 'Exact')}, ${to('a')}}, {${path('/a/b')}, ${to('b')}}`,
      '/a/b',
      'a',
    ],
    [
      'an expression must match the whole path',
      `{${path('/a[0-9]', 'RegularExpression')}, ${to('a')}}, {${to('b')}}`,
      '/a1/x',
      'b',
    ],
    [
      'an expression goes before a prefix',
      `{${path('/a[0-9]', 'RegularExpression')}, ${to('a')}}, {${path('/a1')}, ${to('b')}}`,
      '/a1',
      'a',
    ],
    ['a prefix is made of whole elements', `{${path('/a')}, ${to('a')}}, {${to('b')}}`, '/ab', 'b'],
    ['a slash at the end of a prefix does not count', `{${path('/a/')}, ${to('a')}}, {${to('b')}}`, '/a', 'a'],
    ['paths are told apart by case', `{${path('/A')}, ${to('a')}}`, '/a', '404'],
    ['a path is taken as it was sent', `{${path('/a')}, ${to('a')}}`, '/%61', '404'],
    ['a rule without matches takes everything', `{${to('a')}}`, '/x/y?z', 'a'],
    ['a rule without backends is an error', `{${path('/a')}}`, '/a', '500'],
    ['so is one whose backends have no weight', '{backendRefs: [{name: a, port: 80, weight: 0}]}', '/', '500'],
    ['the first of equal rules wins', `{${to('a')}}, {${to('b')}}`, '/', 'a'],
    [
      'a method goes before headers',
      `{matches: [{headers: [{name: x, value: yy}]}], ${to('a')}}, {matches: [{method: GET}], ${to('b')}}`,
      '/',
      'b',
    ],
    [
      'more headers go before fewer',
      `{matches: [{headers: [{name: x, value: yy}]}], ${to('a')}}, {matches: [{headers: [{name: x, value: yy}, {name: v, value: w}]}], ${to('b')}}`,
      '/',
      'b',
    ],
    [
      'only the first condition on a header counts',
      `{matches: [{headers: [{name: X, value: yy}, {name: x, value: other}]}], ${to('a')}}`,
      '/',
      'a',
    ],
    ['a query parameter is decoded', `{matches: [{queryParams: [{name: q, value: a b}]}], ${to('a')}}`, '/?q=a+b', 'a'],
    [
      'of a repeated parameter the first counts',
      `{matches: [{queryParams: [{name: q, value: one}]}], ${to('a')}}`,
      '/?q=two&q=one',
      '404',
    ],
  ])('%s', (_what, rules, target, expected) => {
    const request = { ...requestOf(`http://x.com/`, { X: 'yy', V: 'w' }), target };
    expect(answerOf(routerOf(gatewayOf(), routeOf(rules)).decide(request, 0))).toBe(expected);
  });

  test.each([
    [
      'the older route',
      ', creationTimestamp: "2026-01-02T00:00:00Z"',
      ', creationTimestamp: "2026-01-01T00:00:00Z"',
      'b',
    ],
    ['by name among routes of one age', '', '', 'a'],
  ])('of equal matches of two routes: %s', (_what, first, second, expected) => {
    const router = routerOf(
      gatewayOf(),
      routeOf(`{${to('a')}}`, { name: 'r1', metadata: first }),
      routeOf(`{${to('b')}}`, { name: 'r2', metadata: second }),
    );
    expect(answerOf(router.decide(requestOf('http://x.com/'), 0))).toBe(expected);
  });

  test('rules under a narrower name go first; what they do not take goes to wider ones', () => {
    const router = routerOf(
      gatewayOf(),
      routeOf(`{${path('/a')}, ${to('a')}}`, { name: 'exact', spec: ', hostnames: [x.foo.com]' }),
      routeOf(`{${to('b')}}`, { name: 'wild', spec: ', hostnames: ["*.foo.com"]' }),
      routeOf(`{${path('/c')}, ${to('c')}}`, { name: 'all' }),
    );
    const answer = (url: string) => answerOf(router.decide(requestOf(url), 0));
    expect(['http://x.foo.com/a', 'http://x.foo.com/c', 'http://y.foo.com/a', 'http://foo.com/c'].map(answer)).toEqual([
      'a',
      'b',
      'b',
      'c',
    ]);
  });

  test('an HTTPRoute and a GRPCRoute do not share a name: the older one has it', () => {
    const grpc = `${routeOf(`{${to('b')}}`, { name: 'g', kind: 'GRPCRoute', metadata: ', creationTimestamp: "2025-01-01T00:00:00Z"' })}`;
    const router = routerOf(
      gatewayOf(),
      routeOf(`{${to('a')}}`, { metadata: ', creationTimestamp: "2025-01-02T00:00:00Z"' }),
      grpc,
    );
    expect(answerOf(router.decide(requestOf('http://x.com/s/m', {}, 'POST'), 0))).toBe('b');
  });
});

describe('hosts', () => {
  const router = routerOf(
    gatewayOf('{name: http, port: 80, protocol: HTTP, hostname: "*.foo.com"}'),
    routeOf(`{${to('a')}}`),
  );
  test.each([
    ['X.FOO.com', 'a'],
    ['x.foo.com:8080', 'a'],
    ['x.foo.com.', 'a'],
    ['foo.com', '404'],
    ['', '404'],
    [undefined, '400'],
  ])('a request for %j is answered by %s', (host, expected) => {
    expect(answerOf(router.decide({ ...requestOf('http://x.com/'), host }, 0))).toBe(expected);
  });

  test('the absolute form of a target names the host', () => {
    const request = { ...requestOf('http://other.com/'), target: 'http://x.foo.com/a?b' };
    const outcome = router.decide(request, 0);
    expect(answerOf(outcome)).toBe('a');
    expect(outcome).toMatchObject({ target: '/a?b' });
  });

  test.each(['*', 'x.foo.com:443', '', '?a', `/${'a/'.repeat(50_000)}`])(
    'a strange target is nobody’s, at once: %.20s',
    (target) => {
      const strict = routerOf(gatewayOf(), routeOf(`{${path('/only/this')}, ${to('a')}}`));
      expect(answerOf(strict.decide({ ...requestOf('http://x.foo.com/'), target }, 0))).toBe('404');
    },
  );
});

describe('HTTPS listeners of one port', () => {
  const listener = (name: string, hostname?: string) =>
    `{name: ${name}, port: 443, protocol: HTTPS, ${hostname === undefined ? '' : `hostname: "${hostname}", `}tls: {certificateRefs: [{name: cert}]}}`;
  test('without a certificate that can be used, nothing listens', () => {
    const router = routerOf(gatewayOf(listener('all')), routeOf(`{${to('a')}}`));
    expect(router.sockets).toEqual([]);
    expect(router.decide(requestOf('https://x.com/'), 0).kind).toBe('close');
  });
});

describe('filters', () => {
  const redirect = (text: string) =>
    `{${path('/foo')}, filters: [{type: RequestRedirect, requestRedirect: {${text}}}]}`;
  test.each([
    ['a scheme brings its own port', 'scheme: https', '/foo', '302 https://x.com/foo'],
    [
      'a port is written where the scheme does not imply it',
      'port: 8080, statusCode: 301',
      '/foo',
      '301 http://x.com:8080/foo',
    ],
    ['the query stays', 'hostname: y.com', '/foo?a=b', '302 http://y.com/foo?a=b'],
    [
      '/foo + /xyz',
      'path: {type: ReplacePrefixMatch, replacePrefixMatch: /xyz}',
      '/foo/bar',
      '302 http://x.com/xyz/bar',
    ],
    [
      '/foo + /xyz/',
      'path: {type: ReplacePrefixMatch, replacePrefixMatch: /xyz/}',
      '/foo/bar',
      '302 http://x.com/xyz/bar',
    ],
    ['/foo/ + /xyz', 'path: {type: ReplacePrefixMatch, replacePrefixMatch: /xyz}', '/foo/', '302 http://x.com/xyz/'],
    ['/foo + nothing', 'path: {type: ReplacePrefixMatch, replacePrefixMatch: ""}', '/foo', '302 http://x.com/'],
    [
      '/foo/bar + nothing',
      'path: {type: ReplacePrefixMatch, replacePrefixMatch: ""}',
      '/foo/bar',
      '302 http://x.com/bar',
    ],
    ['/foo + /', 'path: {type: ReplacePrefixMatch, replacePrefixMatch: /}', '/foo', '302 http://x.com/'],
  ])('redirect: %s', (_what, text, target, expected) => {
    const router = routerOf(gatewayOf(), routeOf(redirect(text)));
    expect(answerOf(router.decide({ ...requestOf('http://x.com/'), target }, 0))).toBe(expected);
  });

  test('weights share the requests, and an invalid backend answers its share with 500', () => {
    const refs =
      '[{name: a, port: 80, weight: 1}, {name: x, port: 80, weight: 1}, {name: b, port: 80, weight: 2}, {name: c, port: 80, weight: 0}]';
    const router = routerOf(gatewayOf(), routeOf(`{backendRefs: ${refs}}`));
    const answers = [0, 0.24, 0.26, 0.49, 0.5, 0.99].map((chance) =>
      answerOf(router.decide(requestOf('http://x.com/'), chance)),
    );
    expect(answers).toEqual(['a', 'a', '500', '500', 'b', 'b']);
  });

  test('timeouts and retries come in milliseconds; 0s is no limit', () => {
    const router = routerOf(
      gatewayOf(),
      routeOf(
        `{${to('a')}, timeouts: {request: 1m30s, backendRequest: 0s}, retry: {codes: [503], attempts: 2, backoff: 100ms}}`,
      ),
    );
    expect(router.decide(requestOf('http://x.com/'), 0)).toMatchObject({
      timeouts: { request: 90_000, backendRequest: 0 },
      retry: { codes: [503], attempts: 2, backoff: 100 },
    });
  });
});

describe('explaining and listing', () => {
  const router = routerOf(
    gatewayOf(),
    routeOf(
      `{${to('a')}}, {${path('/b')}, ${to('b')}}, {matches: [{path: {value: /b}, headers: [{name: v, value: "2"}]}], ${to('c')}}, {${path('/b')}, ${to('a')}}`,
    ),
  );

  test('each rule that was considered says why it lost', () => {
    const { rule, considered } = router.explain(requestOf('http://x.com/b/c'), 0);
    expect(rule?.field).toEqual(['spec', 'rules', 1, 'matches', 0]);
    expect(considered.map(({ won, why }) => `${won} ${why}`)).toEqual([
      'false header v is not there, not 2',
      'true the longest prefix',
      'false matches too, but goes after the rule that won',
      'false matches too, but goes after the rule that won',
    ]);
  });

  test('rows come in order of precedence, with what takes their requests', () => {
    const rows = router
      .routes()
      .map(({ rule, shadowedBy }) =>
        `${rule.path} ${shadowedBy === undefined ? '' : `by ${shadowedBy.field[2]}`}`.trim(),
      );
    expect(rows).toEqual(['/b header v=2', '/b', '/b by 1', '/']);
  });

  test('the tables find what a walk over all rules finds', () => {
    const segment = fc.constantFrom('', '/a', '/a/', '/a/b', '/a/bc', '/b', '/a/b/c');
    const match = fc.record({
      type: fc.constantFrom('Exact', 'PathPrefix', 'RegularExpression'),
      value: segment.map((text) => (text === '' ? '/' : text)),
      method: fc.option(fc.constantFrom('GET', 'POST'), { nil: undefined }),
      header: fc.boolean(),
      plain: fc.boolean(),
    });
    const route = fc.record({
      hostname: fc.constantFrom(undefined, 'x.foo.com', '*.foo.com', '*.com'),
      matches: fc.array(match, { minLength: 1, maxLength: 6 }),
    });
    const request = fc.record({
      host: fc.constantFrom('x.foo.com', 'y.foo.com', 'z.com', 'org'),
      path: fc.tuple(segment, fc.constantFrom('', '/', '/c', '/b', '*')).map(([a, b]) => a + b || '/'),
      method: fc.constantFrom('GET', 'POST'),
      header: fc.boolean(),
    });
    const check = fc.property(
      fc.array(route, { minLength: 1, maxLength: 4 }),
      fc.array(request, { minLength: 1, maxLength: 10 }),
      (routes, requests) => {
        const texts = routes.map(({ hostname, matches }, i) => {
          const rules = matches.map(({ type, value, method, header, plain }, j) => {
            const more = `${method === undefined ? '' : `, method: ${method}`}${header ? ', headers: [{name: v, value: "1"}]' : ''}`;
            const rewrite = `filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: rule, value: "${i}/${j}"}]}}]`;
            const action = plain ? to(['a', 'b', 'c'][j % 3]!) : `${rewrite}, ${to('a')}`;
            return `{matches: [{path: {type: ${type}, value: ${value}}${more}}], ${action}}`;
          });
          return routeOf(rules.join(', '), {
            name: `r${i}`,
            spec: hostname === undefined ? '' : `, hostnames: ["${hostname}"]`,
          });
        });
        const compiled = gatewayRouter(storeOf([gatewayOf(), ...texts].join('\n---\n')), {
          namespace: 'default',
          name: 'web',
        });
        for (const { host, path: target, method, header } of requests) {
          const asked = { ...requestOf(`http://${host}/`, header ? { V: '1' } : {}, method), target };
          expect(compiled.decide(asked, 0)).toEqual(compiled.explain(asked, 0).outcome);
        }
      },
    );
    fc.assert(check, { numRuns: 200 });
  });
});

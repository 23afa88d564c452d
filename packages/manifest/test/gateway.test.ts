import { expect, test } from 'vitest';
import { formatFinding, type HTTPRoute, loadManifests } from '../src/index.ts';

const GATEWAY = 'apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: web}\n';
const ROUTE = 'apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: web}\n';

function said(text: string): string[] {
  return loadManifests([{ file: 'a.yaml', text }]).findings.map(formatFinding);
}

const gateway = (listener: string) => `${GATEWAY}spec: {gatewayClassName: eg, listeners: [${listener}]}\n`;
const rule = (text: string) => `${ROUTE}spec: {rules: [${text}]}\n`;

test.each([
  [
    'a listener in a port that is none',
    gateway('{name: http, port: 70000, protocol: HTTP}'),
    'should be less than or equal to 65535',
  ],
  ['a listener without a name', gateway('{port: 80, protocol: HTTP}'), 'spec.listeners[0].name: Required value'],
  [
    'TLS on a listener without TLS',
    gateway('{name: a, port: 80, protocol: HTTP, tls: {certificateRefs: [{name: s}]}}'),
    "tls must not be specified for protocols ['HTTP', 'TCP', 'UDP']",
  ],
  ['TLS that ends nowhere', gateway('{name: a, port: 443, protocol: TLS}'), 'tls mode must be set for protocol TLS'],
  [
    'no certificate',
    gateway('{name: a, port: 443, protocol: HTTPS, tls: {}}'),
    'certificateRefs or options must be specified when mode is Terminate',
  ],
  [
    'passed through HTTPS',
    gateway('{name: a, port: 443, protocol: HTTPS, tls: {mode: Passthrough}}'),
    'tls mode must be Terminate for protocol HTTPS',
  ],
  [
    'a hostname on TCP',
    gateway('{name: a, port: 80, protocol: TCP, hostname: a.com}'),
    "hostname must not be specified for protocols ['TCP', 'UDP']",
  ],
  [
    'one name twice',
    gateway('{name: a, port: 80, protocol: HTTP}, {name: a, port: 81, protocol: HTTP}'),
    'Listener name must be unique within the Gateway',
  ],
  [
    'one place twice',
    gateway('{name: a, port: 80, protocol: HTTP}, {name: b, port: 80, protocol: HTTP}'),
    'Combination of port, protocol and hostname must be unique',
  ],
  [
    'a hostname in capitals',
    gateway('{name: a, port: 80, protocol: HTTP, hostname: Foo.com}'),
    'did you mean "foo.com"?',
  ],
  [
    'an address as hostname',
    gateway('{name: a, port: 80, protocol: HTTP, hostname: 10.0.0.1}'),
    'Hostnames cannot contain an IP',
  ],
  [
    'namespaces from nowhere',
    gateway('{name: a, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: all}}}'),
    'did you mean "All"?',
  ],
  ['a misspelt field', gateway('{name: a, port: 80, protcol: HTTP}'), 'did you mean "protocol"?'],
  ['a path without its slash', rule('{matches: [{path: {value: foo}}]}'), 'did you mean "/foo"?'],
  ['a path with two slashes', rule('{matches: [{path: {value: /a//b}}]}'), "must not contain '//'"],
  [
    "an Ingress's path type",
    rule('{matches: [{path: {type: Prefix, value: /a}}]}'),
    'Unsupported value: "Prefix": supported values: "Exact", "PathPrefix", "RegularExpression"',
  ],
  ['a method in small letters', rule('{matches: [{method: get}]}'), 'did you mean "GET"?'],
  ['a backend without a port', rule('{backendRefs: [{name: a}]}'), 'Must have port for Service reference'],
  [
    "an Ingress's backend",
    rule('{backendRefs: [{serviceName: a, port: 80}]}'),
    'unknown field "spec.rules[0].backendRefs[0].serviceName"',
  ],
  [
    'a weight below zero',
    rule('{backendRefs: [{name: a, port: 80, weight: -1}]}'),
    'should be greater than or equal to 0',
  ],
  [
    'a filter without its settings',
    rule('{filters: [{type: URLRewrite}]}'),
    'filter.urlRewrite must be specified for URLRewrite filter.type',
  ],
  [
    'settings of another filter',
    rule('{filters: [{type: URLRewrite, urlRewrite: {hostname: a.com}, cors: {}}]}'),
    'filter.cors must be nil if the filter.type is not CORS',
  ],
  [
    'a redirect beside backends',
    rule('{filters: [{type: RequestRedirect, requestRedirect: {port: 1}}], backendRefs: [{name: a, port: 80}]}'),
    'RequestRedirect filter must not be used together with backendRefs',
  ],
  [
    'a status that is no redirect',
    rule('{filters: [{type: RequestRedirect, requestRedirect: {statusCode: 200}}]}'),
    'Unsupported value: 200',
  ],
  [
    'a prefix to replace without a prefix',
    rule(
      '{matches: [{path: {type: Exact, value: /a}}], filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /b}}}]}',
    ),
    'exactly one PathPrefix match must be specified',
  ],
  [
    'a duration without a unit',
    rule('{timeouts: {request: "10"}}'),
    'spec.rules[0].timeouts.request in body should match',
  ],
])('%s', (_what, text, expected) => {
  const findings = said(text);
  expect(findings.join('\n')).toContain(expected);
  expect(findings[0]).toMatch(/^error: a\.yaml:4:\d+: /);
});

test('a route gets the defaults of its CRD', () => {
  const text = `${ROUTE}spec: {parentRefs: [{name: web}], rules: [{backendRefs: [{name: a, port: 80}]}]}\n`;
  const { objects, findings } = loadManifests([{ file: 'a.yaml', text }]);
  expect(findings).toEqual([]);
  expect((objects[0] as HTTPRoute).spec).toEqual({
    parentRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'web' }],
    rules: [
      {
        matches: [{ path: { type: 'PathPrefix', value: '/' } }],
        backendRefs: [{ group: '', kind: 'Service', name: 'a', port: 80, weight: 1 }],
      },
    ],
  });
});

test('a Gateway waits for its controller', () => {
  const { objects } = loadManifests([{ file: 'a.yaml', text: gateway('{name: http, port: 80, protocol: HTTP}') }]);
  const waiting = { status: 'Unknown', reason: 'Pending', message: 'Waiting for controller' };
  expect(objects[0]).toMatchObject({
    spec: { listeners: [{ allowedRoutes: { namespaces: { from: 'Same' } } }] },
    status: {
      conditions: [
        { type: 'Accepted', ...waiting },
        { type: 'Programmed', ...waiting },
      ],
    },
  });
});

test('a kind that the group does not have is a mistake', () => {
  const text = 'apiVersion: gateway.networking.k8s.io/v1\nkind: HttpRoute\nmetadata: {name: a}\n';
  expect(said(text).join()).toContain('did you mean "HTTPRoute"?');
});

import { expect, test } from 'vitest';
import { gatewayRouter } from '../../src/index.ts';
import { secretManifest } from './suite/world.ts';
import { answerOf, gatewayOf, requestOf, routeOf, storeOf } from './support.ts';

/** Listeners of one port that share a certificate, as in the conformance suite's Gateway `same-namespace-with-https-listener`. */
const listener = (name: string, hostname?: string) =>
  `{name: ${name}, port: 443, protocol: HTTPS, ${hostname === undefined ? '' : `hostname: "${hostname}", `}tls: {certificateRefs: [{name: cert}]}}`;
const store = storeOf(
  [
    gatewayOf(
      [
        listener('all'),
        listener('second', 'second-example.org'),
        listener('wild', '*.wildcard.org'),
        listener('fourth', 'fourth-example.wildcard.org'),
      ].join(', '),
    ),
    JSON.stringify(secretManifest('default', 'cert')),
    routeOf('{backendRefs: [{name: a, port: 80}]}', { name: 'one', spec: ', hostnames: [example.org]' }),
    routeOf('{backendRefs: [{name: b, port: 80}]}', { name: 'two', spec: ', hostnames: [second-example.org]' }),
    routeOf('{backendRefs: [{name: c, port: 80}]}', { name: 'three', spec: ', hostnames: ["*.wildcard.org"]' }).replace(
      '{name: web}',
      '{name: web, sectionName: wild}',
    ),
    routeOf('{backendRefs: [{name: a, port: 80}]}', {
      name: 'four',
      spec: ', hostnames: [fourth-example.wildcard.org]',
    }),
  ].join('\n---\n'),
);

// The suite's test HTTPRouteHTTPSListenerDetectMisdirectedRequests has these in its Go code.
test.each([
  ['example.org', 'example.org', 'a'],
  ['example.org', 'second-example.org', '421'],
  ['example.org', 'unknown-example.org', '404'],
  ['second-example.org', 'second-example.org', 'b'],
  ['second-example.org', 'example.org', '421'],
  ['second-example.org', 'unknown-example.org', '421'],
  ['third-example.wildcard.org', 'third-example.wildcard.org', 'c'],
  ['third-example.wildcard.org', 'fifth-example.wildcard.org', 'c'],
  ['third-example.wildcard.org', 'fourth-example.wildcard.org', '421'],
  ['third-example.wildcard.org', 'second-example.org', '421'],
  ['fourth-example.wildcard.org', 'fourth-example.wildcard.org', 'a'],
  ['fourth-example.wildcard.org', 'fifth-example.wildcard.org', '421'],
  ['unknown-example.org', 'example.org', 'a'],
  ['unknown-example.org', 'unknown-example.org', '404'],
])('on a connection for %s, a request for host %s is answered by %s', (sni, host, expected) => {
  const router = gatewayRouter(store, { namespace: 'default', name: 'web' });
  expect(answerOf(router.decide({ ...requestOf(`https://${host}/`), sni }, 0))).toBe(expected);
});

test('a connection for a name is shown the certificate of its listener', () => {
  const router = gatewayRouter(store, { namespace: 'default', name: 'web' });
  expect(router.connect({ port: 443, transport: 'TCP', sni: 'a.wildcard.org' }, 0)).toEqual({
    kind: 'https',
    certificates: [{ namespace: 'default', name: 'cert' }],
    clientCertificate: 'none',
  });
});

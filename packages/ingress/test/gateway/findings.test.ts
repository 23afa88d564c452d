import { expect, test } from 'vitest';
import { gatewayFindings } from '../../src/index.ts';
import { gatewayOf, routeOf, storeOf } from './support.ts';

function said(...texts: string[]): string[] {
  return gatewayFindings(storeOf(texts.join('\n---\n'))).map(
    ({ code, object, field, message }) => `${code} ${object.kind}/${object.name} ${field.join('.')}: ${message}`,
  );
}

const BACKEND = 'backendRefs: [{name: a, port: 80}]';
const MESH_ROUTE = routeOf(`{${BACKEND}}`).replace('[{name: web}]', "[{group: '', kind: Service, name: a, port: 80}]");

test.each([
  [
    'a class that is not there',
    [gatewayOf().replace('any', 'amy')],
    'gateway-class-missing Gateway/web spec.gatewayClassName: no GatewayClass "amy": nobody serves this Gateway; did you mean "any"?',
  ],
  [
    'a parent that is not there',
    [gatewayOf(), routeOf(`{${BACKEND}}`).replace('[{name: web}]', '[{name: wep}]')],
    'gateway-parent-missing HTTPRoute/route spec.parentRefs.0: not attached: no Gateway "wep" in namespace "default"; did you mean "web"?',
  ],
  [
    'a route from a namespace that may not',
    [
      gatewayOf(),
      routeOf(`{${BACKEND}}`, { metadata: ', namespace: other' }).replace(
        '[{name: web}]',
        '[{name: web, namespace: default}]',
      ),
    ],
    'gateway-route-not-attached HTTPRoute/route spec.parentRefs.0: not attached (NotAllowedByListeners): no such listener of Gateway "default/web" takes routes from namespace "other"',
  ],
  [
    'a route of a mesh, and no mesh',
    [MESH_ROUTE],
    'gateway-mesh HTTPRoute/route spec.parentRefs.0: for requests from pods to Service "default/a", and no mesh is there that does it: the Service is reached as if the route were not there',
  ],
  [
    'a route of a mesh that is there',
    [MESH_ROUTE, 'apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {istio-injection: enabled}}'],
    'gateway-mesh HTTPRoute/route spec.parentRefs.0: for requests from pods to Service "default/a" by Istio, which netsim does not play: traces and requests go as if the route were not there (netsim routes does not show it)',
  ],
  [
    'a Service that is misspelt',
    [gatewayOf(), routeOf('{backendRefs: [{name: aa, port: 80}]}')],
    'gateway-backend HTTPRoute/route spec.rules.0.backendRefs.0: no Service "aa" in namespace "default"; did you mean "a"?; requests get 500',
  ],
  [
    'a port that the Service does not have',
    [gatewayOf(), routeOf('{backendRefs: [{name: a, port: 8080}]}')],
    'gateway-backend HTTPRoute/route spec.rules.0.backendRefs.0: Service "a" has no port 8080; it has 80; requests get 500',
  ],
  [
    'a Service of another namespace',
    [gatewayOf(), routeOf('{backendRefs: [{name: d, namespace: other, port: 80}]}')],
    'gateway-no-grant HTTPRoute/route spec.rules.0.backendRefs.0: no ReferenceGrant in namespace "other" allows the reference to Service "d"; requests get 500',
  ],
  [
    'a filter of some extension',
    [
      gatewayOf(),
      routeOf(`{filters: [{type: ExtensionRef, extensionRef: {group: x.io, kind: Waf, name: w}}], ${BACKEND}}`),
    ],
    'gateway-filter HTTPRoute/route spec.rules.0.filters.0: filter ExtensionRef is not supported; requests get 500',
  ],
  [
    'an expression that does not compile',
    [gatewayOf(), routeOf(`{matches: [{path: {type: RegularExpression, value: "/a("}}], ${BACKEND}}`)],
    'gateway-expression HTTPRoute/route spec.rules.0.matches.0: regular expression "/a(" does not compile; the match takes nothing',
  ],
  [
    'a rule behind its equal',
    [gatewayOf(), routeOf(`{${BACKEND}}, {${BACKEND}}`)],
    'gateway-rule-shadowed HTTPRoute/route spec.rules.1.matches.0: * / never gets a request: this route, spec.rules[0].matches[0], takes them all',
  ],
])('%s is told', (_what, texts, expected) => {
  expect(said(...texts)).toContain(expected);
});

test('of a mirror that leads nowhere only the copies are lost', () => {
  const filter = '{type: RequestMirror, requestMirror: {backendRef: {name: nowhere, port: 80}}}';
  expect(said(gatewayOf(), routeOf(`{filters: [${filter}], ${BACKEND}}`))).toEqual([
    'gateway-backend HTTPRoute/route spec.rules.0.filters.0.requestMirror.backendRef: no Service "nowhere" in namespace "default"; nothing is mirrored',
  ]);
});

test('there is nothing to say about what is right', () => {
  expect(said(gatewayOf(), routeOf(`{matches: [{path: {value: /a}}], ${BACKEND}}, {${BACKEND}}`))).toEqual([]);
});

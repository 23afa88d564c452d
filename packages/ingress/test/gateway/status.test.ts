import type { Condition, Gateway, KubeObject, ListenerSet, ListenerStatus, Route } from '@netsim/manifest';
import { describe, expect, test } from 'vitest';
import { gatewayStatus } from '../../src/index.ts';
import { worldOf } from './suite/world.ts';

const INFRA = 'gateway-conformance-infra';

/** All status that is written for a test of the conformance suite; each Gateway has an address. */
function statusOf(file: string): { of<T extends KubeObject>(kind: string, name: string): T } {
  const { store } = worldOf([`tests/${file}.yaml`]);
  const addressesOf = () => [{ type: 'IPAddress' as const, value: '203.0.113.10' }];
  const now = Date.UTC(2026, 0, 1);
  for (const { object, status } of gatewayStatus(store, { now, addressesOf }))
    store.put({ ...object, status } as KubeObject);
  return {
    of<T extends KubeObject>(kind: string, name: string): T {
      const found = store.list<T>(kind).find(({ metadata }) => metadata.name === name);
      if (found === undefined) throw new Error(`no ${kind} ${name}`);
      return found;
    },
  };
}

/** `Accepted=False NoMatchingParent`; undefined where the condition is not there. */
function said(conditions: readonly Condition[] | undefined, type: string): string | undefined {
  const found = conditions?.find((one) => one.type === type);
  return found === undefined ? undefined : `${found.status} ${found.reason}`;
}

function listenerOf(object: Gateway | ListenerSet, name: string): ListenerStatus {
  const found = object.status?.listeners?.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no listener ${name}`);
  return found;
}

describe('routes', () => {
  test.each([
    ['httproute-simple-same-namespace', 'HTTPRoute', 'gateway-conformance-infra-test', 'Accepted', 'True Accepted'],
    ['httproute-disallowed-kind', 'HTTPRoute', 'disallowed-kind', 'Accepted', 'False NotAllowedByListeners'],
    [
      'httproute-invalid-cross-namespace-parent-ref',
      'HTTPRoute',
      'invalid-cross-namespace-parent-ref',
      'Accepted',
      'False NotAllowedByListeners',
    ],
    [
      'httproute-invalid-parentref-not-matching-section-name',
      'HTTPRoute',
      'httproute-listener-not-matching-section-name',
      'Accepted',
      'False NoMatchingParent',
    ],
    [
      'httproute-invalid-parentref-not-matching-listener-port',
      'HTTPRoute',
      'httproute-listener-not-matching-route-port',
      'Accepted',
      'False NoMatchingParent',
    ],
    [
      'httproute-invalid-parentref-section-name-not-matching-port',
      'HTTPRoute',
      'httproute-listener-section-name-not-matching-port',
      'Accepted',
      'False NoMatchingParent',
    ],
    [
      'httproute-hostname-intersection',
      'HTTPRoute',
      'no-intersecting-hosts',
      'Accepted',
      'False NoMatchingListenerHostname',
    ],
    [
      'httproute-invalid-nonexistent-backendref',
      'HTTPRoute',
      'invalid-nonexistent-backend-ref',
      'ResolvedRefs',
      'False BackendNotFound',
    ],
    [
      'httproute-invalid-backendref-unknown-kind',
      'HTTPRoute',
      'invalid-backend-ref-unknown-kind',
      'ResolvedRefs',
      'False InvalidKind',
    ],
    [
      'httproute-invalid-cross-namespace-backend-ref',
      'HTTPRoute',
      'invalid-cross-namespace-backend-ref',
      'ResolvedRefs',
      'False RefNotPermitted',
    ],
    ['httproute-invalid-reference-grant', 'HTTPRoute', 'reference-grant', 'ResolvedRefs', 'False RefNotPermitted'],
    ['httproute-reference-grant', 'HTTPRoute', 'reference-grant', 'ResolvedRefs', 'True ResolvedRefs'],
    [
      'tlsroute-invalid-no-matching-listener',
      'TLSRoute',
      'tlsroute-no-matching-section-name',
      'Accepted',
      'False NoMatchingParent',
    ],
    [
      'tlsroute-invalid-no-matching-listener',
      'TLSRoute',
      'tlsroute-not-allowed-protocol-http',
      'Accepted',
      'False NotAllowedByListeners',
    ],
    [
      'tlsroute-invalid-no-matching-listener-hostname',
      'TLSRoute',
      'tlsroute-hostname-mismatch-1',
      'Accepted',
      'False NoMatchingListenerHostname',
    ],
    [
      'tlsroute-invalid-backendref-unknown-kind',
      'TLSRoute',
      'invalid-backend-ref-unknown-kind',
      'ResolvedRefs',
      'False InvalidKind',
    ],
    [
      'tcproute-invalid-backendref-nonexistent',
      'TCPRoute',
      'tcp-route-invalid-backend-ref-nonexistent',
      'ResolvedRefs',
      'False BackendNotFound',
    ],
    [
      'tcproute-invalid-cross-namespace-backend-ref',
      'TCPRoute',
      'tcp-invalid-cross-namespace-backend-ref',
      'ResolvedRefs',
      'False RefNotPermitted',
    ],
    [
      'udproute-invalid-backendref-nonexistent',
      'UDPRoute',
      'udp-route-invalid-backend-ref-nonexistent',
      'ResolvedRefs',
      'False BackendNotFound',
    ],
    [
      'udproute-not-allowed-by-listeners',
      'UDPRoute',
      'udproute-not-allowed-by-listeners',
      'Accepted',
      'False NotAllowedByListeners',
    ],
  ])('%s: %s %s has %s=%s', (file, kind, name, type, expected) => {
    const [parent] = statusOf(file).of<Route>(kind, name).status?.parents ?? [];
    expect(said(parent?.conditions, type)).toBe(expected);
  });

  test('a route has one entry for each of its parents', () => {
    const route = statusOf('listenerset-dual-parentref-independence').of<Route>(
      'HTTPRoute',
      'route-dual-parentref-one',
    );
    const results = route.status?.parents.map(({ parentRef, conditions }) => [
      parentRef.kind ?? 'Gateway',
      said(conditions, 'Accepted'),
    ]);
    expect(results).toEqual([
      ['Gateway', 'False NoMatchingParent'],
      ['ListenerSet', 'True Accepted'],
    ]);
  });
});

describe('Gateways and their listeners', () => {
  test.each([
    [
      'gateway-invalid-tls-configuration',
      'gateway-certificate-nonexistent-secret',
      'https',
      'ResolvedRefs',
      'False InvalidCertificateRef',
    ],
    [
      'gateway-invalid-tls-configuration',
      'gateway-certificate-unsupported-group',
      'https',
      'ResolvedRefs',
      'False InvalidCertificateRef',
    ],
    [
      'gateway-invalid-tls-configuration',
      'gateway-certificate-unsupported-kind',
      'https',
      'ResolvedRefs',
      'False InvalidCertificateRef',
    ],
    [
      'gateway-invalid-tls-configuration',
      'gateway-certificate-malformed-secret',
      'https',
      'ResolvedRefs',
      'False InvalidCertificateRef',
    ],
    [
      'gateway-secret-missing-reference-grant',
      'gateway-secret-missing-reference-grant',
      'https',
      'ResolvedRefs',
      'False RefNotPermitted',
    ],
    [
      'gateway-secret-invalid-reference-grant',
      'gateway-secret-invalid-reference-grant',
      'https',
      'ResolvedRefs',
      'False RefNotPermitted',
    ],
    [
      'gateway-secret-reference-grant-specific',
      'gateway-secret-reference-grant-specific',
      'https',
      'Programmed',
      'True Programmed',
    ],
    [
      'gateway-secret-reference-grant-all-in-namespace',
      'gateway-secret-reference-grant-all-in-namespace',
      'https',
      'ResolvedRefs',
      'True ResolvedRefs',
    ],
    [
      'gateway-invalid-route-kind',
      'gateway-only-invalid-route-kind',
      'http',
      'ResolvedRefs',
      'False InvalidRouteKinds',
    ],
    [
      'gateway-with-invalid-clientcertificate-validation',
      'gateway-with-invalid-client-cert-validation',
      'https',
      'Programmed',
      'True Programmed',
    ],
    [
      'gateway-with-invalid-clientcertificate-validation',
      'gateway-with-invalid-client-cert-validation',
      'https-unresolved',
      'ResolvedRefs',
      'False InvalidCACertificateRef',
    ],
    [
      'gateway-with-invalid-clientcertificate-validation',
      'gateway-with-invalid-client-cert-validation',
      'https-unresolved',
      'Accepted',
      'False NoValidCACertificate',
    ],
    [
      'gateway-with-invalid-clientcertificate-validation',
      'gateway-with-invalid-client-cert-validation',
      'https-invalid-kind',
      'ResolvedRefs',
      'False InvalidCACertificateKind',
    ],
    [
      'gateway-with-invalid-clientcertificate-validation',
      'gateway-with-invalid-client-cert-validation',
      'https-grant-missing',
      'ResolvedRefs',
      'False RefNotPermitted',
    ],
  ])('%s: listener %s/%s has %s=%s', (file, gateway, listener, type, expected) => {
    expect(said(listenerOf(statusOf(file).of('Gateway', gateway), listener).conditions, type)).toBe(expected);
  });

  test.each([
    [
      'gateway-invalid-listeners-unsupported-protocol',
      'gateway-only-unsupported-protocols',
      'Accepted',
      'False ListenersNotValid',
    ],
    [
      'gateway-invalid-listeners-unsupported-protocol',
      'gateway-supported-and-unsupported-protocols',
      'Accepted',
      'True ListenersNotValid',
    ],
    ['gateway-invalid-parameters-ref', 'gateway-invalid-parameters-ref', 'Accepted', 'False InvalidParameters'],
    [
      'gateway-tls-backend-client-certificate',
      'gateway-tls-backend-client-certificate',
      'ResolvedRefs',
      'True ResolvedRefs',
    ],
    [
      'gateway-invalid-tls-backend-configuration',
      'gateway-client-certificate-nonexistent-secret',
      'ResolvedRefs',
      'False InvalidClientCertificateRef',
    ],
    [
      'gateway-invalid-tls-backend-configuration',
      'gateway-client-certificate-missing-reference-grant',
      'ResolvedRefs',
      'False RefNotPermitted',
    ],
    [
      'gateway-with-clientcertificate-validation-insecure-fallback',
      'client-validation-insecure-fallback',
      'InsecureFrontendValidationMode',
      'True ConfigurationChanged',
    ],
  ])('%s: Gateway %s has %s=%s', (file, name, type, expected) => {
    expect(said(statusOf(file).of<Gateway>('Gateway', name).status?.conditions, type)).toBe(expected);
  });

  test('kinds that a listener cannot take are left out of supportedKinds', () => {
    const status = statusOf('gateway-invalid-route-kind');
    const kinds = (name: string) =>
      listenerOf(status.of('Gateway', name), 'http').supportedKinds?.map(({ kind }) => kind);
    expect(kinds('gateway-only-invalid-route-kind')).toEqual([]);
    expect(kinds('gateway-supported-and-invalid-route-kind')).toEqual(['HTTPRoute']);
  });

  test('attachedRoutes counts the routes that are accepted, whether or not the listener can be served', () => {
    const status = statusOf('gateway-with-attached-routes');
    const count = (gateway: string, name: string) => listenerOf(status.of('Gateway', gateway), name).attachedRoutes;
    expect(count('gateway-with-one-attached-route', 'http')).toBe(1);
    expect(count('gateway-with-two-attached-routes', 'http')).toBe(2);
    expect(count('unresolved-gateway-with-one-attached-unresolved-route', 'tls')).toBe(1);
  });

  test('listeners of one port whose names overlap say so, for clients that reuse connections', () => {
    const { status } = statusOf('httproute-https-listener').of<Gateway>(
      'Gateway',
      'same-namespace-with-https-listener',
    );
    const names = status?.listeners
      ?.filter(({ conditions }) => said(conditions, 'OverlappingTLSConfig') !== undefined)
      .map(({ name }) => name);
    expect(names).toContain('https');
    expect(names).toContain('https-with-wildcard-hostname');
  });
});

describe('ListenerSets', () => {
  const conflicts = [
    ['listenerset-with-hostname-conflict-with-gateway-1', 'True ListenersNotValid', 'True Programmed'],
    ['listenerset-with-hostname-conflict-with-gateway-2', 'False ListenersNotValid', 'False ListenersNotValid'],
    ['listenerset-with-hostname-conflict-with-listener-set-1', 'True ListenersNotValid', 'True Programmed'],
    ['listenerset-with-hostname-conflict-with-listener-set-2', 'False ListenersNotValid', 'False ListenersNotValid'],
  ] as const;
  test.each(conflicts)('%s is accepted: %s, programmed: %s', (name, accepted, programmed) => {
    const { status } = statusOf('listenerset-hostname-conflict').of<ListenerSet>('ListenerSet', name);
    expect(said(status?.conditions, 'Accepted')).toBe(accepted);
    expect(said(status?.conditions, 'Programmed')).toBe(programmed);
  });

  test('the Gateway goes before its ListenerSets, and an earlier ListenerSet before a later one', () => {
    const status = statusOf('listenerset-hostname-conflict');
    const conflicted = (kind: string, object: string, name: string) =>
      said(listenerOf(status.of(kind, object), name).conditions, 'Conflicted');
    const gateway = 'gateway-with-listenerset-hostname-conflict';
    expect(conflicted('Gateway', gateway, 'hostname-conflict-with-gateway-listener')).toBe('False NoConflicts');
    const first = 'listenerset-with-hostname-conflict-with-gateway-1';
    expect(conflicted('ListenerSet', first, 'hostname-conflict-with-gateway-listener')).toBe('True HostnameConflict');
    expect(conflicted('ListenerSet', first, 'hostname-conflict-with-listener-set-listener')).toBe('False NoConflicts');
    expect(status.of<Gateway>('Gateway', gateway).status?.attachedListenerSets).toBe(2);
  });

  test.each([
    ['listenerset-allowed-namespace-none', 'listenerset-not-allowed', 'False NotAllowed'],
    ['listenerset-default-not-allowed', 'listenerset-default-not-allowed', 'False NotAllowed'],
    ['listenerset-allowed-namespace-same', 'listenerset-in-same-namespace', 'True Accepted'],
    ['listenerset-allowed-namespace-same', 'listenerset-in-different-namespace', 'False NotAllowed'],
    ['listenerset-allowed-namespace-selector', 'listenerset-in-selected-namespace', 'True Accepted'],
    ['listenerset-allowed-namespace-selector', 'listenerset-not-in-selected-namespace', 'False NotAllowed'],
  ])('%s: %s is accepted: %s', (file, name, accepted) => {
    const { status } = statusOf(file).of<ListenerSet>('ListenerSet', name);
    expect(said(status?.conditions, 'Accepted')).toBe(accepted);
  });

  test('listeners of one port that speak differently are in conflict', () => {
    const set = statusOf('listenerset-protocol-conflict').of<ListenerSet>(
      'ListenerSet',
      'listenerset-with-protocol-conflict-with-gateway-2',
    );
    expect(set.status?.listeners?.map(({ conditions }) => said(conditions, 'Conflicted'))).toContain(
      'True ProtocolConflict',
    );
  });
});

describe('BackendTLSPolicies', () => {
  type Policy = KubeObject & { status?: { ancestors: { ancestorRef: { name: string }; conditions: Condition[] }[] } };
  test.each([
    ['backendtlspolicy-conflict-resolution', 'conflicted-without-section-name-1', 'Accepted', 'True Accepted'],
    ['backendtlspolicy-conflict-resolution', 'conflicted-without-section-name-2', 'Accepted', 'False Conflicted'],
    ['backendtlspolicy-conflict-resolution', 'not-conflicted-with-section-name', 'Accepted', 'True Accepted'],
    ['backendtlspolicy-conflict-resolution', 'not-conflicted-without-section-name', 'Accepted', 'True Accepted'],
    [
      'backendtlspolicy-invalid-ca-certificate-ref',
      'nonexistent-ca-certificate-ref',
      'Accepted',
      'False NoValidCACertificate',
    ],
    [
      'backendtlspolicy-invalid-ca-certificate-ref',
      'malformed-ca-certificate-ref',
      'ResolvedRefs',
      'False InvalidCACertificateRef',
    ],
    ['backendtlspolicy-invalid-kind', 'invalid-kind', 'ResolvedRefs', 'False InvalidKind'],
  ])('%s: %s has %s=%s', (file, name, type, expected) => {
    const [ancestor] = statusOf(file).of<Policy>('BackendTLSPolicy', name).status?.ancestors ?? [];
    expect(ancestor?.ancestorRef.name).toBe('same-namespace');
    expect(said(ancestor?.conditions, type)).toBe(expected);
  });
});

test('status that is as it was is not written again, and a condition keeps the time of its last change', () => {
  const { store } = worldOf(['tests/httproute-invalid-nonexistent-backendref.yaml']);
  const write = (now: number) => {
    const updates = gatewayStatus(store, { now, addressesOf: () => [{ type: 'IPAddress', value: '203.0.113.10' }] });
    for (const { object, status } of updates) store.put({ ...object, status } as KubeObject);
    return updates.length;
  };
  expect(write(Date.UTC(2026, 0, 1))).toBeGreaterThan(0);
  expect(write(Date.UTC(2026, 0, 2))).toBe(0);
  const name = 'does-not-exist';
  const spec = { ports: [{ port: 8080 }] };
  const refs = store
    .list<Route>('HTTPRoute')
    .find(({ metadata }) => metadata.name === 'invalid-nonexistent-backend-ref')!;
  const missing = refs.spec.rules![0]!.backendRefs![0]!.name;
  store.put({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: INFRA, name: missing ?? name },
    spec,
  } as KubeObject);
  expect(write(Date.UTC(2026, 0, 3))).toBe(1);
  const [parent] = store.get<Route>('HTTPRoute', INFRA, 'invalid-nonexistent-backend-ref')?.status?.parents ?? [];
  const times = Object.fromEntries(
    parent!.conditions.map(({ type, lastTransitionTime }) => [type, lastTransitionTime]),
  );
  expect(times).toEqual({ Accepted: '2026-01-01T00:00:00Z', ResolvedRefs: '2026-01-03T00:00:00Z' });
});

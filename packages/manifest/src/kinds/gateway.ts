import type {
  BackendTLSPolicy,
  Gateway,
  GatewayClass,
  GatewayListener,
  ListenerSet,
  ReferenceGrant,
} from '../gateway-objects.ts';
import type { Condition } from '../objects.ts';
import { type Causes, type FieldPath, SPEC } from '../validate/cause.ts';
import { subdomainName, validateLabelSelector, validateMetadata } from '../validate/common.ts';
import { inRange, matchesPattern, requireText, validateHostname } from './gateway-fields.ts';

const GROUP = 'gateway.networking.k8s.io';

/** What stands in the status until a controller writes it: the CRD's default. */
function pending(types: readonly string[]): Condition[] {
  return types.map((type) => ({
    lastTransitionTime: '1970-01-01T00:00:00Z',
    message: 'Waiting for controller',
    reason: 'Pending',
    status: 'Unknown',
    type,
  }));
}

export function defaultGatewayClass(object: GatewayClass): void {
  object.status ??= {};
  object.status.conditions ??= pending(['Accepted']);
}

export function validateGatewayClass({ metadata, spec }: GatewayClass, causes: Causes): void {
  validateMetadata(causes, metadata, false, subdomainName);
  const at = SPEC.child('controllerName');
  if (!requireText(causes, at, spec?.controllerName)) return;
  matchesPattern(causes, at, spec.controllerName, CONTROLLER_NAME);
}

const CONTROLLER_NAME =
  /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/;

export function defaultGateway(object: Gateway): void {
  const { spec } = object;
  if (spec === undefined) return;
  for (const listener of spec.listeners ?? []) defaultListener(listener);
  for (const address of spec.addresses ?? []) address.type ??= 'IPAddress';
  if (spec.allowedListeners !== undefined) {
    spec.allowedListeners.namespaces ??= {};
    spec.allowedListeners.namespaces.from ??= 'None';
  }
  const ref = spec.tls?.backend?.clientCertificateRef;
  if (ref !== undefined) {
    ref.group ??= '';
    ref.kind ??= 'Secret';
  }
  const { frontend } = spec.tls ?? {};
  for (const tls of [frontend?.default, ...(frontend?.perPort ?? []).map((one) => one.tls)]) {
    if (tls?.validation !== undefined) tls.validation.mode ??= 'AllowValidOnly';
  }
  object.status ??= {};
  object.status.conditions ??= pending(['Accepted', 'Programmed']);
}

function defaultListener(listener: GatewayListener): void {
  listener.allowedRoutes ??= {};
  listener.allowedRoutes.namespaces ??= {};
  listener.allowedRoutes.namespaces.from ??= 'Same';
  for (const kind of listener.allowedRoutes.kinds ?? []) kind.group ??= GROUP;
  if (listener.tls === undefined) return;
  listener.tls.mode ??= 'Terminate';
  for (const ref of listener.tls.certificateRefs ?? []) {
    ref.group ??= '';
    ref.kind ??= 'Secret';
  }
}

export function validateGateway({ metadata, spec }: Gateway, causes: Causes): void {
  validateMetadata(causes, metadata, true, subdomainName);
  requireText(causes, SPEC.child('gatewayClassName'), spec?.gatewayClassName);
  validateListeners(spec?.listeners, 'Gateway', causes);
}

export function defaultListenerSet(object: ListenerSet): void {
  const { spec } = object;
  if (spec === undefined) return;
  if (spec.parentRef !== undefined) {
    spec.parentRef.group ??= GROUP;
    spec.parentRef.kind ??= 'Gateway';
  }
  for (const listener of spec.listeners ?? []) defaultListener(listener);
  object.status ??= {};
  object.status.conditions ??= pending(['Accepted', 'Programmed']);
}

export function validateListenerSet({ metadata, spec }: ListenerSet, causes: Causes): void {
  validateMetadata(causes, metadata, true, subdomainName);
  if (spec?.parentRef === undefined) causes.required(SPEC.child('parentRef'));
  else requireText(causes, SPEC.child('parentRef').child('name'), spec.parentRef.name);
  validateListeners(spec?.listeners, 'ListenerSet', causes);
}

const MOST_LISTENERS = 64;
const SECTION_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const PROTOCOL =
  /^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9]+$/;

function validateListeners(listeners: GatewayListener[] | null | undefined, kind: string, causes: Causes): void {
  const at = SPEC.child('listeners');
  if (listeners === undefined || listeners === null || listeners.length === 0) {
    causes.required(at);
    return;
  }
  if (listeners.length > MOST_LISTENERS) causes.tooMany(at, listeners.length, MOST_LISTENERS);
  const names = new Set<string>();
  const places = new Map<string, string>();
  listeners.slice(0, MOST_LISTENERS).forEach((listener, i) => {
    validateListener(listener, at.index(i), causes);
    const { name, port, protocol, hostname } = listener;
    if (names.has(name)) causes.invalid(at, 'array', `Listener name must be unique within the ${kind}`);
    names.add(name);
    const place = `${port} ${protocol?.toLowerCase()} ${hostname ?? ''}`;
    if (places.has(place)) {
      causes.invalid(at, 'array', 'Combination of port, protocol and hostname must be unique for each listener');
    }
    places.set(place, name);
  });
}

function validateListener(listener: GatewayListener, at: FieldPath, causes: Causes): void {
  const { name, port, protocol, hostname, tls, allowedRoutes } = listener;
  if (requireText(causes, at.child('name'), name)) matchesPattern(causes, at.child('name'), name, SECTION_NAME);
  if (port === undefined) causes.required(at.child('port'));
  else inRange(causes, at.child('port'), port, 1, 65535);
  if (hostname !== undefined) validateHostname(causes, at.child('hostname'), hostname);
  const rule = (message: string) => causes.invalid(SPEC.child('listeners'), 'array', message);
  if (requireText(causes, at.child('protocol'), protocol)) {
    matchesPattern(causes, at.child('protocol'), protocol, PROTOCOL);
    const upper = protocol.toUpperCase();
    const plain = upper === 'HTTP' || upper === 'TCP' || upper === 'UDP';
    if (plain && tls !== undefined) rule("tls must not be specified for protocols ['HTTP', 'TCP', 'UDP']");
    if (upper === 'HTTPS' && tls !== undefined && tls.mode !== 'Terminate') {
      rule('tls mode must be Terminate for protocol HTTPS');
    }
    if (upper === 'TLS' && tls?.mode === undefined) rule('tls mode must be set for protocol TLS');
    if ((upper === 'TCP' || upper === 'UDP') && hostname !== undefined && hostname !== '') {
      rule("hostname must not be specified for protocols ['TCP', 'UDP']");
    }
  }
  if (tls !== undefined) {
    if (tls.mode !== undefined) causes.oneOf(at.child('tls').child('mode'), tls.mode, ['Terminate', 'Passthrough']);
    const none = (tls.certificateRefs ?? []).length === 0 && Object.keys(tls.options ?? {}).length === 0;
    if (tls.mode === 'Terminate' && none) {
      causes.invalid(at.child('tls'), 'object', 'certificateRefs or options must be specified when mode is Terminate');
    }
    (tls.certificateRefs ?? []).forEach((ref, i) => {
      requireText(causes, at.child('tls').child('certificateRefs').index(i).child('name'), ref.name);
    });
  }
  const namespaces = allowedRoutes?.namespaces;
  const here = at.child('allowedRoutes').child('namespaces');
  if (namespaces?.from !== undefined) {
    causes.oneOf(here.child('from'), namespaces.from, ['All', 'Selector', 'Same', 'None']);
  }
  validateLabelSelector(causes, here.child('selector'), namespaces?.selector);
  (allowedRoutes?.kinds ?? []).forEach(({ kind }, i) => {
    requireText(causes, at.child('allowedRoutes').child('kinds').index(i).child('kind'), kind);
  });
}

export function validateReferenceGrant({ metadata, spec }: ReferenceGrant, causes: Causes): void {
  validateMetadata(causes, metadata, true, subdomainName);
  const { from, to } = spec ?? {};
  if ((from ?? []).length === 0) causes.required(SPEC.child('from'));
  if ((to ?? []).length === 0) causes.required(SPEC.child('to'));
  (from ?? []).forEach((one, i) => {
    const at = SPEC.child('from').index(i);
    if (one.group === undefined) causes.required(at.child('group'));
    requireText(causes, at.child('kind'), one.kind);
    requireText(causes, at.child('namespace'), one.namespace);
  });
  (to ?? []).forEach((one, i) => {
    const at = SPEC.child('to').index(i);
    if (one.group === undefined) causes.required(at.child('group'));
    requireText(causes, at.child('kind'), one.kind);
  });
}

export function validateBackendTLSPolicy({ metadata, spec }: BackendTLSPolicy, causes: Causes): void {
  validateMetadata(causes, metadata, true, subdomainName);
  if ((spec?.targetRefs ?? []).length === 0) causes.required(SPEC.child('targetRefs'));
  (spec?.targetRefs ?? []).forEach((ref, i) => {
    const at = SPEC.child('targetRefs').index(i);
    if (ref.group === undefined) causes.required(at.child('group'));
    requireText(causes, at.child('kind'), ref.kind);
    requireText(causes, at.child('name'), ref.name);
  });
  const at = SPEC.child('validation');
  const validation = spec?.validation;
  if (validation === undefined) {
    causes.required(at);
    return;
  }
  if (requireText(causes, at.child('hostname'), validation.hostname)) {
    validateHostname(causes, at.child('hostname'), validation.hostname);
  }
  const own = (validation.caCertificateRefs ?? []).length > 0;
  const wellKnown = (validation.wellKnownCACertificates ?? '') !== '';
  if (own && wellKnown) {
    causes.invalid(at, 'object', 'must not contain both CACertificateRefs and WellKnownCACertificates');
  }
  if (!own && !wellKnown)
    causes.invalid(at, 'object', 'must specify either CACertificateRefs or WellKnownCACertificates');
}

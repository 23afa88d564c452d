import {
  type FrontendTls,
  type Gateway,
  type GatewayListener,
  type ListenerSet,
  matchesLabels,
  type Namespace,
  type RouteKind,
} from '@netsim/manifest';
import type { ServerCertificate } from '../model.ts';
import { covers } from '../tls/certificate.ts';
import type { Problem } from './conditions.ts';
import { hostMatches } from './hostname.ts';
import { authorityProblem, isProblem, readCertificate } from './references.ts';
import { byAge, GATEWAY_GROUP, type GatewayView, namespaceOf, type ObjectKey } from './view.ts';

/** A listener with all that was found out about it. */
export interface Listener {
  /** The object that it is written in. */
  readonly owner: Gateway | ListenerSet;
  /** Its place in `spec.listeners`. */
  readonly index: number;
  readonly spec: GatewayListener;
  readonly supportedKinds: readonly RouteKind[];
  readonly certificates: readonly Certificate[];
  /** Whether clients must show a certificate. */
  readonly clientCertificate: 'none' | 'required' | 'optional';
  /** Why it is not accepted. */
  readonly refused: Problem | undefined;
  /** What it refers to and cannot have. */
  readonly unresolved: Problem | undefined;
  readonly conflict: Problem | undefined;
  /** Another listener of its port answers for some of its names. */
  readonly overlap: Problem | undefined;
  /** Whether the data plane serves it. */
  readonly usable: boolean;
}

export interface Certificate {
  readonly key: ObjectKey;
  readonly certificate: ServerCertificate;
}

const KINDS_OF: Readonly<Record<string, readonly string[]>> = {
  HTTP: ['HTTPRoute', 'GRPCRoute'],
  HTTPS: ['HTTPRoute', 'GRPCRoute'],
  TLS: ['TLSRoute'],
  TCP: ['TCPRoute'],
  UDP: ['UDPRoute'],
};

/** Listeners of a Gateway's data plane that get TLS connections on one port share it by server name. */
const usesTls = (protocol: string): boolean => protocol === 'HTTPS' || protocol === 'TLS';

const isPassthrough = ({ tls }: GatewayListener): boolean => tls?.mode === 'Passthrough';

type Draft = { -readonly [K in keyof Listener]: Listener[K] };

/**
 * The listeners of a Gateway in order of precedence: its own, then those of its ListenerSets, oldest first. Listeners of one
 * object that cannot be told apart are all in conflict; those of a later object yield to earlier ones.
 */
export function listenersOf(view: GatewayView, gateway: Gateway, sets: readonly ListenerSet[]): Listener[] {
  const all: Draft[] = [];
  const owners: (Gateway | ListenerSet)[] = [gateway, ...sets.toSorted(byAge)];
  for (const owner of owners) {
    const before = all.filter((one) => one.conflict === undefined && one.refused === undefined);
    const own = owner.spec.listeners.map((spec, index) => checkListener(view, gateway, owner, spec, index));
    for (const one of own) {
      const rivals = owner === gateway ? own.filter((other) => other !== one) : [...before, ...own.slice(0, one.index)];
      one.conflict = rivals
        .filter((other) => other.spec.protocol in KINDS_OF && (owner === gateway || other.conflict === undefined))
        .map((other) => conflictBetween(one.spec, other.spec))
        .find((conflict) => conflict !== undefined);
    }
    for (const one of own) {
      if (one.conflict !== undefined) one.refused ??= one.conflict;
      one.usable &&= one.refused === undefined;
    }
    all.push(...own);
  }
  for (const one of all) one.overlap = overlapOf(one, all);
  return all;
}

function conflictBetween(one: GatewayListener, other: GatewayListener): Problem | undefined {
  if (one.port !== other.port || (one.protocol === 'UDP') !== (other.protocol === 'UDP')) return undefined;
  if (one.protocol !== other.protocol && !(usesTls(one.protocol) && usesTls(other.protocol))) {
    return {
      reason: 'ProtocolConflict',
      message: `port ${one.port} is ${other.protocol} in listener "${other.name}"`,
    };
  }
  if (one.hostname?.toLowerCase() !== other.hostname?.toLowerCase()) return undefined;
  return {
    reason: 'HostnameConflict',
    message: `listener "${other.name}" has port ${one.port} and ${one.hostname === undefined ? 'all hostnames' : `hostname "${one.hostname}"`} too`,
  };
}

function checkListener(
  view: GatewayView,
  gateway: Gateway,
  owner: Gateway | ListenerSet,
  spec: GatewayListener,
  index: number,
): Draft {
  const { protocol, tls } = spec;
  const possible = KINDS_OF[protocol] ?? [];
  const named = spec.allowedRoutes?.kinds;
  const wanted: readonly RouteKind[] =
    named === undefined || named.length === 0 ? possible.map((kind) => ({ kind })) : named;
  const supportedKinds = wanted.flatMap(({ group = GATEWAY_GROUP, kind }) =>
    group === GATEWAY_GROUP && possible.includes(kind) ? [{ group, kind }] : [],
  );
  let refused: Problem | undefined;
  let unresolved: Problem | undefined;
  if (possible.length === 0) {
    refused = {
      reason: 'UnsupportedProtocol',
      message: `protocol "${protocol}" is none of ${Object.keys(KINDS_OF).join(', ')}`,
    };
  } else if (supportedKinds.length < wanted.length) {
    const strange = wanted.filter(
      ({ group = GATEWAY_GROUP, kind }) => group !== GATEWAY_GROUP || !possible.includes(kind),
    );
    unresolved = {
      reason: 'InvalidRouteKinds',
      message: `a listener of protocol ${protocol} takes no ${strange.map(({ kind }) => kind).join(', ')}`,
    };
  }
  const certificates: Certificate[] = [];
  let clientCertificate: Listener['clientCertificate'] = 'none';
  if (usesTls(protocol) && !isPassthrough(spec)) {
    const from = { group: GATEWAY_GROUP, kind: owner.kind, namespace: namespaceOf(owner) };
    for (const ref of tls?.certificateRefs ?? []) {
      const found = readCertificate(view, ref, from);
      if (isProblem(found)) unresolved ??= found;
      else certificates.push(found);
    }
    if (tls?.certificateRefs === undefined || tls.certificateRefs.length === 0) {
      unresolved ??= { reason: 'InvalidCertificateRef', message: 'the listener ends TLS and names no certificate' };
    }
  }
  if (protocol === 'HTTPS') {
    const client = clientValidation(view, gateway, spec.port);
    clientCertificate = client.mode;
    if (client.problem !== undefined) unresolved ??= client.problem;
    if (client.none) {
      refused ??= {
        reason: 'NoValidCACertificate',
        message: 'no certificate authority for client certificates can be used',
      };
    }
  }
  const needsCertificate = usesTls(protocol) && !isPassthrough(spec);
  return {
    owner,
    index,
    spec,
    supportedKinds,
    certificates,
    clientCertificate,
    refused,
    unresolved,
    conflict: undefined,
    overlap: undefined,
    usable: refused === undefined && supportedKinds.length > 0 && (!needsCertificate || certificates.length > 0),
  };
}

/** What `spec.tls.frontend` of the Gateway asks of clients on a port. */
function clientValidation(
  view: GatewayView,
  gateway: Gateway,
  port: number,
): { readonly mode: Listener['clientCertificate']; readonly problem?: Problem; readonly none: boolean } {
  const { frontend } = gateway.spec.tls ?? {};
  const config: FrontendTls | undefined = frontend?.perPort?.find((one) => one.port === port)?.tls ?? frontend?.default;
  const validation = config?.validation;
  if (validation === undefined) return { mode: 'none', none: false };
  const from = { group: GATEWAY_GROUP, kind: 'Gateway', namespace: namespaceOf(gateway) };
  const problems = validation.caCertificateRefs.map((ref) =>
    authorityProblem(view, ref, from, { ref: 'InvalidCACertificateRef', kind: 'InvalidCACertificateKind' }),
  );
  const problem = problems.find((one) => one !== undefined);
  return {
    mode: validation.mode === 'AllowInsecureFallback' ? 'optional' : 'required',
    none: problems.every((one) => one !== undefined),
    ...(problem !== undefined && { problem }),
  };
}

/**
 * HTTPS listeners of one port whose names or certificates overlap: a client that keeps one connection for two names may send a
 * request to the wrong one.
 */
function overlapOf(one: Listener, all: readonly Listener[]): Problem | undefined {
  if (one.spec.protocol !== 'HTTPS' || one.refused !== undefined) return undefined;
  const others = all.filter(
    (other) =>
      other !== one &&
      other.spec.port === one.spec.port &&
      other.spec.protocol === 'HTTPS' &&
      other.refused === undefined,
  );
  for (const other of others) {
    if (other.certificates.some(({ certificate }) => isGoodFor(certificate, one.spec.hostname))) {
      return {
        reason: 'OverlappingCertificates',
        message: `the certificate of listener "${other.spec.name}" is good for its names too`,
      };
    }
  }
  for (const other of others) {
    const [a, b] = [one.spec.hostname?.toLowerCase(), other.spec.hostname?.toLowerCase()];
    if (a === undefined || b === undefined || hostMatches(a, b) || hostMatches(b, a)) {
      return { reason: 'OverlappingHostnames', message: `listener "${other.spec.name}" answers for some of its names` };
    }
  }
  return undefined;
}

function isGoodFor(certificate: ServerCertificate, hostname: string | undefined): boolean {
  return (
    hostname === undefined || covers(certificate, hostname.startsWith('*.') ? `any${hostname.slice(1)}` : hostname)
  );
}

type FromNamespaces = { from?: string; selector?: Parameters<typeof matchesLabels>[0] } | undefined;

/** Whether objects of a namespace may attach to what is in `home`. */
export function allowsNamespace(
  view: GatewayView,
  rule: FromNamespaces,
  fallback: 'Same' | 'None',
  home: string,
  namespace: string,
): boolean {
  switch (rule?.from ?? fallback) {
    case 'All':
      return true;
    case 'Selector': {
      const labels = view.get<Namespace>('Namespace', undefined, namespace)?.metadata.labels;
      return matchesLabels(rule?.selector, { 'kubernetes.io/metadata.name': namespace, ...labels });
    }
    case 'Same':
      return namespace === home;
    default:
      return false;
  }
}

import type {
  Condition,
  GatewayClass,
  KubeObject,
  ListenerSet,
  ListenerStatus,
  ParentReference,
  RouteParentStatus,
} from '@netsim/manifest';
import { BackendPolicies, type PolicyState } from './backend-tls.ts';
import { no, type Problem, type Verdict, verdict, yes } from './conditions.ts';
import type { Listener } from './listeners.ts';
import { isProblem, readBackend, readCertificate } from './references.ts';
import { checkRoute } from './route-check.ts';
import { type GatewayNode, type ParentResult, parametersProblem, readTopology, type Topology } from './topology.ts';
import { GATEWAY_GROUP, type GatewayView, nameOf, namespaceOf, type ObjectKey } from './view.ts';

/** The status that the controller writes into an object. */
export interface StatusUpdate {
  readonly object: KubeObject;
  readonly status: Readonly<Record<string, unknown>>;
}

export interface GatewayAddress {
  readonly type: 'IPAddress' | 'Hostname';
  readonly value: string;
}

export interface StatusOptions {
  /** Milliseconds since the Unix epoch: lastTransitionTime of conditions that change. */
  readonly now: number;
  /** Addresses that the data plane of a Gateway is reached at; none: it is not programmed. */
  addressesOf(gateway: ObjectKey): readonly GatewayAddress[];
}

/**
 * What the controller says about GatewayClasses, Gateways, ListenerSets, routes and BackendTLSPolicies: the objects whose status
 * is not yet so. Conditions that stay as they were keep their times. Every GatewayClass is taken for one that has a controller;
 * what refers to no such class, or to a parent that is not there, gets no status, as nobody feels responsible.
 */
export function gatewayStatus(view: GatewayView, options: StatusOptions): StatusUpdate[] {
  const topology = readTopology(view);
  const updates: StatusUpdate[] = [];
  const time = new Date(options.now).toISOString().replace(/\.\d+Z$/, 'Z');
  const write = (object: KubeObject, status: Readonly<Record<string, unknown>>): void => {
    const before = (object as { status?: unknown }).status;
    if (JSON.stringify(before) !== JSON.stringify(status)) updates.push({ object, status });
  };
  for (const gatewayClass of view.list<GatewayClass>('GatewayClass')) {
    write(gatewayClass, {
      ...gatewayClass.status,
      conditions: conditions(gatewayClass, gatewayClass.status?.conditions, classVerdicts(view, gatewayClass), time),
    });
  }
  for (const node of topology.nodes) {
    write(node.gateway, gatewayStatusOf(node, options.addressesOf(keyOf(node.gateway)), view, time));
    for (const set of node.sets) write(set, listenerSetStatus(node, set, time));
  }
  for (const { set, node, problem } of topology.refusedSets) {
    const verdicts = [no('Accepted', problem), no('Programmed', problem)];
    const status = set.status ?? {};
    write(set, {
      ...status,
      conditions: conditions(set, status.conditions, verdicts, time),
      ...(node === undefined ? {} : { listeners: [] }),
    });
  }
  for (const [route, results] of groupBy(topology.parents, ({ route }) => route)) {
    const before = route.status?.parents ?? [];
    const parents: RouteParentStatus[] = results.map((result) => {
      const old = before.find(({ parentRef }) => JSON.stringify(parentRef) === JSON.stringify(result.ref));
      const verdicts = routeVerdicts(view, result);
      return {
        parentRef: { ...result.ref },
        controllerName: result.node?.gatewayClass.spec.controllerName ?? MESH_CONTROLLER,
        conditions: conditions(route, old?.conditions, verdicts, time),
      };
    });
    write(route, { parents });
  }
  for (const state of new BackendPolicies(view).states) {
    const ancestors = ancestorsOf(topology, state).map((gateway) => policyAncestor(state, gateway, time));
    if (ancestors.length > 0 || state.policy.status !== undefined) write(state.policy, { ancestors });
  }
  return updates;
}

/** Who writes the status of routes whose parent is a Service. */
const MESH_CONTROLLER = 'netsim.dev/mesh';

function keyOf(object: KubeObject): ObjectKey {
  return { namespace: namespaceOf(object), name: object.metadata.name };
}

function groupBy<K, V>(values: readonly V[], key: (value: V) => K): Map<K, V[]> {
  const groups = new Map<K, V[]>();
  for (const value of values) {
    const group = groups.get(key(value));
    if (group === undefined) groups.set(key(value), [value]);
    else group.push(value);
  }
  return groups;
}

/** Verdicts as conditions: those that say what was said before keep their time. */
function conditions(
  object: KubeObject,
  before: readonly Condition[] = [],
  verdicts: readonly Verdict[],
  time: string,
): Condition[] {
  return verdicts.map(({ type, status, reason, message }) => {
    const old = before.find((one) => one.type === type);
    const lastTransitionTime =
      old?.status === status && old.lastTransitionTime !== undefined ? old.lastTransitionTime : time;
    return { lastTransitionTime, message, observedGeneration: object.metadata.generation ?? 1, reason, status, type };
  });
}

function classVerdicts(view: GatewayView, gatewayClass: GatewayClass): Verdict[] {
  const problem = parametersProblem(view, gatewayClass);
  return [
    verdict('Accepted', problem, 'Accepted', 'the controller of this class is at work'),
    yes('SupportedVersion', 'SupportedVersion', 'the version of the Gateway API is supported'),
  ];
}

function gatewayStatusOf(
  node: GatewayNode,
  addresses: readonly GatewayAddress[],
  view: GatewayView,
  time: string,
): Record<string, unknown> {
  const { gateway, listeners, sets } = node;
  const own = listeners.filter(({ owner }) => owner === gateway);
  const taken = sets.filter((set) => listeners.some(({ owner, refused }) => owner === set && refused === undefined));
  const before = gateway.status ?? {};
  return {
    ...(addresses.length > 0 && { addresses: addresses.map((address) => ({ ...address })) }),
    ...(taken.length > 0 && { attachedListenerSets: taken.length }),
    conditions: conditions(gateway, before.conditions, gatewayVerdicts(node, own, addresses, view), time),
    listeners: own.map((listener) => listenerStatus(node, listener, before.listeners, time)),
  };
}

function gatewayVerdicts(
  node: GatewayNode,
  own: readonly Listener[],
  addresses: readonly GatewayAddress[],
  view: GatewayView,
): Verdict[] {
  const { gateway } = node;
  const accepted = acceptedVerdict(node.refused, own, 'Gateway');
  const verdicts = [accepted, programmedVerdict(node, accepted, own, addresses)];
  const { backend, frontend } = gateway.spec.tls ?? {};
  if (backend?.clientCertificateRef !== undefined) {
    const from = { group: GATEWAY_GROUP, kind: 'Gateway', namespace: namespaceOf(gateway) };
    const found = readCertificate(view, backend.clientCertificateRef, from);
    const problem = isProblem(found)
      ? { ...found, reason: found.reason === 'InvalidCertificateRef' ? 'InvalidClientCertificateRef' : found.reason }
      : undefined;
    verdicts.push(verdict('ResolvedRefs', problem, 'ResolvedRefs', 'all references are resolved'));
  }
  const modes = [frontend?.default, ...(frontend?.perPort ?? []).map(({ tls }) => tls)].map(
    (tls) => tls?.validation?.mode,
  );
  if (modes.includes('AllowInsecureFallback')) {
    const message = 'clients may connect without a certificate, or with one that is not valid';
    verdicts.push(yes('InsecureFrontendValidationMode', 'ConfigurationChanged', message));
  }
  return verdicts;
}

function acceptedVerdict(refused: Problem | undefined, own: readonly Listener[], kind: string): Verdict {
  if (refused !== undefined) return no('Accepted', refused);
  const bad = own.filter((listener) => listener.refused !== undefined);
  if (bad.length === 0) return yes('Accepted', 'Accepted', `the ${kind} is valid`);
  const message = `listeners that are not accepted: ${bad.map(({ spec }) => spec.name).join(', ')}`;
  const reason = 'ListenersNotValid';
  return bad.length === own.length ? no('Accepted', { reason, message }) : yes('Accepted', reason, message);
}

function programmedVerdict(
  { gateway, listeners }: GatewayNode,
  accepted: Verdict,
  own: readonly Listener[],
  addresses: readonly GatewayAddress[],
): Verdict {
  if (accepted.status !== 'True') return no('Programmed', { reason: 'Invalid', message: accepted.message });
  if (!listeners.some(({ usable }) => usable)) {
    const names = own.map(({ spec }) => spec.name).join(', ');
    return no('Programmed', { reason: 'Invalid', message: `no listener can be served: ${names}` });
  }
  const wanted = gateway.spec.addresses ?? [];
  const missing = wanted.filter(
    ({ value }) => value !== undefined && !addresses.some((address) => address.value === value),
  );
  if (missing.length > 0) {
    const message = `addresses that the data plane does not have: ${missing.map(({ value }) => value).join(', ')}`;
    return no('Programmed', { reason: 'AddressNotUsable', message });
  }
  if (addresses.length === 0) {
    return no('Programmed', { reason: 'AddressNotAssigned', message: 'the data plane has no address yet' });
  }
  return yes('Programmed', 'Programmed', 'the data plane serves the listeners');
}

function listenerStatus(
  { attachments, refused }: GatewayNode,
  listener: Listener,
  before: readonly ListenerStatus[] = [],
  time: string,
): ListenerStatus {
  const { spec, owner } = listener;
  const old = before.find(({ name }) => name === spec.name)?.conditions;
  const routes = new Set(attachments.filter((one) => one.listener === listener).map(({ route }) => route));
  return {
    attachedRoutes: routes.size,
    conditions: conditions(owner, old, listenerVerdicts(listener, refused), time),
    name: spec.name,
    supportedKinds: listener.supportedKinds.map((kind) => ({ ...kind })),
  };
}

function listenerVerdicts(listener: Listener, gatewayRefused: Problem | undefined): Verdict[] {
  const { refused, unresolved, conflict, overlap, usable } = listener;
  const hindered = gatewayRefused ?? refused ?? (usable ? undefined : unresolved);
  return [
    verdict('Accepted', refused, 'Accepted', 'the listener is valid'),
    verdict(
      'Programmed',
      hindered === undefined ? undefined : { reason: 'Invalid', message: hindered.message },
      'Programmed',
      'the listener is served',
    ),
    verdict('ResolvedRefs', unresolved, 'ResolvedRefs', 'all references are resolved'),
    conflict === undefined
      ? no('Conflicted', { reason: 'NoConflicts', message: 'no other listener is in its way' })
      : yes('Conflicted', conflict.reason, conflict.message),
    ...(overlap === undefined ? [] : [yes('OverlappingTLSConfig', overlap.reason, overlap.message)]),
  ];
}

function listenerSetStatus(node: GatewayNode, set: ListenerSet, time: string): Record<string, unknown> {
  const own = node.listeners.filter(({ owner }) => owner === set);
  const before = set.status ?? {};
  const refused =
    node.refused === undefined ? undefined : { reason: 'ParentNotAccepted', message: node.refused.message };
  const accepted = acceptedVerdict(refused, own, 'ListenerSet');
  const none = own.every(({ usable }) => !usable);
  const programmed =
    accepted.status !== 'True'
      ? no('Programmed', {
          reason: accepted.reason === 'ListenersNotValid' ? 'ListenersNotValid' : 'Invalid',
          message: accepted.message,
        })
      : none
        ? no('Programmed', { reason: 'ListenersNotValid', message: 'no listener can be served' })
        : yes('Programmed', 'Programmed', 'the data plane serves the listeners');
  return {
    conditions: conditions(set, before.conditions, [accepted, programmed], time),
    listeners: own.map((listener) => listenerStatus(node, listener, before.listeners, time)),
  };
}

function routeVerdicts(view: GatewayView, { route, refused, parent, node }: ParentResult): Verdict[] {
  const mesh = node === undefined ? { mesh: keyOf(parent) } : {};
  const { unresolved, unsupported, ruleCount, badRules } = checkRoute(view, route, mesh);
  const verdicts: Verdict[] = [];
  const allBad = unsupported !== undefined && badRules === ruleCount;
  verdicts.push(
    verdict('Accepted', refused ?? (allBad ? unsupported : undefined), 'Accepted', 'the route is attached'),
  );
  verdicts.push(verdict('ResolvedRefs', unresolved, 'ResolvedRefs', 'all references are resolved'));
  if (refused === undefined && unsupported !== undefined && !allBad) {
    verdicts.push(
      yes(
        'PartiallyInvalid',
        unsupported.reason,
        `${badRules} of ${ruleCount} rules answer 500: ${unsupported.message}`,
      ),
    );
  }
  return verdicts;
}

/** The Gateways whose routes send requests to a target of the policy. */
function ancestorsOf({ view, nodes }: Topology, { policy }: PolicyState): GatewayNode[] {
  const namespace = namespaceOf(policy);
  const targets = new Set(policy.spec.targetRefs.map(({ name }) => name));
  return nodes.filter(({ attachments }) =>
    attachments.some(({ route }) => {
      const from = { group: GATEWAY_GROUP, kind: route.kind, namespace: namespaceOf(route) };
      return (route.spec.rules ?? []).some(({ backendRefs = [] }) =>
        backendRefs.some((ref) => {
          const found = targets.has(ref.name) ? readBackend(view, ref, from) : undefined;
          return found !== undefined && !isProblem(found) && found.namespace === namespace;
        }),
      );
    }),
  );
}

function policyAncestor(
  { policy, unresolved, conflict }: PolicyState,
  { gateway, gatewayClass }: GatewayNode,
  time: string,
): Record<string, unknown> {
  const ancestorRef: ParentReference = {
    group: GATEWAY_GROUP,
    kind: 'Gateway',
    namespace: namespaceOf(gateway),
    name: gateway.metadata.name,
  };
  const old = policy.status?.ancestors.find(
    ({ ancestorRef: ref }) => ref.name === ancestorRef.name && ref.namespace === ancestorRef.namespace,
  );
  const noAuthority =
    unresolved === undefined ? undefined : { reason: 'NoValidCACertificate', message: unresolved.message };
  const verdicts = [
    verdict('Accepted', conflict ?? noAuthority, 'Accepted', `in force for Gateway "${nameOf(gateway)}"`),
    verdict('ResolvedRefs', unresolved, 'ResolvedRefs', 'all references are resolved'),
  ];
  const { controllerName } = gatewayClass.spec;
  return { ancestorRef, controllerName, conditions: conditions(policy, old?.conditions, verdicts, time) };
}

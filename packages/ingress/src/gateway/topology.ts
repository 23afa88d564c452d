import type {
  Gateway,
  GatewayClass,
  GRPCRoute,
  HTTPRoute,
  KubeObject,
  ListenerSet,
  ParentReference,
  Route,
  Service,
} from '@netsim/manifest';
import type { Problem } from './conditions.ts';
import { hostIntersection } from './hostname.ts';
import { allowsNamespace, type Listener, listenersOf } from './listeners.ts';
import { byAge, GATEWAY_GROUP, type GatewayView, nameOf, namespaceOf } from './view.ts';

const ROUTE_KINDS = ['HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute', 'UDPRoute'] as const;

export type AnyRoute = HTTPRoute | GRPCRoute | Route;

/** A Gateway with its class, its listeners and the ListenerSets that ask to join. */
export interface GatewayNode {
  readonly gateway: Gateway;
  readonly gatewayClass: GatewayClass;
  readonly listeners: readonly Listener[];
  readonly sets: readonly ListenerSet[];
  /** Why the Gateway as a whole is not accepted. */
  readonly refused: Problem | undefined;
  readonly attachments: Attachment[];
}

/** A route on a listener, with the names that both stand for; undefined among them: all names. */
export interface Attachment {
  readonly route: AnyRoute;
  readonly listener: Listener;
  readonly hostnames: readonly (string | undefined)[];
}

/** What became of one parentRef of a route. */
export interface ParentResult {
  readonly route: AnyRoute;
  /** Its place in `spec.parentRefs`. */
  readonly index: number;
  readonly ref: ParentReference;
  readonly parent: KubeObject;
  /** Undefined for a Service, the parent of mesh routes. */
  readonly node: GatewayNode | undefined;
  refused: Problem | undefined;
  /** The listeners that took it. */
  attached: readonly Attachment[];
}

/** A parentRef that names nothing that is there: no controller says anything about it. */
export interface LostParent {
  readonly route: AnyRoute;
  readonly index: number;
  readonly ref: ParentReference;
}

/** All Gateways, and what is attached to them. */
export interface Topology {
  readonly view: GatewayView;
  readonly nodes: readonly GatewayNode[];
  readonly parents: readonly ParentResult[];
  readonly lost: readonly LostParent[];
  /** ListenerSets that no Gateway takes, with the reason; their Gateway where there is one. */
  readonly refusedSets: readonly {
    readonly set: ListenerSet;
    readonly node: GatewayNode | undefined;
    readonly problem: Problem;
  }[];
}

/** Joins Gateways, ListenerSets and routes as their controller does. */
export function readTopology(view: GatewayView): Topology {
  const nodes: GatewayNode[] = [];
  const refusedSets: { set: ListenerSet; node: GatewayNode | undefined; problem: Problem }[] = [];
  const sets = view.list<ListenerSet>('ListenerSet');
  for (const gateway of view.list<Gateway>('Gateway')) {
    const gatewayClass = view.get<GatewayClass>('GatewayClass', undefined, gateway.spec.gatewayClassName);
    if (gatewayClass === undefined) continue;
    const home = namespaceOf(gateway);
    const asking = sets.filter((set) => namesParent(set.spec.parentRef, namespaceOf(set), gateway));
    const taken = asking.filter((set) =>
      allowsNamespace(view, gateway.spec.allowedListeners?.namespaces, 'None', home, namespaceOf(set)),
    );
    const node: GatewayNode = {
      gateway,
      gatewayClass,
      listeners: listenersOf(view, gateway, taken),
      sets: taken,
      refused: gatewayProblem(view, gateway, gatewayClass),
      attachments: [],
    };
    nodes.push(node);
    for (const set of asking) {
      if (taken.includes(set)) continue;
      const message = `Gateway "${nameOf(gateway)}" allows no listeners from namespace "${namespaceOf(set)}"`;
      refusedSets.push({ set, node, problem: { reason: 'NotAllowed', message } });
    }
  }
  const parents: ParentResult[] = [];
  const lost: LostParent[] = [];
  for (const kind of ROUTE_KINDS) {
    for (const route of view.list<AnyRoute>(kind)) {
      (route.spec.parentRefs ?? []).forEach((ref, index) => {
        const result = attach(view, nodes, refusedSets, route, ref, index);
        if (result === undefined) lost.push({ route, index, ref });
        else parents.push(result);
      });
    }
  }
  settleKinds(nodes, parents);
  return { view, nodes, parents, lost, refusedSets };
}

function gatewayProblem(view: GatewayView, gateway: Gateway, gatewayClass: GatewayClass): Problem | undefined {
  const problem = parametersProblem(view, gatewayClass);
  if (problem !== undefined) {
    return {
      reason: 'Invalid',
      message: `GatewayClass "${gatewayClass.metadata.name}" is not accepted: ${problem.message}`,
    };
  }
  const { parametersRef } = gateway.spec.infrastructure ?? {};
  if (
    parametersRef !== undefined &&
    view.get(parametersRef.kind, namespaceOf(gateway), parametersRef.name) === undefined
  ) {
    const { kind, name } = parametersRef;
    return { reason: 'InvalidParameters', message: `parametersRef to ${kind} "${name}": there is none` };
  }
  const strange = gateway.spec.addresses?.find(({ type = 'IPAddress' }) => type !== 'IPAddress' && type !== 'Hostname');
  if (strange !== undefined) {
    return { reason: 'UnsupportedAddress', message: `addresses of type "${strange.type}" are not supported` };
  }
  return undefined;
}

/** Why a GatewayClass is not accepted: its parameters are not there. */
export function parametersProblem(view: GatewayView, { spec }: GatewayClass): Problem | undefined {
  const ref = spec.parametersRef;
  if (ref === undefined || view.get(ref.kind, ref.namespace, ref.name) !== undefined) return undefined;
  return { reason: 'InvalidParameters', message: `parametersRef to ${ref.kind} "${ref.name}": there is none` };
}

function namesParent(ref: ParentReference, namespace: string, parent: KubeObject): boolean {
  const { group = GATEWAY_GROUP, kind = 'Gateway' } = ref;
  const groupOf = parent.kind === 'Service' ? '' : GATEWAY_GROUP;
  return (
    group === groupOf &&
    kind === parent.kind &&
    ref.name === parent.metadata.name &&
    (ref.namespace ?? namespace) === namespaceOf(parent)
  );
}

function attach(
  view: GatewayView,
  nodes: readonly GatewayNode[],
  refusedSets: Topology['refusedSets'],
  route: AnyRoute,
  ref: ParentReference,
  index: number,
): ParentResult | undefined {
  const { group = GATEWAY_GROUP, kind = 'Gateway' } = ref;
  const namespace = namespaceOf(route);
  if (group === '' && kind === 'Service') {
    const parent = view.get<Service>('Service', ref.namespace ?? namespace, ref.name);
    if (parent === undefined) return undefined;
    return { route, index, ref, parent, node: undefined, refused: serviceProblem(parent, ref), attached: [] };
  }
  for (const node of nodes) {
    const parent = [node.gateway, ...node.sets].find((one) => namesParent(ref, namespace, one));
    if (parent === undefined) continue;
    const { refused, attached } = attachTo(view, node, parent, route, ref);
    node.attachments.push(...attached);
    return { route, index, ref, parent, node, refused, attached };
  }
  const refusedSet = refusedSets.find(({ set }) => namesParent(ref, namespace, set));
  if (refusedSet === undefined) return undefined;
  const { set, node } = refusedSet;
  const message = `ListenerSet "${nameOf(set)}" is not allowed by its Gateway`;
  return { route, index, ref, parent: set, node, refused: { reason: 'NoMatchingParent', message }, attached: [] };
}

function serviceProblem(service: Service, { port, sectionName }: ParentReference): Problem | undefined {
  const ports = service.spec.ports ?? [];
  const found = ports.some(
    (one) => (port === undefined || one.port === port) && (sectionName === undefined || one.name === sectionName),
  );
  if (found) return undefined;
  return { reason: 'NoMatchingParent', message: `Service "${nameOf(service)}" has no port ${sectionName ?? port}` };
}

function attachTo(
  view: GatewayView,
  node: GatewayNode,
  parent: Gateway | ListenerSet,
  route: AnyRoute,
  ref: ParentReference,
): { refused: Problem | undefined; attached: Attachment[] } {
  const refuse = (reason: string, message: string) => ({ refused: { reason, message }, attached: [] });
  const what = `${parent.kind} "${nameOf(parent)}"`;
  const own = node.listeners.filter(({ owner }) => owner === parent);
  const meant = own.filter(
    ({ spec }) =>
      (ref.sectionName === undefined || spec.name === ref.sectionName) &&
      (ref.port === undefined || spec.port === ref.port),
  );
  if (meant.length === 0) {
    const has = own.map(({ spec }) => `"${spec.name}" (${spec.port})`).join(', ');
    const wanted = [
      ...(ref.sectionName === undefined ? [] : [`named "${ref.sectionName}"`]),
      ...(ref.port === undefined ? [] : [`on port ${ref.port}`]),
    ].join(' ');
    return refuse('NoMatchingParent', `${what} has no listener ${wanted}; it has ${has}`);
  }
  const ofKind = meant.filter(({ supportedKinds }) => supportedKinds.some(({ kind }) => kind === route.kind));
  if (ofKind.length === 0) {
    return refuse('NotAllowedByListeners', `no such listener of ${what} takes a ${route.kind}`);
  }
  const allowed = ofKind.filter(({ spec }) =>
    allowsNamespace(view, spec.allowedRoutes?.namespaces, 'Same', namespaceOf(parent), namespaceOf(route)),
  );
  if (allowed.length === 0) {
    return refuse(
      'NotAllowedByListeners',
      `no such listener of ${what} takes routes from namespace "${namespaceOf(route)}"`,
    );
  }
  const attached: Attachment[] = [];
  for (const listener of allowed) {
    const hostnames = commonHostnames(listener, route);
    if (hostnames.length > 0) attached.push({ route, listener, hostnames });
  }
  if (attached.length > 0) return { refused: undefined, attached };
  const names = allowed.map(({ spec }) => `"${spec.hostname}"`).join(', ');
  return refuse(
    'NoMatchingListenerHostname',
    `hostnames ${(route.spec.hostnames ?? []).map((name) => `"${name}"`).join(', ')} have nothing in common with ${names} of ${what}`,
  );
}

/** The names that a route is served under on a listener; `[undefined]` for all names. */
function commonHostnames({ spec }: Listener, route: AnyRoute): (string | undefined)[] {
  const own = spec.hostname?.toLowerCase();
  if (spec.protocol === 'TCP' || spec.protocol === 'UDP') return [undefined];
  const { hostnames = [] } = route.spec;
  if (hostnames.length === 0) return [own];
  const common = new Set<string | undefined>();
  for (const hostname of hostnames) {
    const both = hostIntersection(own, hostname.toLowerCase());
    if (both !== null) common.add(both);
  }
  return [...common];
}

/**
 * An HTTPRoute and a GRPCRoute may not share names on a listener: the older one stays, the other is refused there
 * (GRPCRoute's rule of cross serving).
 */
function settleKinds(nodes: readonly GatewayNode[], parents: readonly ParentResult[]): void {
  for (const node of nodes) {
    if (!node.attachments.some(({ route }) => route.kind === 'GRPCRoute')) continue;
    const mixed = node.attachments.filter(({ route }) => route.kind === 'GRPCRoute' || route.kind === 'HTTPRoute');
    const kept: Attachment[] = [];
    for (const one of mixed.toSorted((a, b) => byAge(a.route, b.route))) {
      const rival = kept.find(
        (other) => other.listener === one.listener && other.route.kind !== one.route.kind && shareNames(other, one),
      );
      if (rival === undefined) {
        kept.push(one);
        continue;
      }
      node.attachments.splice(node.attachments.indexOf(one), 1);
      const parent = parents.find(({ attached }) => attached.includes(one));
      if (parent === undefined) continue;
      parent.attached = parent.attached.filter((other) => other !== one);
      if (parent.attached.length > 0) continue;
      const message = `${rival.route.kind} "${nameOf(rival.route)}" has some of its hostnames already; the kinds cannot share them`;
      parent.refused = { reason: 'HostnameConflict', message };
    }
  }
}

function shareNames(a: Attachment, b: Attachment): boolean {
  return a.hostnames.some((name) => b.hostnames.some((other) => hostIntersection(name, other) !== null));
}

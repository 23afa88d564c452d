import type { EndpointSlice, Node, ObjectStore, Service } from '@netsim/manifest';
import { formatIp, tryParseIp } from '@netsim/wire';
import { sha256 } from '../core/sha256.ts';
import { serviceNameLabel } from '../endpoints/service-labels.ts';
import { rangeContains } from './address-pool.ts';
import { cloudOf } from './cloud.ts';
import { advertises, type MetalLbConfig, metallbConfig } from './metallb-config.ts';

/** How one address of a Service of type LoadBalancer comes into the cluster. */
export interface LoadBalancerPlan {
  readonly service: { readonly namespace: string; readonly name: string };
  readonly ip: string;
  /**
   * `l2`: the node answers ARP or neighbour solicitations for the address. `bgp`: the routers spread connections over
   * the nodes. `cloud`: a machine outside spreads them over the nodes that pass its health check.
   */
  readonly mode: 'l2' | 'bgp' | 'cloud';
  /** The nodes that take traffic now; with `l2` one at most. Empty: see {@link why}. */
  readonly nodes: readonly string[];
  /** Those that would take it, the first choice first, had they what `why` says they lack. */
  readonly candidates: readonly string[];
  /** The address pool of MetalLB. */
  readonly pool?: string;
  /** What a cloud asks each node over HTTP. */
  readonly healthCheck?: { readonly port: number; readonly path: string };
  /** Why no node takes traffic. */
  readonly why?: string;
}

export interface LoadBalancerPlanOptions {
  /** Whether a node's machine runs: its speaker and its kube-proxy with it. Default: its Ready condition is not False or Unknown. */
  readonly alive?: (node: Node) => boolean;
}

const excludeLabel = 'node.kubernetes.io/exclude-from-external-load-balancers';
/** kube-proxy's own health port: what clouds ask where the policy is Cluster. */
const proxyHealthPort = 10256;

/** The way in for every address of every load balancer, in the order of the services. A look at a settled store. */
export function loadBalancerPlan(store: ObjectStore, options: LoadBalancerPlanOptions = {}): LoadBalancerPlan[] {
  const services = store.list<Service>('Service').filter(({ spec }) => spec.type === 'LoadBalancer');
  if (services.length === 0) return [];
  const view = new View(store, options);
  return services.flatMap((service) => view.plansOf(service));
}

/** The node that answers for a service's address in layer 2; `undefined` where none does. */
export function l2Announcer(
  store: ObjectStore,
  service: Service,
  options: LoadBalancerPlanOptions = {},
): string | undefined {
  return new View(store, options).plansOf(service).find(({ mode }) => mode === 'l2')?.nodes[0];
}

/**
 * MetalLB's election (speaker/layer2_controller.go): the nodes sorted by the SHA-256 of `node#address`; the first one
 * announces. All services of an address have the same winner.
 */
export function electionOrder(nodes: readonly string[], ip: string): string[] {
  return nodes
    .map((node) => ({ node, hash: sha256(`${node}#${ip}`) }))
    .sort((a, b) => (a.hash < b.hash ? -1 : 1))
    .map(({ node }) => node);
}

class View {
  readonly #store: ObjectStore;
  readonly #config: MetalLbConfig;
  readonly #cloud: string | undefined;
  readonly #alive: (node: Node) => boolean;
  readonly #nodes: readonly Node[];
  #slices: Map<string, EndpointSlice[]> | undefined;

  constructor(store: ObjectStore, { alive = looksAlive }: LoadBalancerPlanOptions) {
    this.#store = store;
    this.#config = metallbConfig(store);
    this.#cloud = cloudOf(store);
    this.#alive = alive;
    this.#nodes = store.list<Node>('Node');
  }

  plansOf(service: Service): LoadBalancerPlan[] {
    const ips = (service.status?.loadBalancer?.ingress ?? [])
      .filter(({ ip, ipMode = 'VIP' }) => ip !== undefined && ipMode === 'VIP')
      .map(({ ip }) => ip!);
    // Both families of a service are announced by the winner of the first address.
    return ips.flatMap((ip) => this.#plansOfIp(service, ip, ips[0]!));
  }

  #plansOfIp(service: Service, ip: string, first: string): LoadBalancerPlan[] {
    const address = tryParseIp(ip);
    const pool =
      address === undefined
        ? undefined
        : this.#config.pools.find(({ ranges }) => ranges.some((range) => rangeContains(range, address)));
    if (pool === undefined) return [this.#cloudPlan(service, ip)];
    const modes = (['l2', 'bgp'] as const).filter((mode) =>
      this.#config.advertisements.some((each) => each.mode === mode && each.pools.has(pool.name)),
    );
    if (modes.length === 0) {
      const why = `no L2Advertisement or BGPAdvertisement is for the address pool "${pool.name}"`;
      return [{ ...planFor(service, ip), mode: 'l2', nodes: [], candidates: [], pool: pool.name, why }];
    }
    return modes.map((mode) => this.#metallbPlan(service, ip, first, mode, pool.name));
  }

  #metallbPlan(service: Service, ip: string, first: string, mode: 'l2' | 'bgp', pool: string): LoadBalancerPlan {
    const advertising = this.#nodes.filter((node) => advertises(this.#config, mode, pool, node));
    const included = advertising.filter((node) => !isExcluded(node));
    const able = included.filter((node) => this.#alive(node) && !networkUnavailable(node));
    const serving = this.#servingNodes(service);
    const local = service.spec.externalTrafficPolicy === 'Local';
    const names = able.map(({ metadata }) => metadata.name);
    const candidates = mode === 'l2' ? electionOrder(names, normal(first)) : names;
    const eligible = local ? candidates.filter((name) => serving.nodes.has(name)) : serving.any ? candidates : [];
    const nodes = mode === 'l2' ? eligible.slice(0, 1) : eligible;
    const plan = { ...planFor(service, ip), mode, nodes, candidates, pool };
    if (nodes.length > 0) return plan;
    if (advertising.length === 0) return { ...plan, why: 'no node matches the nodeSelectors of the advertisement' };
    if (included.length === 0) return { ...plan, why: `every node has the label ${excludeLabel}` };
    if (able.length === 0) return { ...plan, why: 'none of the nodes that may announce it is ready' };
    if (!serving.any) return { ...plan, why: 'the service has no ready endpoint' };
    return { ...plan, why: 'externalTrafficPolicy is Local, and no ready endpoint is on a node that may announce it' };
  }

  #cloudPlan(service: Service, ip: string): LoadBalancerPlan {
    const { externalTrafficPolicy, healthCheckNodePort } = service.spec;
    const local = externalTrafficPolicy === 'Local';
    const members = this.#nodes.filter((node) => !isExcluded(node) && !beingDeleted(node));
    const able = members.filter(this.#alive);
    const serving = this.#servingNodes(service);
    const healthy = able.filter(({ metadata }) => !local || serving.ready.has(metadata.name));
    const healthCheck =
      local && healthCheckNodePort
        ? { port: healthCheckNodePort, path: '/healthz' }
        : { port: proxyHealthPort, path: '/healthz' };
    const plan: LoadBalancerPlan = {
      ...planFor(service, ip),
      mode: 'cloud',
      nodes: healthy.map(({ metadata }) => metadata.name),
      candidates: members.map(({ metadata }) => metadata.name),
      healthCheck,
    };
    if (healthy.length > 0) return plan;
    if (members.length === 0) return { ...plan, why: `every node has the label ${excludeLabel}` };
    if (able.length === 0)
      return { ...plan, why: `no node answers its health check${this.#cloud ? '' : ' (none is ready)'}` };
    return { ...plan, why: 'externalTrafficPolicy is Local, and no node has a ready endpoint of the service' };
  }

  /** Where the service has endpoints: that MetalLB counts (ready or serving), and that kube-proxy's health port counts (ready). */
  #servingNodes(service: Service): { any: boolean; nodes: ReadonlySet<string>; ready: ReadonlySet<string> } {
    const { namespace = 'default', name } = service.metadata;
    this.#slices ??= slicesByService(this.#store);
    const nodes = new Set<string>();
    const readyOn = new Set<string>();
    let any = false;
    for (const slice of this.#slices.get(`${namespace}/${name}`) ?? []) {
      for (const { conditions, nodeName } of slice.endpoints ?? []) {
        const ready = conditions?.ready ?? true;
        if (!ready && conditions?.serving !== true) continue;
        any = true;
        if (nodeName === undefined) continue;
        nodes.add(nodeName);
        if (ready) readyOn.add(nodeName);
      }
    }
    return { any, nodes, ready: readyOn };
  }
}

function slicesByService(store: ObjectStore): Map<string, EndpointSlice[]> {
  const found = new Map<string, EndpointSlice[]>();
  for (const slice of store.list<EndpointSlice>('EndpointSlice')) {
    const service = slice.metadata.labels?.[serviceNameLabel];
    if (service === undefined) continue;
    const key = `${slice.metadata.namespace}/${service}`;
    const list = found.get(key);
    if (list === undefined) found.set(key, [slice]);
    else list.push(slice);
  }
  return found;
}

function planFor({ metadata }: Service, ip: string): Pick<LoadBalancerPlan, 'service' | 'ip'> {
  return { service: { namespace: metadata.namespace ?? 'default', name: metadata.name }, ip };
}

function isExcluded({ metadata }: Node): boolean {
  return metadata.labels !== undefined && excludeLabel in metadata.labels;
}

function beingDeleted({ spec }: Node): boolean {
  return spec?.taints?.some(({ key }) => key === 'ToBeDeletedByClusterAutoscaler') === true;
}

function looksAlive(node: Node): boolean {
  const ready = node.status?.conditions?.find(({ type }) => type === 'Ready');
  return ready === undefined || ready.status === 'True';
}

function networkUnavailable(node: Node): boolean {
  return (
    node.status?.conditions?.some(({ type, status }) => type === 'NetworkUnavailable' && status === 'True') === true
  );
}

/** The address as Go prints it: what the election hashes. */
function normal(text: string): string {
  const ip = tryParseIp(text);
  return ip === undefined ? text : formatIp(ip);
}

import {
  type AnyObject,
  type ConfigMap,
  type KubeObject,
  type LabelSelector,
  loadManifests,
  type Namespace,
  type Node,
  type ObjectStore,
  type Service,
} from '@netsim/manifest';
import { matchesSelector } from '../core/selector.ts';
import { type AddressRange, parseRange } from './address-pool.ts';

/** Kinds of objects that MetalLB's configuration is made of. */
export const metallbKinds = ['IPAddressPool', 'L2Advertisement', 'BGPAdvertisement', 'BGPPeer', 'ConfigMap'] as const;

/** An IPAddressPool as MetalLB understands it. */
export interface AddressPool {
  readonly name: string;
  readonly ranges: readonly AddressRange[];
  /** Places in spec.addresses that are no ranges. */
  readonly unreadable: readonly number[];
  readonly autoAssign: boolean;
  readonly avoidBuggyIPs: boolean;
  /** Which services the pool is kept for; `undefined` where it is for all. */
  readonly allocation: PoolAllocation | undefined;
  readonly object: KubeObject;
}

export interface PoolAllocation {
  /** Lower is tried first; 0 comes last. */
  readonly priority: number;
  readonly namespaces: ReadonlySet<string>;
  readonly serviceSelectors: readonly LabelSelector[];
}

/** How the addresses of some pools are made known, and by which nodes. */
export interface Advertisement {
  readonly mode: 'l2' | 'bgp';
  readonly name: string;
  /** Names of the pools that it is for. */
  readonly pools: ReadonlySet<string>;
  /** A node that one of them matches takes part; none means every node. */
  readonly nodeSelectors: readonly LabelSelector[];
  readonly object: KubeObject;
}

export interface MetalLbConfig {
  /** By name. */
  readonly pools: readonly AddressPool[];
  readonly advertisements: readonly Advertisement[];
  /** Node selectors of the BGPPeers; a peer without one stands for every node. */
  readonly peers: readonly (readonly LabelSelector[])[];
}

interface PoolSpec {
  readonly addresses?: unknown;
  readonly autoAssign?: boolean;
  readonly avoidBuggyIPs?: boolean;
  readonly serviceAllocation?: {
    readonly priority?: number;
    readonly namespaces?: readonly string[];
    readonly namespaceSelectors?: readonly LabelSelector[];
    readonly serviceSelectors?: readonly LabelSelector[];
  };
}

interface AdvertisementSpec {
  readonly ipAddressPools?: readonly string[];
  readonly ipAddressPoolSelectors?: readonly LabelSelector[];
  readonly nodeSelectors?: readonly LabelSelector[];
}

/**
 * Reads MetalLB's objects (group metallb.io), and the ConfigMap metallb-system/config that MetalLB before 0.13 read, of
 * which the addresses and protocols count.
 */
export function metallbConfig(store: ObjectStore): MetalLbConfig {
  const pools = ofMetalLb(store, 'IPAddressPool').map((object) => poolOf(store, object));
  const names = new Map(pools.map((pool) => [pool.name, pool]));
  const advertisements = [
    ...ofMetalLb(store, 'L2Advertisement').map((object) => advertisementOf('l2', object, pools)),
    ...ofMetalLb(store, 'BGPAdvertisement').map((object) => advertisementOf('bgp', object, pools)),
  ];
  for (const { pool, mode } of legacyPools(store)) {
    if (names.has(pool.name)) continue;
    pools.push(pool);
    advertisements.push({ mode, name: pool.name, pools: new Set([pool.name]), nodeSelectors: [], object: pool.object });
  }
  pools.sort((a, b) => (a.name < b.name ? -1 : 1));
  const peers = ofMetalLb(store, 'BGPPeer').map(({ spec }) => (spec as AdvertisementSpec).nodeSelectors ?? []);
  return { pools, advertisements, peers };
}

/** Whether a node has a speaker that makes a pool's addresses known in this mode. */
export function advertises(config: MetalLbConfig, mode: 'l2' | 'bgp', pool: string, node: Node): boolean {
  const matches = (selectors: readonly LabelSelector[]) =>
    selectors.length === 0 || selectors.some((selector) => matchesSelector(selector, node.metadata.labels));
  const advertised = config.advertisements.some(
    (each) => each.mode === mode && each.pools.has(pool) && matches(each.nodeSelectors),
  );
  if (mode === 'l2' || config.peers.length === 0) return advertised;
  return advertised && config.peers.some(matches);
}

/** Whether the pool may serve a service that asks for it. */
export function poolAllows({ allocation }: AddressPool, { metadata }: Service): boolean {
  if (allocation === undefined) return true;
  const { namespaces, serviceSelectors } = allocation;
  if (namespaces.size > 0 && !namespaces.has(metadata.namespace ?? 'default')) return false;
  return serviceSelectors.length === 0 || serviceSelectors.some((each) => matchesSelector(each, metadata.labels));
}

function ofMetalLb(store: ObjectStore, kind: string): AnyObject[] {
  return store.list<AnyObject>(kind).filter(({ apiVersion }) => apiVersion.startsWith('metallb.io/'));
}

function poolOf(store: ObjectStore, object: AnyObject): AddressPool {
  const spec = (object.spec ?? {}) as PoolSpec;
  const { addresses, autoAssign = true, avoidBuggyIPs = false, serviceAllocation } = spec;
  const ranges: AddressRange[] = [];
  const unreadable: number[] = [];
  for (const [i, text] of (Array.isArray(addresses) ? addresses : []).entries()) {
    const range = parseRange(String(text));
    if (range === undefined) unreadable.push(i);
    else ranges.push(range);
  }
  let allocation: PoolAllocation | undefined;
  if (serviceAllocation !== undefined && serviceAllocation !== null) {
    const { priority = 0, namespaces = [], namespaceSelectors = [], serviceSelectors = [] } = serviceAllocation;
    const selected = store
      .list<Namespace>('Namespace')
      .filter(({ metadata }) => namespaceSelectors.some((each) => matchesSelector(each, metadata.labels)));
    const names = new Set([...namespaces, ...selected.map(({ metadata }) => metadata.name)]);
    allocation = { priority, namespaces: names, serviceSelectors };
  }
  return { name: object.metadata.name, ranges, unreadable, autoAssign, avoidBuggyIPs, allocation, object };
}

function advertisementOf(mode: 'l2' | 'bgp', object: AnyObject, pools: readonly AddressPool[]): Advertisement {
  const spec = (object.spec ?? {}) as AdvertisementSpec;
  const { ipAddressPools = [], ipAddressPoolSelectors = [], nodeSelectors = [] } = spec;
  const all = ipAddressPools.length + ipAddressPoolSelectors.length === 0;
  const selected = pools.filter(
    ({ object: pool }) => all || ipAddressPoolSelectors.some((each) => matchesSelector(each, pool.metadata.labels)),
  );
  const names = new Set([...ipAddressPools, ...selected.map(({ name }) => name)]);
  return { mode, name: object.metadata.name, pools: names, nodeSelectors, object };
}

/** The pools of the ConfigMap, with their protocol. */
function legacyPools(store: ObjectStore): { pool: AddressPool; mode: 'l2' | 'bgp' }[] {
  const map = legacyConfigMap(store);
  if (map === undefined) return [];
  const indented = map.data!.config!.replaceAll(/^/gm, '  ');
  const text = `apiVersion: metallb.io/v0\nkind: Config\nmetadata: {name: config}\nspec:\n${indented}\n`;
  const read = loadManifests([{ file: 'config', text }]).objects[0] as AnyObject | undefined;
  const entries = (read?.spec as Record<string, unknown> | null | undefined)?.['address-pools'];
  if (!Array.isArray(entries)) return [];
  return entries.map((entry: Record<string, unknown>) => {
    const { name, addresses, protocol } = entry;
    const object: AnyObject = {
      ...map,
      metadata: { ...map.metadata, name: String(name) },
      spec: { addresses, autoAssign: entry['auto-assign'] ?? true, avoidBuggyIPs: entry['avoid-buggy-ips'] ?? false },
    };
    return { pool: { ...poolOf(store, object), object: map }, mode: protocol === 'bgp' ? 'bgp' : 'l2' };
  });
}

/** The ConfigMap by which MetalLB was configured until 0.13. */
export function legacyConfigMap(store: ObjectStore): ConfigMap | undefined {
  const map = store.get<ConfigMap>('ConfigMap', 'metallb-system', 'config');
  return typeof map?.data?.config === 'string' && /^address-pools:/m.test(map.data.config) ? map : undefined;
}

import { macOfName } from '@netsim/cni';
import {
  type AddressConfig,
  type LinkConfig,
  type Netns,
  type SchedulerName,
  schedulerNames,
  type VirtualServiceConfig,
} from '@netsim/kernel';
import type { AnyObject } from '@netsim/manifest';
import {
  type IpvsPlan,
  type IpvsServicePlan,
  type IpvsSetName,
  ipvsConfigOf,
  ipvsRules,
  ipvsServicePlan,
  ipvsSet,
  ipvsSetNames,
  ipvsSysctls,
  mergeRulesets,
  type NodeProxyConfig,
  ProxyConfigError,
  type ProxyState,
  type VirtualServer,
} from '@netsim/proxy';
import { type Family, familyBits, familyOf, type Ip, IpProto, type Prefix, prefixContains } from '@netsim/wire';

type Ruleset = IpvsPlan['ruleset'];

/** The dummy device that has the addresses of services: what is sent to them is taken for the node's own. */
const IPVS_DEVICE = 'kube-ipvs0';

const protocolNumbers = { tcp: IpProto.TCP, udp: IpProto.UDP, sctp: IpProto.SCTP };

/** @throws ProxyConfigError for a scheduler that the kernel or netsim does not have */
export function schedulerOf(configuration: AnyObject | undefined): SchedulerName {
  const { scheduler } = ipvsConfigOf(configuration);
  const known = schedulerNames.find((name) => name === scheduler);
  if (known !== undefined) return known;
  throw new ProxyConfigError(
    ['ipvs', 'scheduler'],
    `${JSON.stringify(scheduler)} is none of those modelled: ${schedulerNames.join(', ')}`,
    { notModelled: true },
  );
}

/** What was loaded of a node and family. */
interface Loaded {
  readonly config: NodeProxyConfig;
  readonly base: Ruleset;
  /** {@link ProxyState.version} when it was loaded. */
  version: number;
  readonly services: Map<string, IpvsServicePlan>;
  /** How many services ask for an element of a set, or for an address. */
  readonly elements: ReadonlyMap<IpvsSetName, Map<string, number>>;
  readonly addresses: Map<Ip, number>;
  /** Virtual servers, with the service that has them. */
  readonly servers: Map<string, { readonly service: string; readonly config: VirtualServiceConfig }>;
  /** By service: the load-balancer addresses that the node itself may not reach. */
  readonly refused: Map<string, IpvsServicePlan['nodeRefused']>;
  /** What the rules were written for; undefined: not yet. */
  writtenFor: string | undefined;
  ruleset: Ruleset | undefined;
}

/** What of the configuration says how virtual servers are written. */
interface Writing {
  readonly scheduler: SchedulerName;
  readonly excludeCIDRs: readonly Prefix[];
}

/** What a node holds of one family in IPVS mode, as plain data. */
export interface IpvsNodePlan {
  readonly ruleset: Ruleset;
  readonly addresses: readonly AddressConfig[];
  readonly services: readonly VirtualServiceConfig[];
}

/** kube-proxy in IPVS mode: brings device, sets, virtual services and rules of a node up to date, at the cost of what changed. */
export class IpvsRules {
  readonly #configuration: AnyObject | undefined;
  readonly #loaded = new Map<string, Loaded>();

  constructor(configuration: AnyObject | undefined) {
    this.#configuration = configuration;
  }

  /** The nodes are built anew: nothing is loaded any more. */
  forget(): void {
    this.#loaded.clear();
  }

  load(netns: Netns, state: ProxyState, config: NodeProxyConfig, base: Ruleset): void {
    const { family } = config;
    const key = `${netns.name}/${family}`;
    if (netns.device(IPVS_DEVICE) === undefined) this.#prepare(netns);
    let loaded = this.#loaded.get(key);
    if (loaded === undefined || loaded.base !== base) {
      loaded = start(netns, config, base, loaded);
      this.#loaded.set(key, loaded);
    }
    const { excludeCIDRs } = ipvsConfigOf(this.#configuration);
    const writing: Writing = { scheduler: schedulerOf(this.#configuration), excludeCIDRs };
    const changed = (loaded.version < 0 ? undefined : state.changesSince(loaded.version)) ?? [
      ...state.services(),
      ...loaded.services.keys(),
    ];
    loaded.version = state.version;
    for (const id of new Set(changed)) {
      const ports = state.ports(id);
      const plan = ports.length === 0 ? undefined : ipvsServicePlan(ports, loaded.config, writing);
      change(netns, loaded, id, plan, writing);
    }
    const filled = ipvsSetNames.filter((name) => loaded.elements.get(name)!.size > 0);
    const refused = [...loaded.refused.values()].flat();
    const asked = [...filled, ...refused.map(({ protocol, address, port }) => `${protocol} ${address} ${port}`)].join();
    if (loaded.writtenFor === asked) return;
    loaded.writtenFor = asked;
    loaded.ruleset = mergeRulesets(base, ipvsRules(new Set(filled), refused, loaded.config), 'first');
    netns.loadRuleset(loaded.ruleset);
  }

  /** What was loaded of a node and family; undefined where nothing was. */
  plan(node: string, family: Family): IpvsNodePlan | undefined {
    const loaded = this.#loaded.get(`${node}/${family}`);
    if (loaded?.ruleset === undefined) return undefined;
    return {
      ruleset: loaded.ruleset,
      addresses: [...loaded.addresses.keys()].map(onDevice),
      services: [...loaded.servers.values()].map(({ config }) => config),
    };
  }

  /** The device that has the addresses, and what kube-proxy sets besides it. */
  device(node: string): { readonly link: LinkConfig; readonly sysctls: Readonly<Record<string, number>> } {
    const link: LinkConfig = { kind: 'dummy', name: IPVS_DEVICE, mac: macOfName(`${node}/${IPVS_DEVICE}`) };
    return { link, sysctls: ipvsSysctls(ipvsConfigOf(this.#configuration)) };
  }

  #prepare(netns: Netns): void {
    const { link, sysctls } = this.device(netns.name);
    for (const [name, value] of Object.entries(sysctls)) netns.setSysctl(name, value);
    netns.addLink(link);
    netns.setUp(IPVS_DEVICE);
    netns.useIpvs().setTimeouts(ipvsConfigOf(this.#configuration).timeouts);
  }
}

/** Nothing loaded yet; or everything as it was, with rules to be written again. */
function start(netns: Netns, config: NodeProxyConfig, base: Ruleset, before: Loaded | undefined): Loaded {
  if (before !== undefined) return { ...before, base, writtenFor: undefined };
  const { family } = config;
  const nodeAddresses = netns
    .links()
    .filter(({ name }) => name !== IPVS_DEVICE)
    .flatMap(({ addresses }) => addresses.map(({ address }) => address))
    .filter((address) => familyOf(address) === family);
  for (const name of ipvsSetNames) {
    const { name: full, type } = ipvsSet(name, family, []);
    const options = type === 'bitmap:port' ? '' : ` family inet${family === 6 ? '6' : ''}`;
    netns.netfilter!.sets.restore(`create ${full} ${type}${options}`);
  }
  return {
    config: { ...config, nodeAddresses },
    base,
    version: -1,
    services: new Map(),
    elements: new Map(ipvsSetNames.map((name) => [name, new Map()])),
    addresses: new Map(),
    servers: new Map(),
    refused: new Map(),
    writtenFor: undefined,
    ruleset: undefined,
  };
}

function onDevice(address: Ip): AddressConfig {
  return { dev: IPVS_DEVICE, address, prefixLength: familyBits(familyOf(address)) };
}

/** Puts a new plan of a service in the place of the one before; undefined: there is no such service. */
function change(netns: Netns, loaded: Loaded, id: string, plan: IpvsServicePlan | undefined, writing: Writing): void {
  const before = loaded.services.get(id);
  if (plan === undefined) loaded.services.delete(id);
  else loaded.services.set(id, plan);
  if (plan === undefined || plan.nodeRefused.length === 0) loaded.refused.delete(id);
  else loaded.refused.set(id, plan.nodeRefused);
  for (const name of ipvsSetNames) {
    const { name: full, type } = ipvsSet(name, loaded.config.family, []);
    const set = netns.netfilter!.sets.get(full)!;
    const bare = (text: string): string => (type === 'bitmap:port' ? text.replace(/.*:/, '') : text);
    const count = loaded.elements.get(name)!;
    // What a bitmap cannot tell apart is one element.
    const [old, wanted] = [before, plan].map((each) => each?.entries.get(name)?.map(bare) ?? []);
    recount(count, old!, wanted!, { added: (text) => set.add(text), gone: (text) => set.delete(text) });
  }
  recount(loaded.addresses, before?.boundAddresses ?? [], plan?.boundAddresses ?? [], {
    added: (address) => netns.addAddress(onDevice(address)),
    gone: (address) => netns.delAddress(onDevice(address)),
  });
  changeServers(netns, loaded, id, before?.virtualServers ?? [], plan?.virtualServers ?? [], writing);
}

/** Counts up what is wanted and down what was; tells of what came and what nobody wants any more. */
function recount<T>(
  counts: Map<T, number>,
  before: readonly T[],
  after: readonly T[],
  tell: { added(what: T): void; gone(what: T): void },
): void {
  for (const what of after) {
    const count = counts.get(what) ?? 0;
    counts.set(what, count + 1);
    if (count === 0) tell.added(what);
  }
  for (const what of before) {
    const count = counts.get(what)! - 1;
    if (count > 0) counts.set(what, count);
    else {
      counts.delete(what);
      tell.gone(what);
    }
  }
}

function changeServers(
  netns: Netns,
  loaded: Loaded,
  service: string,
  before: readonly VirtualServer[],
  after: readonly VirtualServer[],
  { scheduler, excludeCIDRs }: Writing,
): void {
  const ipvs = netns.useIpvs();
  const keyOf = ({ protocol, address, port }: VirtualServer): string => `${protocol} ${address} ${port}`;
  for (const server of after) {
    const config = configOf(server, scheduler);
    loaded.servers.set(keyOf(server), { service, config });
    ipvs.setService(config, { graceful: true });
  }
  const kept = new Set(after.map(keyOf));
  for (const server of before) {
    const key = keyOf(server);
    const known = loaded.servers.get(key);
    // Two services may claim one address and port: the younger has it.
    if (kept.has(key) || known?.service !== service) continue;
    // Not kube-proxy's, as far as it can tell: not even its own of before is taken away.
    if (excludeCIDRs.some((prefix) => prefixContains(prefix, server.address))) continue;
    loaded.servers.delete(key);
    ipvs.deleteService(known.config.protocol, known.config.address, known.config.port);
  }
}

function configOf(server: VirtualServer, scheduler: SchedulerName): VirtualServiceConfig {
  const { address, port, protocol, persistentSeconds, realServers, service } = server;
  return {
    protocol: protocolNumbers[protocol],
    address,
    port,
    scheduler,
    persistentSeconds,
    realServers,
    origin: `Service/${service.replace(/:.*/, '')}`,
  };
}

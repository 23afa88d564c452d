import { macOfName } from '@netsim/cni';
import { type Netns, type SchedulerName, schedulerNames, type VirtualServiceConfig } from '@netsim/kernel';
import type { AnyObject } from '@netsim/manifest';
import {
  type IpvsPlan,
  type IpvsSet,
  ipvsConfigOf,
  ipvsPlan,
  ipvsSysctls,
  mergeRulesets,
  type NodeProxyConfig,
  ProxyConfigError,
  type ProxyState,
  type VirtualServer,
} from '@netsim/proxy';
import { type Family, familyBits, familyOf, type Ip, IpProto } from '@netsim/wire';

type Ruleset = IpvsPlan['ruleset'];

/** The dummy device that has the addresses of services: what is sent to them is taken for the node's own. */
export const IPVS_DEVICE = 'kube-ipvs0';

const protocolNumbers = { tcp: IpProto.TCP, udp: IpProto.UDP, sctp: IpProto.SCTP };

/** @throws ProxyConfigError for a scheduler that the kernel or netsim does not have */
export function schedulerOf(configuration: AnyObject | undefined): SchedulerName {
  const { scheduler } = ipvsConfigOf(configuration);
  const known = schedulerNames.find((name) => name === scheduler);
  if (known !== undefined) return known;
  throw new ProxyConfigError(
    ['ipvs', 'scheduler'],
    `${JSON.stringify(scheduler)} is none of those modelled: ${schedulerNames.join(', ')}`,
  );
}

/** What was loaded of a node and family. */
interface Loaded {
  readonly base: Ruleset;
  readonly plan: IpvsPlan;
  readonly services: ReadonlyMap<string, { readonly server: VirtualServer; readonly config: VirtualServiceConfig }>;
}

/** kube-proxy in IPVS mode: brings device, sets, virtual services and rules of a node up to date; only what differs is touched. */
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
    const before = this.#loaded.get(key);
    if (netns.device(IPVS_DEVICE) === undefined) this.#prepare(netns);
    const nodeAddresses = netns
      .addresses()
      .filter(({ dev, address }) => dev !== IPVS_DEVICE && familyOf(address) === family)
      .map(({ address }) => address);
    const scheduler = schedulerOf(this.#configuration);
    const plan = ipvsPlan(state, { ...config, nodeAddresses }, { scheduler });
    for (const [name, set] of plan.sets) loadSet(netns, family, set, before?.plan.sets.get(name));
    const rulesChanged = before === undefined || before.base !== base || !sameRules(before.plan, plan);
    if (rulesChanged) netns.loadRuleset(mergeRulesets(base, plan.ruleset, 'first'));
    bindAddresses(netns, before?.plan.boundAddresses ?? [], plan.boundAddresses);
    const services = loadServices(netns, before?.services ?? new Map(), plan.virtualServers, scheduler);
    this.#loaded.set(key, { base, plan, services });
  }

  #prepare(netns: Netns): void {
    const ipvs = ipvsConfigOf(this.#configuration);
    for (const [name, value] of Object.entries(ipvsSysctls(ipvs))) netns.setSysctl(name, value);
    netns.addLink({ kind: 'dummy', name: IPVS_DEVICE, mac: macOfName(`${netns.name}/${IPVS_DEVICE}`) });
    netns.setUp(IPVS_DEVICE);
    netns.useIpvs();
  }
}

/** Rules of IPVS mode depend on which sets are empty, and on nothing else of the services. */
function sameRules(a: IpvsPlan, b: IpvsPlan): boolean {
  for (const [name, set] of b.sets) {
    if ((set.entries.length === 0) !== (a.sets.get(name)?.entries.length === 0)) return false;
  }
  return true;
}

function loadSet(netns: Netns, family: Family, set: IpvsSet, before: IpvsSet | undefined): void {
  const { sets } = netns.netfilter!;
  if (sets.get(set.name) === undefined) {
    sets.restore(
      `create ${set.name} ${set.type}${set.type === 'bitmap:port' ? '' : ` family inet${family === 6 ? '6' : ''}`}`,
    );
  }
  const known = sets.get(set.name)!;
  const bare = (entry: string): string => (set.type === 'bitmap:port' ? entry.replace(/.*:/, '') : entry);
  const wanted = new Set(set.entries);
  const present = new Set(before?.entries);
  for (const entry of present) if (!wanted.has(entry)) known.delete(bare(entry));
  for (const entry of wanted) if (!present.has(entry)) known.add(bare(entry));
}

function bindAddresses(netns: Netns, before: readonly Ip[], after: readonly Ip[]): void {
  const wanted = new Set(after);
  const present = new Set(before);
  const entry = (address: Ip) => ({ dev: IPVS_DEVICE, address, prefixLength: familyBits(familyOf(address)) });
  for (const address of present) if (!wanted.has(address)) netns.delAddress(entry(address));
  for (const address of wanted) if (!present.has(address)) netns.addAddress(entry(address));
}

function loadServices(
  netns: Netns,
  before: Loaded['services'],
  servers: readonly VirtualServer[],
  scheduler: SchedulerName,
): Loaded['services'] {
  const ipvs = netns.useIpvs();
  const after = new Map<string, { server: VirtualServer; config: VirtualServiceConfig }>();
  for (const server of servers) {
    const key = `${server.protocol} ${server.address} ${server.port}`;
    const known = before.get(key);
    const same = known !== undefined && sameServer(known.server, server);
    const config = same ? known.config : configOf(server, scheduler);
    after.set(key, { server, config });
    if (!same) ipvs.setService(config, { graceful: true });
  }
  for (const [key, { config }] of before) {
    if (!after.has(key)) ipvs.deleteService(config.protocol, config.address, config.port);
  }
  return after;
}

function sameServer(a: VirtualServer, b: VirtualServer): boolean {
  return (
    a.persistentSeconds === b.persistentSeconds &&
    a.service === b.service &&
    a.realServers.length === b.realServers.length &&
    a.realServers.every(({ address, port, weight }, index) => {
      const other = b.realServers[index]!;
      return address === other.address && port === other.port && weight === other.weight;
    })
  );
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

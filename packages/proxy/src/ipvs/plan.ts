import type { Ruleset } from '@netsim/kernel';
import type { Ip } from '@netsim/wire';
import { familyOf, formatEndpoint, formatIp, formatPrefix, parsePrefix, prefixContains } from '@netsim/wire';
import type { NodeProxyConfig } from '../config.ts';
import type { Endpoint } from '../endpoints.ts';
import { nodePortIps } from '../nftables/base-rules.ts';
import type { PortState, ProxyState } from '../proxy-state.ts';
import type { ServicePort } from '../service-map.ts';
import { comparePorts } from '../service-map.ts';
import { chooseEndpoints, type EndpointChoice } from '../topology.ts';
import { ipvsRuleset, type VirtualPort } from './rules.ts';
import type { IpvsSet, IpvsSetName } from './sets.ts';
import { ipvsSet, ipvsSetNames } from './sets.ts';

/** An address, protocol and port that the kernel balances over real servers. */
export interface VirtualServer {
  readonly address: Ip;
  readonly protocol: ServicePort['protocol'];
  readonly port: number;
  /** How one is chosen: `rr`, `lc`, `sh`, ... */
  readonly scheduler: string;
  /** Seconds for which a client stays with its server; 0: not. */
  readonly persistentSeconds: number;
  readonly realServers: readonly RealServer[];
  /** `namespace/name:port` of the service. */
  readonly service: string;
}

export interface RealServer {
  readonly address: Ip;
  readonly port: number;
  readonly weight: number;
}

/** What kube-proxy in IPVS mode sets up on one node, for one family. */
export interface IpvsPlan {
  /** By service; `ipvsadm` lists them in the order of a hash table. */
  readonly virtualServers: readonly VirtualServer[];
  /** Addresses on the dummy device `kube-ipvs0`: so that the node takes what is sent to them for its own. */
  readonly boundAddresses: readonly Ip[];
  readonly sets: ReadonlyMap<IpvsSetName, IpvsSet>;
  readonly ruleset: Ruleset;
  /** Load-balancer addresses that the node itself may not reach: each is a rule in KUBE-IPVS-OUT-FILTER. */
  readonly nodeRefused: readonly VirtualPort[];
}

export interface IpvsOptions {
  /** `ipvs.scheduler`. */
  readonly scheduler?: string;
}

const LOOPBACK = parsePrefix('127.0.0.0/8');
const LINK_LOCAL = parsePrefix('fe80::/10');

/**
 * Plans IPVS mode for a node, from nothing. Source: syncProxyRules of pkg/proxy/ipvs/proxier.go. A service without endpoints has
 * virtual servers without real ones, to which packets are refused. Under a Local policy without endpoints on the node, those of
 * the whole cluster are used, so that pods of the node get through.
 */
export function ipvsPlan(state: ProxyState, config: NodeProxyConfig, options: IpvsOptions = {}): IpvsPlan {
  const planner = new Planner(config, options.scheduler ?? 'rr');
  const ports = state.services().flatMap((service) => state.ports(service));
  for (const port of ports.sort((a, b) => comparePorts(a.port, b.port))) planner.add(port);
  return planner.plan();
}

/** What one service adds to the plan. */
export interface IpvsServicePlan extends Pick<IpvsPlan, 'virtualServers' | 'boundAddresses' | 'nodeRefused'> {
  /** Elements of sets; several services may ask for the same one. */
  readonly entries: ReadonlyMap<IpvsSetName, readonly string[]>;
}

/** The part of {@link ipvsPlan} that one service makes, so that a change costs its own service only. */
export function ipvsServicePlan(
  ports: readonly PortState[],
  config: NodeProxyConfig,
  options: IpvsOptions = {},
): IpvsServicePlan {
  const planner = new Planner(config, options.scheduler ?? 'rr');
  for (const port of ports) planner.add(port);
  return planner.part();
}

/** The rules of {@link ipvsPlan}: they depend on which sets have elements and on whom the node may not reach, and on nothing else of the services. */
export function ipvsRules(
  filled: ReadonlySet<IpvsSetName>,
  nodeRefused: readonly VirtualPort[],
  config: NodeProxyConfig,
): Ruleset {
  const { family } = config;
  const sets = ipvsSetNames.map((name) => [name, ipvsSet(name, family, filled.has(name) ? [''] : [])] as const);
  return ipvsRuleset(new Map(sets), nodeRefused, config);
}

class Planner {
  readonly #config: NodeProxyConfig;
  readonly #scheduler: string;
  readonly #nodeIps: readonly Ip[];
  readonly #servers: VirtualServer[] = [];
  readonly #bound = new Set<Ip>();
  readonly #entries = new Map<IpvsSetName, string[]>(ipvsSetNames.map((name) => [name, []]));
  readonly #refused: VirtualPort[] = [];

  constructor(config: NodeProxyConfig, scheduler: string) {
    this.#config = config;
    this.#scheduler = scheduler;
    this.#nodeIps = nodePortIps(config) ?? this.#ownAddresses();
  }

  part(): IpvsServicePlan {
    for (const ip of this.#bound) this.#put('IPVS-IPS', formatIp(ip));
    return {
      virtualServers: this.#servers,
      boundAddresses: [...this.#bound],
      entries: this.#entries,
      nodeRefused: this.#refused,
    };
  }

  plan(): IpvsPlan {
    const { family } = this.#config;
    for (const ip of this.#bound) this.#put('IPVS-IPS', formatIp(ip));
    const sets = new Map(ipvsSetNames.map((name) => [name, ipvsSet(name, family, this.#entries.get(name)!)]));
    return {
      virtualServers: this.#servers,
      boundAddresses: [...this.#bound],
      sets,
      ruleset: ipvsRuleset(sets, this.#refused, this.#config),
      nodeRefused: this.#refused,
    };
  }

  add({ port, endpoints }: PortState): void {
    const choice = chooseEndpoints(endpoints, port, this.#config);
    const { protocol } = port;
    for (const endpoint of endpoints) {
      if (endpoint.nodeName !== this.#config.nodeName) continue;
      const ip = formatIp(endpoint.ip);
      this.#put('LOOP-BACK', `${ip},${protocol}:${endpoint.port},${ip}`);
    }
    const external = reached(choice, port.externalPolicyLocal);
    this.#put('CLUSTER-IP', entry(port, port.clusterIP));
    this.#serve(port, port.clusterIP, port.port, reached(choice, port.internalPolicyLocal), true);
    for (const ip of port.externalIPs) {
      this.#put(port.externalPolicyLocal ? 'EXTERNAL-IP-LOCAL' : 'EXTERNAL-IP', entry(port, ip));
      this.#serve(port, ip, port.port, external, this.#isForeign(ip));
    }
    for (const ip of port.loadBalancerVIPs) {
      this.#loadBalancer(port, ip);
      this.#serve(port, ip, port.port, external, this.#isForeign(ip));
    }
    if (port.nodePort !== 0) {
      this.#nodePort(port);
      for (const ip of this.#nodeIps) this.#serve(port, ip, port.nodePort, external, false);
    }
    if (port.healthCheckNodePort !== 0) this.#put('HEALTH-CHECK-NODE-PORT', `tcp:${port.healthCheckNodePort}`);
  }

  #serve(port: ServicePort, address: Ip, number: number, endpoints: readonly Endpoint[], bind: boolean): void {
    if (bind) this.#bound.add(address);
    this.#servers.push({
      address,
      protocol: port.protocol,
      port: number,
      scheduler: this.#scheduler,
      persistentSeconds: port.affinitySeconds,
      realServers: endpoints.map(({ ip, port: target }) => ({ address: ip, port: target, weight: 1 })),
      service: port.name,
    });
  }

  #loadBalancer(port: ServicePort, ip: Ip): void {
    const text = entry(port, ip);
    this.#put('LOAD-BALANCER', text);
    if (port.externalPolicyLocal) this.#put('LOAD-BALANCER-LOCAL', text);
    if (port.sourceRanges.length === 0) return;
    this.#put('LOAD-BALANCER-FW', text);
    for (const range of port.sourceRanges) this.#put('LOAD-BALANCER-SOURCE-CIDR', `${text},${formatPrefix(range)}`);
    const { nodeIP } = this.#config;
    if (nodeIP !== undefined && port.sourceRanges.some((range) => prefixContains(range, nodeIP))) {
      this.#put('LOAD-BALANCER-SOURCE-IP', `${text},${formatIp(ip)}`);
    } else this.#refused.push({ address: ip, protocol: port.protocol, port: port.port });
  }

  #nodePort(port: ServicePort): void {
    const names = nodePortSets[port.protocol];
    const entries =
      port.protocol === 'sctp'
        ? this.#nodeIps.map((ip) => `${formatIp(ip)},sctp:${port.nodePort}`)
        : [`${port.protocol}:${port.nodePort}`];
    for (const text of entries) {
      this.#put(names.all, text);
      if (port.externalPolicyLocal) this.#put(names.local, text);
    }
  }

  #put(set: IpvsSetName, text: string): void {
    this.#entries.get(set)!.push(text);
  }

  /** An address that the node has anyway must not stand on the dummy device too. */
  #isForeign(ip: Ip): boolean {
    return !this.#ownAddresses().includes(ip);
  }

  #ownAddresses(): Ip[] {
    const { family, nodeAddresses } = this.#config;
    const special = (ip: Ip) =>
      typeof ip === 'number' ? prefixContains(LOOPBACK, ip) : ip === 1n || prefixContains(LINK_LOCAL, ip);
    return nodeAddresses.filter((ip) => familyOf(ip) === family && !special(ip));
  }
}

const nodePortSets = {
  tcp: { all: 'NODE-PORT-TCP', local: 'NODE-PORT-LOCAL-TCP' },
  udp: { all: 'NODE-PORT-UDP', local: 'NODE-PORT-LOCAL-UDP' },
  sctp: { all: 'NODE-PORT-SCTP-HASH', local: 'NODE-PORT-LOCAL-SCTP-HASH' },
} as const;

function reached({ cluster, local }: EndpointChoice, onlyLocal: boolean): readonly Endpoint[] {
  return onlyLocal && local.length > 0 ? local : cluster;
}

function entry(port: ServicePort, ip: Ip): string {
  return `${formatIp(ip)},${port.protocol}:${port.port}`;
}

const switches = { tcp: '-t', udp: '-u', sctp: '--sctp-service' };

/** As `ipvsadm -Sn` prints virtual servers and their real ones. */
export function printIpvsadmSave(servers: Iterable<VirtualServer>): string {
  const lines: string[] = [];
  for (const { address, port, protocol, scheduler, persistentSeconds, realServers } of servers) {
    const service = `${switches[protocol]} ${formatEndpoint(address, port)}`;
    const persistent = persistentSeconds === 0 ? '' : ` -p ${persistentSeconds}`;
    // kube-proxy has the "mh" scheduler look at the client's port too.
    lines.push(`-A ${service} -s ${scheduler}${persistent}${scheduler === 'mh' ? ' -b mh-port' : ''}`);
    for (const server of realServers) {
      lines.push(`-a ${service} -r ${formatEndpoint(server.address, server.port)} -m -w ${server.weight}`);
    }
  }
  return lines.map((line) => `${line}\n`).join('');
}

import type { Chain, Match, Rule, Target } from '@netsim/kernel';
import { familyOf, formatIp, parsePrefix, prefixContains } from '@netsim/wire';
import type { NodeProxyConfig } from '../config.ts';
import type { Endpoint } from '../endpoints.ts';
import type { PortState } from '../proxy-state.ts';
import type { ServicePort } from '../service-map.ts';
import { externallyAccessible, usesClusterEndpoints, usesLocalEndpoints } from '../service-map.ts';
import { SmallMap } from '../small-map.ts';
import type { EndpointChoice } from '../topology.ts';
import { hasSourceRanges, type Traffic, trafficOf } from '../traffic.ts';
import type { PortOrigin } from './endpoint-chains.ts';
import { BalancerChain, EndpointChain, EntryChain } from './endpoint-chains.ts';
import type { PortChains } from './names.ts';
import { endpointChain, isEndpointChain, portChains } from './names.ts';
import { comment, dport, fromLocal, host, jump, MARK_MASQ_CHAIN, protocolNumber, toAddress } from './rule-parts.ts';

/** Everything that one service port adds to a node's rules. */
export class PortRules {
  readonly #state: PortState;
  readonly port: ServicePort;
  readonly heads: HeadRules;
  /** Its own chains in the nat table, but for those of endpoints. */
  readonly entries: readonly Chain[];
  readonly #endpoints: readonly Endpoint[];
  readonly #commented: boolean;
  readonly #cache: PortRulesCache;
  #byName: Map<string, Chain> | undefined;

  constructor(
    state: PortState,
    heads: HeadRules,
    entries: readonly Chain[],
    endpoints: readonly Endpoint[],
    commented: boolean,
    cache: PortRulesCache,
  ) {
    this.#state = state;
    this.port = state.port;
    this.heads = heads;
    this.entries = entries;
    this.#endpoints = endpoints;
    this.#commented = commented;
    this.#cache = cache;
  }

  /** Were they written of just this? */
  isOf(state: PortState, commented: boolean): boolean {
    return this.#state === state && this.#commented === commented;
  }

  /** How many chains it has in the nat table. */
  get chainCount(): number {
    return this.entries.length + this.#endpoints.length;
  }

  /** Its own chains in the nat table; those of its endpoints come last. */
  get chains(): Chain[] {
    const chains = [...this.entries];
    for (const endpoint of this.#endpoints) chains.push(this.#cache.endpoint(endpoint, this.#commented));
    return chains;
  }

  /** Its chain of a name. */
  chain(name: string): Chain | undefined {
    for (const chain of this.entries) if (chain.name === name) return chain;
    if (!isEndpointChain(name)) return undefined;
    this.#byName ??= new Map(this.chains.map((chain) => [chain.name, chain]));
    return this.#byName.get(name);
  }
}

/** Rules in the chains that all services share. */
export interface HeadRules {
  readonly port: ServicePort;
  readonly nat: { readonly services: readonly Rule[]; readonly nodePorts: readonly Rule[] };
  readonly filter: {
    readonly services: readonly Rule[];
    readonly externalServices: readonly Rule[];
    readonly nodePorts: readonly Rule[];
    readonly firewall: readonly Rule[];
  };
}

/** What of a node's configuration the rules of a service port depend on. */
export type PortRulesConfig = Pick<
  NodeProxyConfig,
  'family' | 'nodeIP' | 'masqueradeAll' | 'detectLocal' | 'localhostNodePorts' | 'nfacctCounters'
>;

/**
 * Which service (`namespace/name`) a chain belongs to, of all chains whose names somebody has made so far. A name is a hash of
 * its service port and endpoint, so that one that was true once stays true.
 */
export type ChainOwners = Map<string, string>;

const LOOPBACK = parsePrefix('127.0.0.0/8');

/** What is kept of a service port from one sync to the next, so that an unchanged endpoint keeps its chain. */
export class PortRulesCache implements PortOrigin {
  readonly port: ServicePort;
  readonly names: PortChains;
  readonly origin: string;
  readonly #owners: ChainOwners;
  /** By the endpoint's text, with a dash before it where rules have no comments; made when a chain is asked for. */
  #endpoints: Map<string, EndpointChain> | undefined;
  readonly #heads = new SmallMap<HeadRules>();

  constructor(port: ServicePort, owners: ChainOwners) {
    this.port = port;
    this.names = portChains(port);
    this.origin = `Service/${port.service}`;
    this.#owners = owners;
  }

  /** Notes a chain of the service port under its name. */
  own<C extends Chain>(chain: C): C {
    this.#owners.set(chain.name, this.port.service);
    return chain;
  }

  endpointName(endpoint: Endpoint): string {
    const name = endpointChain(this.port, endpoint.text);
    this.#owners.set(name, this.port.service);
    return name;
  }

  endpoint(endpoint: Endpoint, commented: boolean): EndpointChain {
    const key = commented ? endpoint.text : `-${endpoint.text}`;
    this.#endpoints ??= new Map();
    let chain = this.#endpoints.get(key);
    if (chain === undefined) {
      chain = new EndpointChain(this, endpoint, commented);
      this.#endpoints.set(key, chain);
    }
    return chain;
  }

  /** Forgets the chains of endpoints that are gone. */
  retain(endpoints: readonly Endpoint[]): void {
    if (this.#endpoints === undefined || this.#endpoints.size <= 2 * endpoints.length + 16) return;
    const live = new Set(endpoints.map((endpoint) => endpoint.text));
    for (const key of this.#endpoints.keys()) {
      if (!live.has(key.startsWith('-') ? key.slice(1) : key)) this.#endpoints.delete(key);
    }
  }

  heads(key: string, make: () => HeadRules): HeadRules {
    return this.#heads.getOrMake(key, make);
  }
}

/**
 * Writes the rules of one service port for a node. Source: syncProxyRules of pkg/proxy/iptables/proxier.go, Kubernetes 1.36.
 * `profile` names the configuration, for the cache.
 */
export function portRules(
  state: PortState,
  choice: EndpointChoice,
  config: PortRulesConfig,
  commented: boolean,
  profile: string,
  cache: PortRulesCache,
): PortRules {
  const { port } = state;
  const traffic = trafficOf(port, choice, choice.hasEndpoints && hasSourceRanges(port));
  const { hasEndpoints, hasInternal, hasExternal, usesFirewall } = traffic;
  const key = `${profile}${hasEndpoints ? 'e' : '-'}${hasInternal ? 'i' : '-'}${hasExternal ? 'x' : '-'}${usesFirewall ? 'f' : '-'}`;
  const heads = cache.heads(key, () => headRules(port, traffic, config, cache));
  if (!hasEndpoints) return new PortRules(state, heads, [], [], commented, cache);

  const entries: Chain[] = [];
  const { names, origin } = cache;
  const sourceMark = hasInternal ? () => internalMasquerade(port, config, origin) : nothing;
  const internalChain = port.internalPolicyLocal ? names.local : names.cluster;
  const balance = (name: string, endpoints: readonly Endpoint[]) => {
    const before = internalChain === name ? sourceMark : nothing;
    entries.push(cache.own(new BalancerChain(name, cache, before, endpoints, commented)));
  };
  if (choice.cluster.length > 0 && usesClusterEndpoints(port)) balance(names.cluster, choice.cluster);
  if (choice.local.length > 0 && usesLocalEndpoints(port)) balance(names.local, choice.local);
  if (externallyAccessible(port)) {
    const rules = () => externalRules(port, hasExternal, config, names, origin);
    entries.push(cache.own(new EntryChain(names.external, rules)));
  }
  if (usesFirewall) {
    entries.push(cache.own(new EntryChain(names.firewall, () => firewallRules(port, config, names, origin))));
  }
  return new PortRules(state, heads, entries, choice.reachable, commented, cache);
}

const nothing = (): Rule[] => [];

function headRules(port: ServicePort, traffic: Traffic, config: PortRulesConfig, cache: PortRulesCache): HeadRules {
  const { names, origin } = cache;
  const { name } = port;
  const { hasEndpoints, hasInternal, hasExternal, usesFirewall } = traffic;
  const natServices: Rule[] = [];
  const natNodePorts: Rule[] = [];
  const services: Rule[] = [];
  const externalServices: Rule[] = [];
  const nodePorts: Rule[] = [];
  const firewall: Rule[] = [];
  const missing: Target = hasEndpoints
    ? { kind: 'DROP' }
    : { kind: 'REJECT', with: config.family === 4 ? 'icmp-port-unreachable' : 'icmp6-port-unreachable' };
  const missingText = hasEndpoints ? `${name} has no local endpoints` : `${name} has no endpoints`;
  const external = jump(names.external);

  if (hasInternal) {
    const target = jump(port.internalPolicyLocal ? names.local : names.cluster);
    natServices.push(toAddress(port, `${name} cluster IP`, host(port.clusterIP), target, origin));
  } else {
    services.push(toAddress(port, missingText, host(port.clusterIP), missing, origin));
  }
  for (const ip of port.externalIPs) {
    if (hasEndpoints) natServices.push(toAddress(port, `${name} external IP`, host(ip), external, origin));
    if (!hasExternal) externalServices.push(toAddress(port, missingText, host(ip), missing, origin));
  }
  for (const ip of port.loadBalancerVIPs) {
    const target = usesFirewall ? jump(names.firewall) : external;
    if (hasEndpoints) natServices.push(toAddress(port, `${name} loadbalancer IP`, host(ip), target, origin));
    if (usesFirewall) {
      const text = `${name} traffic not accepted by ${names.firewall}`;
      firewall.push(toAddress(port, text, host(ip), { kind: 'DROP' }, origin));
    }
    if (!hasExternal) externalServices.push(toAddress(port, missingText, host(ip), missing, origin));
  }
  if (port.nodePort !== 0) {
    const protocol = { value: protocolNumber(port.protocol) };
    const toNodePort = dport(port.protocol, port.nodePort);
    if (hasEndpoints) {
      const matches = [comment(name), toNodePort];
      const counter = 'localhost_nps_accepted_pkts';
      if (config.family === 4 && config.localhostNodePorts && config.nfacctCounters.includes(counter)) {
        const counting: Match[] = [...matches, { kind: 'nfacct', name: counter }];
        natNodePorts.push({
          destination: { value: LOOPBACK },
          protocol,
          matches: counting,
          target: external,
          origin,
        });
      }
      natNodePorts.push({ protocol, matches, target: external, origin });
    }
    if (!hasExternal) {
      const matches: Match[] = [comment(missingText), { kind: 'addrtype', dstType: { value: ['LOCAL'] } }, toNodePort];
      externalServices.push({ protocol, matches, target: missing, origin });
    }
  }
  if (port.healthCheckNodePort !== 0) {
    const matches = [comment(`${name} health check node port`), dport('tcp', port.healthCheckNodePort)];
    nodePorts.push({
      protocol: { value: protocolNumber('tcp') },
      matches,
      target: { kind: 'ACCEPT' },
      origin,
    });
  }
  return {
    port,
    nat: { services: kept(natServices), nodePorts: kept(natNodePorts) },
    filter: {
      services: kept(services),
      externalServices: kept(externalServices),
      nodePorts: kept(nodePorts),
      firewall: kept(firewall),
    },
  };
}

const NO_RULES: readonly Rule[] = [];

/** Most lists stay empty: they are kept as one. */
function kept(rules: readonly Rule[]): readonly Rule[] {
  return rules.length === 0 ? NO_RULES : rules;
}

/** Traffic to the cluster IP that does not come from a pod has to come back by this node. */
function internalMasquerade(port: ServicePort, config: PortRulesConfig, origin: string): Rule[] {
  if (!config.masqueradeAll && config.detectLocal.kind === 'none') return [];
  const rule = toAddress(port, `${port.name} cluster IP`, host(port.clusterIP), jump(MARK_MASQ_CHAIN), origin);
  return [config.masqueradeAll ? rule : { ...rule, ...fromLocal(config.detectLocal, true) }];
}

function externalRules(
  port: ServicePort,
  hasExternal: boolean,
  config: PortRulesConfig,
  names: PortChains,
  origin: string,
): Rule[] {
  const rules: Rule[] = [];
  const destinations = `${port.name} external destinations`;
  if (!port.externalPolicyLocal) {
    const matches = [comment(`masquerade traffic for ${destinations}`)];
    rules.push({ matches, target: jump(MARK_MASQ_CHAIN), origin });
  } else {
    // Pods and the node itself are not subject to the policy: they go to any endpoint.
    if (config.detectLocal.kind !== 'none') {
      const matches = [comment(`pod traffic for ${destinations}`)];
      rules.push({ ...fromLocal(config.detectLocal, false), matches, target: jump(names.cluster), origin });
    }
    const fromNode: Match = { kind: 'addrtype', srcType: { value: ['LOCAL'] } };
    rules.push(
      {
        matches: [comment(`masquerade LOCAL traffic for ${destinations}`), fromNode],
        target: jump(MARK_MASQ_CHAIN),
        origin,
      },
      { matches: [comment(`route LOCAL traffic for ${destinations}`), fromNode], target: jump(names.cluster), origin },
    );
  }
  if (hasExternal) {
    rules.push({ matches: [], target: jump(port.externalPolicyLocal ? names.local : names.cluster), origin });
  }
  return rules;
}

function firewallRules(port: ServicePort, config: PortRulesConfig, names: PortChains, origin: string): Rule[] {
  const matches = [comment(`${port.name} loadbalancer IP`)];
  const target = jump(names.external);
  const rules: Rule[] = port.sourceRanges.map((range) => ({ source: { value: range }, matches, target, origin }));
  const { nodeIP } = config;
  // A node that is let in reaches the address with that very address as its source.
  if (nodeIP !== undefined && port.sourceRanges.some((range) => prefixContains(range, nodeIP))) {
    for (const ip of port.loadBalancerVIPs) rules.push({ source: { value: host(ip) }, matches, target, origin });
  }
  const rest = `other traffic to ${port.name} will be dropped by KUBE-PROXY-FIREWALL`;
  rules.push({ matches: [comment(rest)], origin });
  return rules;
}

/** Text that tells two configurations apart as far as the rules of a service port go. */
export function portRulesProfile(config: PortRulesConfig): string {
  const { detectLocal: detector } = config;
  const local =
    detector.kind === 'cidr'
      ? `${formatIp(detector.prefix.address)}/${detector.prefix.length}`
      : detector.kind === 'interface'
        ? detector.name
        : '';
  const nodePorts = config.localhostNodePorts ? config.nfacctCounters.join() : '';
  return `${config.family}|${config.masqueradeAll}|${detector.kind}:${local}|${nodePorts}|`;
}

/** Do the rules of a port depend on the node's own address? */
export function dependsOnNodeIP(port: ServicePort, config: Pick<PortRulesConfig, 'family' | 'nodeIP'>): boolean {
  return (
    config.nodeIP !== undefined &&
    port.loadBalancerVIPs.length > 0 &&
    port.sourceRanges.some((range) => familyOf(range.address) === config.family)
  );
}

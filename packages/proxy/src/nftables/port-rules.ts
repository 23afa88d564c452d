import type { NftChain, NftRule, NftSet, NftVerdict } from '@netsim/kernel';
import { NftElements } from '@netsim/kernel';
import { formatPrefix, prefixContains } from '@netsim/wire';
import type { NodeProxyConfig } from '../config.ts';
import type { Endpoint } from '../endpoints.ts';
import type { PortState } from '../proxy-state.ts';
import type { ServicePort } from '../service-map.ts';
import { externallyAccessible, usesClusterEndpoints, usesLocalEndpoints } from '../service-map.ts';
import { SmallMap } from '../small-map.ts';
import type { EndpointChoice } from '../topology.ts';
import { hasSourceRanges, type Traffic, trafficOf } from '../traffic.ts';
import { masqueradeMark } from './base-rules.ts';
import type { ElementSet } from './elements.ts';
import { addressElement, nodePortElement, type ProxyElement, serviceElement } from './elements.ts';
import { AnyEndpointChain, NftEndpointChain } from './endpoint-chains.ts';
import { nftForm } from './form.ts';
import type { NftPortChains } from './names.ts';
import { MARK_CHAIN, nftPortChains, REJECT_CHAIN } from './names.ts';
import type { RulePart } from './rule-parts.ts';
import {
  among,
  dportIs,
  drop,
  fibLocal,
  from,
  fromLocal,
  goto,
  gotoVerdict,
  jump,
  ProxyRule,
  setMark,
} from './rule-parts.ts';

/** Everything that one service port adds to a node's table. */
export interface NftPortRules {
  readonly port: ServicePort;
  readonly chains: readonly NftChain[];
  /** Sets of the clients that stay with an endpoint; empty of elements, which packets put there. */
  readonly affinity: readonly NftSet[];
  readonly elements: readonly { readonly set: ElementSet; readonly element: ProxyElement }[];
  /** Endpoints that this node may send packets to. */
  readonly reachable: readonly Endpoint[];
}

/** What of a node's configuration the rules of a service port depend on. */
export type NftPortRulesConfig = Pick<
  NodeProxyConfig,
  'family' | 'nodeIP' | 'masqueradeAll' | 'masqueradeBit' | 'detectLocal' | 'kubernetesVersion'
>;

/** One and the same for all sets: whoever makes a set anew does not take away what packets have put there. */
const noClients = { 4: NftElements.empty(['ipv4_addr']), 6: NftElements.empty(['ipv6_addr']) };

/** What is kept of a service port from one sync to the next, so that an unchanged endpoint keeps its chain. */
export class NftPortRulesCache {
  readonly port: ServicePort;
  readonly names: NftPortChains;
  readonly origin: string;
  /** Chains of endpoints by their text, and sets by their names; made when the first is asked for. */
  #endpoints: Map<string, NftEndpointChain> | undefined;
  #sets: Map<string, NftSet> | undefined;
  readonly #chains = new SmallMap<NftChain>();
  readonly #elements = new SmallMap<NftPortRules['elements']>();

  constructor(port: ServicePort) {
    this.port = port;
    this.names = nftPortChains(port);
    this.origin = `Service/${port.service}`;
  }

  endpoint(endpoint: Endpoint, config: NftPortRulesConfig, hairpin: boolean): NftEndpointChain {
    this.#endpoints ??= new Map();
    let chain = this.#endpoints.get(endpoint.text);
    if (chain === undefined || chain.hairpin !== hairpin) {
      chain = new NftEndpointChain(this.port, endpoint, config.family, hairpin, this.origin);
      this.#endpoints.set(endpoint.text, chain);
    }
    return chain;
  }

  affinity(chain: NftEndpointChain): NftSet {
    this.#sets ??= new Map();
    let set = this.#sets.get(chain.affinity);
    if (set === undefined) {
      set = {
        name: chain.affinity,
        type: noClients[chain.family].type,
        flags: ['dynamic', 'timeout'],
        // What the kernel gives a set that packets may add to, where nobody says.
        size: 65535,
        timeout: this.port.affinitySeconds * 1000,
        elements: noClients[chain.family],
      };
      this.#sets.set(chain.affinity, set);
    }
    return set;
  }

  /** The same chain for the same key. */
  chain(name: string, key: string, rules: () => readonly NftRule[]): NftChain {
    return this.#chains.getOrMake(`${key}${name}`, () => ({ name, rules: rules() }));
  }

  elements(key: string, make: () => NftPortRules['elements']): NftPortRules['elements'] {
    return this.#elements.getOrMake(key, make);
  }

  /** Forgets the chains of endpoints that are gone. */
  retain(endpoints: readonly Endpoint[]): void {
    if (this.#endpoints === undefined || this.#endpoints.size <= 2 * endpoints.length + 16) return;
    const live = new Set(endpoints.map((endpoint) => endpoint.text));
    for (const [text, chain] of this.#endpoints) {
      if (live.has(text)) continue;
      this.#endpoints.delete(text);
      this.#sets?.delete(chain.affinity);
    }
  }
}

/**
 * Writes what one service port needs on a node. Source: syncProxyRules of pkg/proxy/nftables/proxier.go, Kubernetes 1.36;
 * the older form is that of 1.31 to 1.35. `profile` names the configuration, for the cache.
 */
export function nftPortRules(
  state: PortState,
  choice: EndpointChoice,
  config: NftPortRulesConfig,
  profile: string,
  cache: NftPortRulesCache,
): NftPortRules {
  const { port } = state;
  const { names, origin } = cache;
  // Unlike iptables mode, source ranges hold where there is no endpoint too.
  const traffic = trafficOf(port, choice, hasSourceRanges(port));
  const { hasEndpoints, hasInternal, hasExternal, usesFirewall } = traffic;
  const key = `${profile}${hasEndpoints ? 'e' : '-'}${hasInternal ? 'i' : '-'}${hasExternal ? 'x' : '-'}${usesFirewall ? 'f' : '-'}`;
  const inService = nftForm(config.kubernetesVersion).masquerade === 'by service';
  const mark = inService ? jump(MARK_CHAIN) : setMark(masqueradeMark(config));

  const elements = cache.elements(key, () => portElements(port, traffic, names));
  const chains: NftChain[] = [];
  const affinity: NftSet[] = [];
  const sourceMark = inService && traffic.hasInternal ? internalMasquerade(port, config, origin) : [];
  const throughChains = inService || port.affinitySeconds !== 0;
  const balance = (name: string, endpoints: readonly Endpoint[]) => {
    const before = name === (port.internalPolicyLocal ? names.local : names.cluster) ? sourceMark : [];
    const via = throughChains ? endpoints.map((endpoint) => cache.endpoint(endpoint, config, inService)) : undefined;
    chains.push(new AnyEndpointChain(name, port, config.family, before, endpoints, via, origin));
  };
  if (throughChains) {
    for (const endpoint of choice.reachable) {
      const chain = cache.endpoint(endpoint, config, inService);
      chains.push(chain);
      if (port.affinitySeconds !== 0) affinity.push(cache.affinity(chain));
    }
  }
  if (choice.cluster.length > 0 && usesClusterEndpoints(port)) balance(names.cluster, choice.cluster);
  if (choice.local.length > 0 && usesLocalEndpoints(port)) balance(names.local, choice.local);
  if (traffic.hasEndpoints && externallyAccessible(port)) {
    const rules = () => externalRules(port, traffic.hasExternal, config, mark, names, origin);
    chains.push(cache.chain(names.external, key, rules));
  }
  if (traffic.usesFirewall) chains.push(cache.chain(names.firewall, key, () => [firewallRule(port, config, origin)]));
  return { port, chains, affinity, elements, reachable: choice.reachable };
}

function portElements(port: ServicePort, traffic: Traffic, names: NftPortChains): NftPortRules['elements'] {
  const { hasEndpoints, hasInternal, hasExternal, usesFirewall } = traffic;
  const elements: { set: ElementSet; element: ProxyElement }[] = [];
  const add = (set: ElementSet, element: ProxyElement) => elements.push({ set, element });
  const missing: NftVerdict = hasEndpoints ? { kind: 'drop' } : gotoVerdict(REJECT_CHAIN);
  const external = gotoVerdict(names.external);

  add('cluster-ips', addressElement(port));
  if (hasInternal) {
    const chain = port.internalPolicyLocal ? names.local : names.cluster;
    add('service-ips', serviceElement(port, port.clusterIP, gotoVerdict(chain)));
  } else add('no-endpoint-services', serviceElement(port, port.clusterIP, missing, port.name));
  for (const ip of [...port.externalIPs, ...port.loadBalancerVIPs]) {
    if (hasEndpoints) add('service-ips', serviceElement(port, ip, external));
    if (!hasExternal) add('no-endpoint-services', serviceElement(port, ip, missing, port.name));
  }
  if (usesFirewall) {
    for (const ip of port.loadBalancerVIPs) add('firewall-ips', serviceElement(port, ip, gotoVerdict(names.firewall)));
  }
  if (port.nodePort !== 0) {
    if (hasEndpoints) add('service-nodeports', nodePortElement(port, external));
    if (!hasExternal) add('no-endpoint-nodeports', nodePortElement(port, missing, port.name));
  }
  return elements;
}

/** Before 1.36: traffic to the cluster IP that does not come from a pod has to come back by this node. */
function internalMasquerade(port: ServicePort, config: NftPortRulesConfig, origin: string): NftRule[] {
  const { family, masqueradeAll, detectLocal } = config;
  if (!masqueradeAll && detectLocal.kind === 'none') return [];
  const others = masqueradeAll ? [] : fromLocal(detectLocal, family, true);
  const parts = [from(family, 'daddr', port.clusterIP), dportIs(port.protocol, port.port), ...others, jump(MARK_CHAIN)];
  return [new ProxyRule(parts, origin)];
}

function externalRules(
  port: ServicePort,
  hasExternal: boolean,
  config: NftPortRulesConfig,
  mark: RulePart,
  names: NftPortChains,
  origin: string,
): NftRule[] {
  const rules: NftRule[] = [];
  if (!port.externalPolicyLocal) {
    const plain = nftForm(config.kubernetesVersion).masquerade === 'by service';
    rules.push(new ProxyRule([mark], origin, plain ? undefined : 'masquerade'));
  } else {
    // Pods and the node itself are not subject to the policy: they go to any endpoint.
    const pods = fromLocal(config.detectLocal, config.family, false);
    if (pods.length > 0) rules.push(new ProxyRule([...pods, goto(names.cluster)], origin, 'short-circuit pod traffic'));
    const node = fibLocal('saddr');
    rules.push(
      new ProxyRule([node, mark], origin, 'masquerade local traffic'),
      new ProxyRule([node, goto(names.cluster)], origin, 'short-circuit local traffic'),
    );
  }
  if (hasExternal) {
    rules.push(new ProxyRule([goto(port.externalPolicyLocal ? names.local : names.cluster)], origin));
  }
  return rules;
}

function firewallRule(port: ServicePort, { family, nodeIP }: NftPortRulesConfig, origin: string): NftRule {
  // A node that is let in reaches the address with that very address as its source.
  const nodeToo = nodeIP !== undefined && port.sourceRanges.some((range) => prefixContains(range, nodeIP));
  const sources = [...port.sourceRanges, ...(nodeToo ? port.loadBalancerVIPs : [])];
  return new ProxyRule([among(family, 'saddr', sources, ' , ', true), drop], origin);
}

/** Text that tells two configurations apart as far as the rules of a service port go. */
export function nftPortRulesProfile(config: NftPortRulesConfig): string {
  const { detectLocal: detector } = config;
  const local =
    detector.kind === 'cidr' ? formatPrefix(detector.prefix) : detector.kind === 'interface' ? detector.name : '';
  const { masquerade } = nftForm(config.kubernetesVersion);
  const all = masquerade === 'by service' && config.masqueradeAll;
  return `${config.family}|${masquerade}|${all}|${config.masqueradeBit}|${detector.kind}:${local}|`;
}

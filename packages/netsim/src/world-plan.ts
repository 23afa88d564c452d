import { type NetworkPlanner, podInfo, podNetnsName } from '@netsim/cni';
import type { ListenerConfig, NetnsConfig, NftRuleset, Ruleset, VirtualServiceConfig, WorldPlan } from '@netsim/kernel';
import type { Node, ObjectStore, Pod } from '@netsim/manifest';
import { losers } from './lint.ts';
import { podListeners } from './listeners.ts';
import { nodeListeners } from './node-listeners.ts';
import type { NodeIpvs, NodeRules } from './node-rules.ts';

interface Sources {
  readonly store: ObjectStore;
  readonly planner: NetworkPlanner;
  readonly rules: NodeRules;
  /** What kube-proxy made on a node in IPVS mode; undefined in another mode. */
  ipvsOf(node: string): NodeIpvs | undefined;
}

/** Everything as plain data, all nodes included. */
export function worldPlan({ store, planner, rules, ipvsOf }: Sources): WorldPlan {
  const netns: NetnsConfig[] = [...planner.underlay.netns];
  const rulesets: { netns: string; ruleset: Ruleset }[] = [];
  const nftRulesets: { netns: string; ruleset: NftRuleset }[] = [];
  const ipsets: { netns: string; text: string }[] = [];
  const virtualServices: { netns: string; services: readonly VirtualServiceConfig[] }[] = [];
  const listeners: ListenerConfig[] = [];
  for (const name of planner.nodeNames()) {
    const [host, ...pods] = planner.node(name).netns;
    const ipvs = ipvsOf(name);
    netns.push(ipvs === undefined ? host! : withIpvs(host!, ipvs), ...pods);
    for (const ruleset of ipvs?.rulesets ?? rules.iptables(name)) rulesets.push({ netns: name, ruleset });
    if (ipvs !== undefined) {
      ipsets.push({ netns: name, text: ipvs.sets });
      virtualServices.push({ netns: name, services: ipvs.services });
    }
    const nft = rules.nft(name);
    if (nft !== undefined) nftRulesets.push({ netns: name, ruleset: nft });
    const node = store.get<Node>('Node', undefined, name);
    if (node !== undefined) listeners.push(...nodeListeners(node));
  }
  for (const pod of store.list<Pod>('Pod')) listeners.push(...listenersOf(pod));
  return {
    netns,
    rulesets,
    ...(nftRulesets.length > 0 && { nftRulesets }),
    ...(virtualServices.length > 0 && { ipsets, virtualServices }),
    listeners,
  };
}

/** A node's own netns with the device of IPVS. */
function withIpvs(host: NetnsConfig, { link, sysctls, addresses }: NodeIpvs): NetnsConfig {
  return {
    ...host,
    sysctls: { ...host.sysctls, ...sysctls },
    links: [...host.links, link],
    addresses: [...host.addresses, ...addresses],
  };
}

/** The sockets of a pod's containers; those that lose the fight for a port are not among them. */
function listenersOf(pod: Pod): ListenerConfig[] {
  const info = podInfo(pod);
  if (info === undefined) return [];
  const lost = losers(pod);
  return podListeners(pod)
    .listeners.filter((listener) => !lost.has(listener))
    .map(({ protocol, port, address, container }) => ({
      netns: podNetnsName(info),
      protocol,
      port,
      program: container,
      ...(address === undefined ? {} : { address }),
    }));
}

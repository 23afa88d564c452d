import { nodeInfo } from '@netsim/cni';
import type { ClusterConfig } from '@netsim/control';
import type { AddressConfig, LinkConfig, Netns, NftRuleset, Ruleset, VirtualServiceConfig } from '@netsim/kernel';
import type { EndpointSlice, Node, ObjectStore, Service, StoreEvent } from '@netsim/manifest';
import {
  canaryRuleset,
  IptablesGenerator,
  kubeletRuleset,
  mergeRulesets,
  NftablesGenerator,
  type NodeProxyConfig,
  ProxyState,
  proxyConfigOf,
  staleUdpConntrack,
} from '@netsim/proxy';
import { type Family, familyBits, familyOf, IpProto, prefixOf } from '@netsim/wire';
import { firewallRuleset, firewallsOf } from './firewall.ts';
import { IpvsRules } from './ipvs-rules.ts';
import type { ProxySettings } from './proxy-from-objects.ts';

interface PerFamily {
  readonly family: Family;
  readonly state: ProxyState;
  readonly iptables: IptablesGenerator;
  readonly nftables: NftablesGenerator;
  /** {@link ProxyState.udpEndpointChanges} when conntrack was last cleaned. */
  udpChanges: number;
}

/** What a node holds besides kube-proxy's rules. */
interface Base {
  readonly base: Ruleset;
  /** Jumps that are put before kube-proxy's. */
  readonly prepended: readonly Ruleset[];
}

/** A node's part of IPVS mode as plain data. */
export interface NodeIpvs {
  readonly link: LinkConfig;
  readonly sysctls: Readonly<Record<string, number>>;
  readonly addresses: readonly AddressConfig[];
  readonly rulesets: readonly Ruleset[];
  readonly services: readonly VirtualServiceConfig[];
  /** As `ipset save` prints them. */
  readonly sets: string;
}

export interface NodeRulesOptions {
  readonly store: ObjectStore;
  readonly config: ClusterConfig;
  readonly proxy: ProxySettings;
  /** Interface of a node on the shared network. */
  readonly uplink: string;
  /** The CNI plugins' own rules on a node: those behind others' jumps, and those before. */
  pluginRules(node: string): { readonly rulesets: readonly Ruleset[]; readonly prepended: readonly Ruleset[] };
}

/** The rules that a node holds: kubelet's, the CNI plugin's, a firewall's, and kube-proxy's. */
export class NodeRules {
  readonly #options: NodeRulesOptions;
  readonly #families: readonly PerFamily[];
  readonly #configs = new Map<string, NodeProxyConfig>();
  /** What a node holds before kube-proxy writes, by node and family. */
  readonly #base = new Map<string, Base>();
  readonly #merged = new Map<string, { readonly from: Ruleset; readonly ruleset: Ruleset }>();
  /** What was loaded last, by node and family, or node and `nft`. */
  readonly #loaded = new Map<string, Ruleset | NftRuleset>();
  readonly #nft = new Map<string, NftRuleset>();
  readonly #ipvs: IpvsRules;

  constructor(options: NodeRulesOptions) {
    this.#options = options;
    const { store, config } = options;
    this.#ipvs = new IpvsRules(options.proxy.configuration);
    const families = new Set<Family>(config.podCIDRs.map((prefix) => familyOf(prefix.address)));
    this.#families = [...families].map((family) => {
      const state = new ProxyState(family);
      for (const service of store.list<Service>('Service')) state.setService(service);
      for (const slice of store.list<EndpointSlice>('EndpointSlice')) state.setSlice(slice);
      const udpChanges = state.udpEndpointChanges;
      return {
        family,
        state,
        iptables: new IptablesGenerator(state),
        nftables: new NftablesGenerator(state),
        udpChanges,
      };
    });
  }

  /** Services and endpoints of the cluster's first family. */
  get state(): ProxyState {
    return this.#families[0]!.state;
  }

  serviceChanged({ type, object }: StoreEvent): void {
    const { namespace, name } = object.metadata;
    for (const { state } of this.#families) {
      if (type === 'DELETED') state.deleteService(namespace!, name);
      else state.setService(object as Service);
    }
  }

  sliceChanged({ type, object, old }: StoreEvent): void {
    for (const { state } of this.#families) {
      if (old !== undefined) state.deleteSlice(old as EndpointSlice);
      if (type === 'DELETED') state.deleteSlice(object as EndpointSlice);
      else state.setSlice(object as EndpointSlice);
    }
  }

  /** The firewalls changed: what nodes hold besides kube-proxy's rules is made anew. */
  firewallChanged(): void {
    this.#base.clear();
    this.#merged.clear();
  }

  /** The CNI plugins' rules on a node changed. */
  pluginChanged(node: string): void {
    for (const { family } of this.#families) {
      this.#base.delete(`${node}/${family}`);
      this.#merged.delete(`${node}/${family}`);
    }
  }

  /** The nodes changed: nothing of before is kept. */
  forget(): void {
    this.firewallChanged();
    this.#configs.clear();
    this.#loaded.clear();
    this.#nft.clear();
    this.#ipvs.forget();
  }

  /** Puts a node's rules in force, as far as they are not. */
  load(node: string, netns: Netns): void {
    for (const { family, state } of this.#families) {
      const config = this.#config(node, family);
      if (config.mode === 'ipvs') this.#ipvs.load(netns, state, config, this.#baseRules(node, family).base);
    }
    for (const ruleset of this.iptables(node)) {
      if (this.#config(node, ruleset.family).mode === 'ipvs') continue;
      const key = `${node}/${ruleset.family}`;
      if (this.#loaded.get(key) === ruleset) continue;
      this.#loaded.set(key, ruleset);
      netns.loadRuleset(ruleset);
    }
    const nft = this.nft(node);
    if (nft === undefined || this.#loaded.get(`${node}/nft`) === nft) return;
    this.#loaded.set(`${node}/nft`, nft);
    netns.loadNft(nft);
  }

  /** Is any of kube-proxy's work on a node done by IPVS? */
  usesIpvs(node: string): boolean {
    return this.#families.some(({ family }) => this.#config(node, family).mode === 'ipvs');
  }

  /** What a built node holds for IPVS; undefined in the other modes. */
  ipvs(netns: Netns): NodeIpvs | undefined {
    const plans = this.#families.flatMap(({ family }) => this.#ipvs.plan(netns.name, family) ?? []);
    if (plans.length === 0) return undefined;
    return {
      ...this.#ipvs.device(netns.name),
      addresses: plans.flatMap(({ addresses }) => addresses),
      rulesets: plans.map(({ ruleset }) => ruleset),
      services: plans.flatMap(({ services }) => services),
      sets: netns.netfilter?.sets.save() ?? '',
    };
  }

  /** A node's iptables rules, one ruleset a family; in IPVS mode without those of kube-proxy. */
  iptables(node: string): Ruleset[] {
    return this.#families.map(({ family, iptables }) => {
      const config = this.#config(node, family);
      const { base, prepended } = this.#baseRules(node, family);
      if (config.mode !== 'iptables') return base;
      const { ruleset } = iptables.sync(config);
      const key = `${node}/${family}`;
      const before = this.#merged.get(key);
      if (before?.from === ruleset) return before.ruleset;
      let merged = mergeRulesets(base, ruleset, 'first');
      for (const first of prepended) merged = mergeRulesets(merged, first, 'first');
      this.#merged.set(key, { from: ruleset, ruleset: merged });
      return merged;
    });
  }

  /** A node's nft rules; undefined in the other modes. */
  nft(node: string): NftRuleset | undefined {
    const tables = this.#families.flatMap(({ family, nftables }) => {
      const config = this.#config(node, family);
      return config.mode === 'nftables' ? [nftables.sync(config).table] : [];
    });
    if (tables.length === 0) return undefined;
    const before = this.#nft.get(node);
    if (before?.tables.every((table, index) => table === tables[index])) return before;
    const ruleset = { tables };
    this.#nft.set(node, ruleset);
    return ruleset;
  }

  /** UDP connections to endpoints that are gone are forgotten, as kube-proxy does after a sync that changed such endpoints. */
  cleanConntrack(netns: Netns): void {
    const { netfilter } = netns;
    if (netfilter === null) return;
    for (const { state, udpChanges } of this.#families) {
      if (state.udpEndpointChanges === udpChanges) continue;
      for (const { original } of staleUdpConntrack(state, netfilter.connections())) {
        netfilter.deleteConnections({
          protocol: IpProto.UDP,
          origSource: prefixOf(original.src, familyBits(familyOf(original.src))),
          origDestination: prefixOf(original.dst, familyBits(familyOf(original.dst))),
          origSport: original.sport,
          origDport: original.dport,
        });
      }
    }
  }

  /** Every node has been cleaned after the last change. */
  conntrackCleaned(): void {
    for (const family of this.#families) family.udpChanges = family.state.udpEndpointChanges;
  }

  #baseRules(node: string, family: Family): Base {
    const key = `${node}/${family}`;
    let known = this.#base.get(key);
    if (known === undefined) {
      const { mode } = this.#config(node, family);
      let base = kubeletRuleset(family);
      if (mode === 'iptables') base = mergeRulesets(base, canaryRuleset(family, 'KUBE-PROXY-CANARY'), 'last');
      const firewall = this.#firewall(family);
      if (firewall !== undefined) base = mergeRulesets(base, firewall, 'last');
      const plugins = this.#options.pluginRules(node);
      for (const ruleset of plugins.rulesets) {
        if (ruleset.family === family) base = mergeRulesets(base, ruleset, 'last');
      }
      const prepended = plugins.prepended.filter((ruleset) => ruleset.family === family);
      // Where kube-proxy's own rules come later, so do these.
      if (mode !== 'iptables') for (const first of prepended) base = mergeRulesets(base, first, 'first');
      known = { base, prepended };
      this.#base.set(key, known);
    }
    return known;
  }

  #firewall(family: Family): Ruleset | undefined {
    const { store, config, uplink } = this.#options;
    const { firewalls } = firewallsOf(store);
    if (firewalls.length === 0) return undefined;
    const nodes = store.list<Node>('Node').flatMap((node) => nodeInfo(node).addresses);
    const inside = [...config.podCIDRs, ...nodes.map((ip) => prefixOf(ip, familyBits(familyOf(ip))))];
    return firewallRuleset(firewalls, { family, uplink, inside });
  }

  #config(node: string, family: Family): NodeProxyConfig {
    const key = `${node}/${family}`;
    let config = this.#configs.get(key);
    if (config === undefined) {
      const { store, proxy } = this.#options;
      const object = store.get<Node>('Node', undefined, node)!;
      config = proxyConfigOf(proxy.configuration, object, family, this.#options.config.podCIDRs, proxy.surroundings);
      this.#configs.set(key, config);
    }
    return config;
  }
}

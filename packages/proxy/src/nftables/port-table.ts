import type { NftChain, NftSet } from '@netsim/kernel';
import type { NodeProxyConfig } from '../config.ts';
import { dependsOnNodeIP } from '../iptables/port-rules.ts';
import type { ProxyState } from '../proxy-state.ts';
import { chooseEndpoints, dependsOnNode } from '../topology.ts';
import { VersionedMap } from '../versioned-map.ts';
import { setTypes } from './base-rules.ts';
import { ElementStore } from './element-store.ts';
import type { ElementSet, ProxyElement } from './elements.ts';
import { elementSets } from './elements.ts';
import type { NftPortBook } from './port-book.ts';
import type { NftPortRules } from './port-rules.ts';

/** Which services a table is about. */
export type TableScope = 'same everywhere' | 'of this node';

const NO_RULES: readonly NftPortRules[] = [];

/** What a set of services needs, kept current by looking only at services that changed. */
export class PortTable {
  readonly #state: ProxyState;
  readonly #book: NftPortBook;
  readonly #config: NodeProxyConfig;
  readonly #scope: TableScope;
  #version = -1;
  readonly #services = new Map<string, readonly NftPortRules[]>();
  /** Chains by name. */
  readonly chains = new VersionedMap<NftChain>();
  readonly affinity = new VersionedMap<NftSet>();
  readonly stores: Readonly<Record<ElementSet, ElementStore>>;

  constructor(state: ProxyState, book: NftPortBook, config: NodeProxyConfig, scope: TableScope) {
    this.#state = state;
    this.#book = book;
    this.#config = config;
    this.#scope = scope;
    const types = setTypes(config.family);
    this.stores = Object.fromEntries(elementSets.map((name) => [name, new ElementStore(types[name])])) as Record<
      ElementSet,
      ElementStore
    >;
  }

  rules(service: string): readonly NftPortRules[] {
    return this.#services.get(service) ?? NO_RULES;
  }

  /** Takes in what has changed in the cluster. */
  update(): void {
    const changes = this.#version < 0 ? undefined : this.#state.changesSince(this.#version);
    if (changes?.size === 0) return;
    this.#version = this.#state.version;
    if (changes === undefined) this.#makeAll();
    else this.#change(changes);
  }

  #makeAll(): void {
    this.#services.clear();
    const chains = new Map<string, NftChain>();
    const affinity = new Map<string, NftSet>();
    const wanted = new Wanted();
    for (const id of this.#state.services()) {
      const now = this.#rulesOf(id);
      if (now.length === 0) continue;
      this.#services.set(id, now);
      for (const rules of now) {
        for (const chain of rules.chains) chains.set(chain.name, chain);
        for (const set of rules.affinity) affinity.set(set.name, set);
      }
      wanted.add(now);
    }
    this.chains.reset(chains);
    this.affinity.reset(affinity);
    for (const name of elementSets) this.stores[name].reset(wanted.lists[name]);
  }

  #change(changes: ReadonlySet<string>): void {
    const chains = new Map<string, NftChain | null>();
    const affinity = new Map<string, NftSet | null>();
    const unwanted = new Wanted();
    const wanted = new Wanted();
    for (const id of changes) {
      const before = this.rules(id);
      for (const rules of before) {
        for (const { name } of rules.chains) if (!chains.has(name)) chains.set(name, null);
        for (const { name } of rules.affinity) if (!affinity.has(name)) affinity.set(name, null);
      }
      const now = this.#rulesOf(id);
      if (now.length === 0) this.#services.delete(id);
      else this.#services.set(id, now);
      for (const rules of now) {
        for (const chain of rules.chains) chains.set(chain.name, chain);
        for (const set of rules.affinity) affinity.set(set.name, set);
      }
      unwanted.add(before);
      wanted.add(now);
    }
    this.chains.apply(chains);
    this.affinity.apply(affinity);
    for (const name of elementSets) this.stores[name].change(unwanted.lists[name], wanted.lists[name]);
  }

  #rulesOf(id: string): readonly NftPortRules[] {
    const rules: NftPortRules[] = [];
    for (const state of this.#state.ports(id)) {
      const local = dependsOnNode(state.endpoints, state.port) || dependsOnNodeIP(state.port, this.#config);
      if (local !== (this.#scope === 'of this node')) continue;
      const choice = chooseEndpoints(state.endpoints, state.port, this.#config);
      rules.push(this.#book.rules(state, choice, this.#config, local));
    }
    return rules;
  }
}

/** Elements by set. */
class Wanted {
  readonly lists: Readonly<Record<ElementSet, ProxyElement[]>> = {
    'cluster-ips': [],
    'service-ips': [],
    'firewall-ips': [],
    'no-endpoint-services': [],
    'no-endpoint-nodeports': [],
    'service-nodeports': [],
  };

  /** Adds what the ports of one service want, each key once: all ports have the same cluster IP. */
  add(ports: readonly NftPortRules[]): void {
    const seen = ports.length > 1 ? new Set<string>() : undefined;
    for (const { elements } of ports) {
      for (const { set, element } of elements) {
        const key = `${set} ${element.keyText}`;
        if (seen?.has(key) === true) continue;
        seen?.add(key);
        this.lists[set].push(element);
      }
    }
  }
}

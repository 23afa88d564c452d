import type { NodeProxyConfig } from '../config.ts';
import { dependsOnNodeIP } from '../iptables/port-rules.ts';
import type { ProxyState } from '../proxy-state.ts';
import { chooseEndpoints, dependsOnNode } from '../topology.ts';
import { setTypes } from './base-rules.ts';
import { ElementStore } from './element-store.ts';
import type { ElementSet, ProxyElement } from './elements.ts';
import { elementSets } from './elements.ts';
import type { NftChain, NftSet } from './kernel-shim.ts';
import { OverlayMap } from './overlay.ts';
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
  readonly #chains = new OverlayMap<NftChain>();
  readonly #affinity = new OverlayMap<NftSet>();
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

  /** Chains by name; the same object while nothing changes. */
  get chains(): ReadonlyMap<string, NftChain> {
    return this.#chains.current;
  }

  get affinity(): ReadonlyMap<string, NftSet> {
    return this.#affinity.current;
  }

  rules(service: string): readonly NftPortRules[] {
    return this.#services.get(service) ?? NO_RULES;
  }

  /** Takes in what has changed in the cluster. */
  update(): void {
    const changes = this.#version < 0 ? undefined : this.#state.changesSince(this.#version);
    if (changes?.size === 0) return;
    this.#version = this.#state.version;
    const all = changes === undefined;
    const chains = new Map<string, NftChain | null>();
    const affinity = new Map<string, NftSet | null>();
    const wanted = Object.fromEntries(
      elementSets.map((name) => [name, new Map<string, readonly ProxyElement[]>()]),
    ) as Record<ElementSet, Map<string, readonly ProxyElement[]>>;
    if (all) this.#services.clear();
    for (const id of all ? this.#state.services() : changes) {
      for (const rules of this.rules(id)) {
        for (const chain of rules.chains) chains.set(chain.name, null);
        for (const set of rules.affinity) affinity.set(set.name, null);
      }
      const now = this.#rulesOf(id);
      if (now.length === 0) this.#services.delete(id);
      else this.#services.set(id, now);
      for (const rules of now) {
        for (const chain of rules.chains) chains.set(chain.name, chain);
        for (const set of rules.affinity) affinity.set(set.name, set);
      }
      collectElements(id, now, wanted);
    }
    if (all) {
      this.#chains.reset(chains as Map<string, NftChain>);
      this.#affinity.reset(affinity as Map<string, NftSet>);
    } else {
      this.#chains.apply(chains);
      this.#affinity.apply(affinity);
    }
    for (const name of elementSets) this.stores[name].put(wanted[name], all);
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

/** What a service puts into each set, each key once; nothing for a set that it has left. */
function collectElements(
  service: string,
  rules: readonly NftPortRules[],
  wanted: Readonly<Record<ElementSet, Map<string, readonly ProxyElement[]>>>,
): void {
  const lists: Partial<Record<ElementSet, ProxyElement[]>> = {};
  for (const port of rules) {
    for (const { set, element } of port.elements) {
      lists[set] ??= [];
      const list = lists[set];
      if (rules.length === 1 || !list.some(({ keyText }) => keyText === element.keyText)) list.push(element);
    }
  }
  for (const name of elementSets) wanted[name].set(service, lists[name] ?? []);
}

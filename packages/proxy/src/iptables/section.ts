import type { Chain } from '@netsim/kernel';
import { formatIp } from '@netsim/wire';
import type { NodeProxyConfig } from '../config.ts';
import type { PortState, ProxyState } from '../proxy-state.ts';
import { comparePorts } from '../service-map.ts';
import type { EndpointChoice } from '../topology.ts';
import { chooseEndpoints, dependsOnNode } from '../topology.ts';
import { VersionedMap } from '../versioned-map.ts';
import type { HeadRules, PortRules } from './port-rules.ts';
import { dependsOnNodeIP } from './port-rules.ts';
import type { RuleBook } from './rule-book.ts';
import { ServiceChains } from './service-chains.ts';

/** Which services a section is about. */
export type SectionScope = 'same everywhere' | 'of this node';

/** A section after a sync. The same object is returned while nothing changes. */
export interface SectionSync {
  /** What its service ports have in common chains, in the order of their names. */
  readonly heads: readonly HeadRules[];
  /** Its nat chains. */
  readonly chains: ReadonlyMap<string, Chain>;
  readonly full: boolean;
  readonly written: readonly PortRules[];
  readonly deleted: readonly string[];
}

export interface SectionOptions {
  readonly full?: boolean;
  readonly cleanup?: boolean;
}

const NO_RULES: readonly PortRules[] = [];

/**
 * The rules of a set of services, kept current by looking only at services that changed. As in kube-proxy, chains of
 * unchanged services are not written again, so they keep their comments when a cluster becomes large.
 */
export class RuleSection {
  readonly #state: ProxyState;
  readonly #book: RuleBook;
  readonly #config: NodeProxyConfig;
  readonly #scope: SectionScope;
  #version = -1;
  readonly #services = new VersionedMap<readonly PortRules[]>();
  /** Chains of the services. */
  #size = 0;
  /** Chains that no service uses any more but that were not deleted yet. */
  #stale = new Map<string, Chain>();
  #last: SectionSync | undefined;

  constructor(state: ProxyState, book: RuleBook, config: NodeProxyConfig, scope: SectionScope) {
    this.#state = state;
    this.#book = book;
    this.#config = config;
    this.#scope = scope;
  }

  sync(options: SectionOptions): SectionSync {
    const changes = this.#version < 0 ? undefined : this.#state.changesSince(this.#version);
    const full = options.full === true || changes === undefined;
    const cleanup = options.cleanup !== false;
    if (!full && changes.size === 0 && this.#last !== undefined && !(cleanup && this.#stale.size > 0)) {
      const { written, deleted } = this.#last;
      if (written.length > 0 || deleted.length > 0 || this.#last.full) {
        this.#last = { ...this.#last, full: false, written: [], deleted: [] };
      }
      return this.#last;
    }
    this.#version = this.#state.version;
    const commented = this.#state.totalEndpoints <= this.#config.largeClusterThreshold;
    return full ? this.#writeAll(commented, cleanup) : this.#writeChanges(changes, commented, cleanup);
  }

  #writeAll(commented: boolean, cleanup: boolean): SectionSync {
    const services = new Map<string, readonly PortRules[]>();
    const written: PortRules[] = [];
    this.#size = 0;
    for (const id of this.#state.services()) {
      const rules = this.#rulesOf(id, commented);
      if (rules.length === 0) continue;
      services.set(id, rules);
      for (const one of rules) {
        written.push(one);
        this.#size += one.chainCount;
      }
    }
    written.sort((a, b) => comparePorts(a.port, b.port));
    for (const [id, before] of this.#services.current) this.#noteStale(before, services.get(id) ?? NO_RULES);
    this.#services.reset(services);
    const deleted = this.#deleteStale(cleanup);
    this.#last = { heads: written.map(headsOf), chains: this.#chains(), full: true, written, deleted };
    return this.#last;
  }

  #writeChanges(changes: ReadonlySet<string>, commented: boolean, cleanup: boolean): SectionSync {
    const written: PortRules[] = [];
    const services = new Map<string, readonly PortRules[] | null>();
    let headsChanged = false;
    let chainsChanged = false;
    for (const id of changes) {
      const before = this.#services.current.get(id) ?? NO_RULES;
      const now = this.#rulesOf(id, commented);
      services.set(id, now.length === 0 ? null : now);
      for (const rules of before) this.#size -= rules.chainCount;
      for (const rules of now) {
        this.#size += rules.chainCount;
        written.push(rules);
      }
      chainsChanged ||= haveChains(before) || haveChains(now);
      headsChanged ||= before.length !== now.length || now.some(({ heads }, i) => heads !== before[i]!.heads);
      this.#noteStale(before, now);
    }
    this.#services.apply(services);
    const deleted = this.#deleteStale(cleanup);
    written.sort((a, b) => comparePorts(a.port, b.port));
    const chains = chainsChanged || deleted.length > 0 ? this.#chains() : this.#last!.chains;
    const heads = headsChanged ? this.#replaceHeads(changes, written) : this.#last!.heads;
    this.#last = { heads, chains, full: false, written, deleted };
    return this.#last;
  }

  #chains(): ReadonlyMap<string, Chain> {
    const size = this.#size + this.#stale.size;
    return new ServiceChains(this.#services.current, new Map(this.#stale), this.#book.owners, size);
  }

  /** Takes account of the chains that a service used before and uses now. */
  #noteStale(before: readonly PortRules[], now: readonly PortRules[]): void {
    if (before.every((rules, i) => rules === now[i]) && this.#stale.size === 0) return;
    for (const { chains } of before) for (const chain of chains) this.#stale.set(chain.name, chain);
    for (const { chains } of now) for (const chain of chains) this.#stale.delete(chain.name);
  }

  /** Names of the stale chains, where they are to be deleted now. */
  #deleteStale(cleanup: boolean): string[] {
    if (!cleanup) return [];
    const deleted = [...this.#stale.keys()];
    this.#stale.clear();
    return deleted;
  }

  /** The sorted list with the ports of some services taken out and others put in their places. */
  #replaceHeads(changes: ReadonlySet<string>, written: readonly PortRules[]): readonly HeadRules[] {
    const heads: HeadRules[] = [];
    let next = 0;
    for (const old of this.#last!.heads) {
      while (next < written.length && comparePorts(written[next]!.port, old.port) <= 0)
        heads.push(written[next++]!.heads);
      if (!changes.has(old.port.service)) heads.push(old);
    }
    while (next < written.length) heads.push(written[next++]!.heads);
    return heads;
  }

  #rulesOf(id: string, commented: boolean): readonly PortRules[] {
    const rules: PortRules[] = [];
    const before = this.#services.current.get(id) ?? NO_RULES;
    for (const state of this.#state.ports(id)) {
      const known = before.find((one) => one.isOf(state, commented));
      if (known !== undefined) {
        rules.push(known);
        continue;
      }
      const local = dependsOnNode(state.endpoints, state.port) || dependsOnNodeIP(state.port, this.#config);
      if (local !== (this.#scope === 'of this node')) continue;
      const choice = chooseEndpoints(state.endpoints, state.port, this.#config);
      rules.push(
        local
          ? this.#book.rulesOfNode(state, choice, this.#config, commented, this.#choiceKey(state, choice))
          : this.#book.rules(state, choice, this.#config, commented),
      );
    }
    return rules;
  }

  /** Tells apart what differs between nodes: the endpoints chosen, and the node's address where that matters. */
  #choiceKey(state: PortState, { cluster, local, hasEndpoints }: EndpointChoice): string {
    const nodeIP =
      dependsOnNodeIP(state.port, this.#config) && this.#config.nodeIP !== undefined
        ? formatIp(this.#config.nodeIP)
        : '';
    const texts = (list: EndpointChoice['cluster']) => list.map((endpoint) => endpoint.text).join();
    return `${nodeIP};${hasEndpoints};${texts(cluster)};${texts(local)};`;
  }
}

function haveChains(ports: readonly PortRules[]): boolean {
  return ports.some(({ chainCount }) => chainCount > 0);
}

function headsOf({ heads }: PortRules): HeadRules {
  return heads;
}

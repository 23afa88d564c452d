import type { Chain } from '@netsim/kernel';
import { formatIp } from '@netsim/wire';
import type { NodeProxyConfig } from '../config.ts';
import type { PortState, ProxyState } from '../proxy-state.ts';
import { comparePorts } from '../service-map.ts';
import type { EndpointChoice } from '../topology.ts';
import { chooseEndpoints, dependsOnNode } from '../topology.ts';
import { LayeredMap } from './layered-map.ts';
import type { HeadRules, PortRules } from './port-rules.ts';
import { dependsOnNodeIP } from './port-rules.ts';
import type { RuleBook } from './rule-book.ts';

/** Which services a section is about. */
export type SectionScope = 'same everywhere' | 'of this node';

/** A section after a sync. The same object is returned while nothing changes. */
export interface SectionSync {
  /** What its service ports have in common chains, in the order of their names. */
  readonly heads: readonly HeadRules[];
  /** Its nat chains: what changed lately over what was there before. */
  readonly chains: ReadonlyMap<string, Chain>;
  readonly full: boolean;
  readonly written: readonly PortRules[];
  readonly deleted: readonly string[];
}

export interface SectionOptions {
  readonly full?: boolean;
  readonly cleanup?: boolean;
}

const MAX_OVERLAY = 512;

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
  #services = new Map<string, readonly PortRules[]>();
  #base = new Map<string, Chain>();
  #overlay = new Map<string, Chain | null>();
  /** Chains that no service uses any more but that were not deleted yet. */
  #stale = new Set<string>();
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
    for (const id of this.#state.services()) {
      const rules = this.#rulesOf(id, commented);
      if (rules.length === 0) continue;
      services.set(id, rules);
      for (const one of rules) written.push(one);
    }
    written.sort((a, b) => comparePorts(a.port, b.port));
    const base = new Map<string, Chain>();
    for (const { chains } of written) {
      for (const chain of chains) base.set(chain.name, chain);
    }
    for (const name of this.#names()) {
      if (!base.has(name)) this.#stale.add(name);
    }
    for (const name of this.#stale) {
      if (base.has(name)) this.#stale.delete(name);
    }
    const deleted = cleanup ? [...this.#stale] : [];
    if (cleanup) this.#stale.clear();
    for (const name of this.#stale) base.set(name, this.#chain(name)!);
    this.#services = services;
    this.#base = base;
    this.#overlay = new Map();
    this.#last = { heads: written.map(headsOf), chains: base, full: true, written, deleted };
    return this.#last;
  }

  #writeChanges(changes: ReadonlySet<string>, commented: boolean, cleanup: boolean): SectionSync {
    const written: PortRules[] = [];
    const put = new Map<string, Chain>();
    const gone = new Set<string>();
    let headsChanged = false;
    for (const id of changes) {
      const before = this.#services.get(id) ?? [];
      const now = this.#rulesOf(id, commented);
      for (const { chains } of before) for (const chain of chains) gone.add(chain.name);
      for (const rules of now) {
        written.push(rules);
        for (const chain of rules.chains) put.set(chain.name, chain);
      }
      if (now.length === 0) this.#services.delete(id);
      else this.#services.set(id, now);
      headsChanged ||= before.length !== now.length || now.some(({ heads }, i) => heads !== before[i]!.heads);
    }
    for (const name of gone) if (!put.has(name)) this.#stale.add(name);
    for (const name of put.keys()) this.#stale.delete(name);
    const deleted = cleanup ? [...this.#stale] : [];
    if (cleanup) this.#stale.clear();
    written.sort((a, b) => comparePorts(a.port, b.port));
    const chains = this.#apply(put, deleted);
    const heads = headsChanged ? this.#replaceHeads(changes, written) : this.#last!.heads;
    this.#last = { heads, chains, full: false, written, deleted };
    return this.#last;
  }

  #apply(put: ReadonlyMap<string, Chain>, deleted: readonly string[]): ReadonlyMap<string, Chain> {
    const changed = [...put.values()].filter((chain) => this.#chain(chain.name) !== chain);
    if (changed.length === 0 && deleted.length === 0) return this.#last!.chains;
    const overlay = new Map(this.#overlay);
    for (const chain of changed) overlay.set(chain.name, chain);
    for (const name of deleted) overlay.set(name, null);
    if (overlay.size <= MAX_OVERLAY) {
      this.#overlay = overlay;
      return new LayeredMap<Chain>([overlay, this.#base]);
    }
    const base = new Map(this.#base);
    for (const [name, chain] of overlay) {
      if (chain === null) base.delete(name);
      else base.set(name, chain);
    }
    this.#base = base;
    this.#overlay = new Map();
    return base;
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
    for (const state of this.#state.ports(id)) {
      const local = dependsOnNode(state.endpoints, state.port) || dependsOnNodeIP(state.port, this.#config);
      if (local !== (this.#scope === 'of this node')) continue;
      const choice = chooseEndpoints(state.endpoints, state.port, this.#config);
      const key = local ? this.#choiceKey(state, choice) : '';
      rules.push(this.#book.rules(state, choice, this.#config, commented, key));
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

  #chain(name: string): Chain | undefined {
    const chain = this.#overlay.get(name);
    return chain === undefined ? this.#base.get(name) : (chain ?? undefined);
  }

  *#names(): Iterable<string> {
    for (const [name, chain] of this.#overlay) if (chain !== null) yield name;
    for (const name of this.#base.keys()) if (!this.#overlay.has(name)) yield name;
  }
}

function headsOf({ heads }: PortRules): HeadRules {
  return heads;
}

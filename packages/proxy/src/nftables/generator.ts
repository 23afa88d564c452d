import type { NftChain, NftSet, NftTable } from '@netsim/kernel';
import { NftElements } from '@netsim/kernel';
import type { NodeProxyConfig } from '../config.ts';
import { LayeredMap } from '../layered-map.ts';
import type { ProxyState } from '../proxy-state.ts';
import type { FixedSet, FixedTable } from './base-rules.ts';
import { fixedTable, setTypes, TABLE_COMMENT } from './base-rules.ts';
import { ElementStore } from './element-store.ts';
import type { ElementSet, ProxyElement } from './elements.ts';
import { elementSets, hairpinElement } from './elements.ts';
import { nftForm } from './form.ts';
import { LocalServices } from './local-services.ts';
import { allKeys, MergedElements } from './merged-elements.ts';
import { NftPortBook } from './port-book.ts';
import type { NftPortRules } from './port-rules.ts';
import { nftPortRulesProfile } from './port-rules.ts';
import { PortTable } from './port-table.ts';
import { ipWord } from './rule-parts.ts';

/** kube-proxy's table on one node, and what its last sync did to it. */
export interface NftablesRules {
  readonly table: NftTable;
  /** Elements that services have put into sets and maps, by key text. */
  readonly elements: ReadonlyMap<ElementSet | 'hairpin-connections', ReadonlyMap<string, ProxyElement>>;
  readonly sync: NftSync;
}

/** Elements of a set by key text before and after a sync. */
export interface ElementChange {
  readonly set: ElementSet | 'hairpin-connections';
  /** Those that may differ. */
  readonly keys: readonly string[];
  readonly before: ReadonlyMap<string, ProxyElement>;
  readonly after: ReadonlyMap<string, ProxyElement>;
}

export interface NftSync {
  /** The first of this kube-proxy: base chains are made anew. */
  readonly first: boolean;
  /** Everything was written, not only what changed. */
  readonly full: boolean;
  readonly fixed: FixedTable;
  /** Service ports whose chains were written. */
  readonly written: () => readonly NftPortRules[];
  readonly elements: readonly ElementChange[];
  /** Chains that nobody uses any more: empty from now on, and deleted by a later sync. */
  readonly stale: readonly string[];
  /** Chains deleted before anything else, in a transaction of their own. */
  readonly deletedChains: readonly string[];
  /** Affinity sets that nobody uses any more. */
  readonly deletedSets: readonly string[];
}

export interface NftSyncOptions {
  /** Write everything again, as kube-proxy does at its start, after an error, and when its node's labels change. */
  readonly full?: boolean;
  /**
   * Virtual time in milliseconds. kube-proxy empties a chain that nobody uses any more, and deletes it in the first sync that
   * comes more than a second after the last that found it so. Left out: such chains are deleted at once.
   */
  readonly now?: number;
}

const STALE_MS = 1000;

/**
 * The nftables mode of the kube-proxies of all nodes. Each node has a table of its own; what is equal is the same object. What
 * services that look the same from every node (no policy Local, no hints) need is kept once for all nodes with an equal
 * configuration, and a node's own part holds only the others and its hairpins.
 */
export class NftablesGenerator {
  readonly #state: ProxyState;
  readonly #book = new NftPortBook();
  readonly #shared = new Map<string, PortTable>();
  readonly #local: LocalServices;
  readonly #nodes = new Map<string, NodeTable>();

  constructor(state: ProxyState) {
    this.#state = state;
    this.#local = new LocalServices(state);
  }

  /** Brings a node's table up to date and returns it: the very same table where nothing changed. */
  sync(config: NodeProxyConfig, options: NftSyncOptions = {}): NftablesRules {
    let node = this.#nodes.get(config.nodeName);
    if (node === undefined || node.config !== config) {
      const profile = `${nftPortRulesProfile(config)}${config.nodeIP === undefined ? 'no address' : 'address'}`;
      let shared = this.#shared.get(profile);
      if (shared === undefined) {
        shared = new PortTable(this.#state, this.#book, config, 'same everywhere');
        this.#shared.set(profile, shared);
      }
      const own = new PortTable(this.#state, this.#book, config, 'of this node');
      node = new NodeTable(config, this.#state, shared, own, this.#local);
      this.#nodes.set(config.nodeName, node);
    }
    return node.sync(options);
  }

  /** Forgets a node. */
  deleteNode(nodeName: string): void {
    this.#nodes.delete(nodeName);
  }
}

interface Snapshot extends Pick<NftablesRules, 'elements'> {
  readonly chains: LayeredMap<NftChain>;
  readonly affinity: LayeredMap<NftSet>;
}

const NOTHING: ReadonlyMap<string, ProxyElement> = new Map();
const NOTHING_YET: Snapshot = { chains: new LayeredMap([]), affinity: new LayeredMap([]), elements: new Map() };

class NodeTable {
  readonly config: NodeProxyConfig;
  readonly #state: ProxyState;
  readonly #shared: PortTable;
  readonly #own: PortTable;
  readonly #local: LocalServices;
  readonly #fixed: FixedTable;
  readonly #fixedChains: ReadonlyMap<string, NftChain>;
  readonly #baseChainNames: readonly string[];
  readonly #hairpins: ElementStore | undefined;
  readonly #merged: Readonly<Record<ElementSet, MergedElements>>;
  #version = -1;
  /** Chains that nobody uses any more, and the time of the last sync that found them so. */
  readonly #stale = new Map<string, number>();
  #staleChains: ReadonlyMap<string, NftChain> = new Map();
  #snapshot: Snapshot = NOTHING_YET;
  #chainVersions: readonly number[] = [];
  #affinityVersions: readonly number[] = [];
  #hairpinVersion = -1;
  #hairpinsOf = new Map<string, readonly ProxyElement[]>();
  #last: NftablesRules | undefined;

  constructor(config: NodeProxyConfig, state: ProxyState, shared: PortTable, own: PortTable, local: LocalServices) {
    this.config = config;
    this.#state = state;
    this.#shared = shared;
    this.#own = own;
    this.#local = local;
    this.#fixed = fixedTable(config);
    this.#fixedChains = new Map(this.#fixed.chains.map((chain) => [chain.name, chain]));
    this.#baseChainNames = this.#fixed.chains.filter(({ base }) => base !== undefined).map(({ name }) => name);
    if (nftForm(config.kubernetesVersion).masquerade === 'at entry') {
      this.#hairpins = new ElementStore(setTypes(config.family)['hairpin-connections']);
    }
    this.#merged = Object.fromEntries(
      elementSets.map((name) => [name, new MergedElements(shared.stores[name], own.stores[name])]),
    ) as Record<ElementSet, MergedElements>;
  }

  sync(options: NftSyncOptions): NftablesRules {
    const last = this.#last;
    const changes = this.#version < 0 || options.full === true ? undefined : this.#state.changesSince(this.#version);
    if (last !== undefined && changes?.size === 0 && this.#stale.size === 0) {
      if (last.sync.written !== QUIET.written) this.#last = { ...last, sync: { ...last.sync, ...QUIET } };
      return this.#last!;
    }
    this.#version = this.#state.version;
    for (const part of [this.#local, this.#shared, this.#own]) part.update();
    this.#putHairpins(changes);
    const before = this.#snapshot;
    const elements = this.#updateElements(before);
    const after = this.#takeSnapshot(before);
    this.#snapshot = after;
    const now = options.now ?? 0;
    const deletedChains = this.#deleteStale(now);
    const { changed: chains, versions: chainVersions } = this.#changed('chains', this.#chainVersions, before, after);
    this.#chainVersions = chainVersions;
    for (const name of chains) {
      if (after.chains.has(name)) this.#stale.delete(name);
      else if (before.chains.has(name)) this.#stale.set(name, now);
    }
    for (const name of this.#stale.keys()) this.#stale.set(name, now);
    const { changed: sets, versions: setVersions } = this.#changed('affinity', this.#affinityVersions, before, after);
    this.#affinityVersions = setVersions;
    const deletedSets = [...new Set(sets)].filter((name) => before.affinity.has(name) && !after.affinity.has(name));
    const stale = [...this.#stale.keys()];
    if (options.now === undefined) this.#stale.clear();
    const sync: NftSync = {
      first: last === undefined,
      full: changes === undefined,
      fixed: this.#fixed,
      written: () => this.#written(changes),
      elements,
      stale,
      deletedChains,
      deletedSets,
    };
    this.#last = { table: this.#table(after), elements: after.elements, sync };
    return this.#last;
  }

  /** Names of chains or affinity sets that may have changed. */
  #changed(
    what: 'chains' | 'affinity',
    versions: readonly number[],
    before: Snapshot,
    after: Snapshot,
  ): { changed: Iterable<string>; versions: readonly number[] } {
    const maps = [this.#own[what], this.#shared[what]];
    const lists = maps.map((map, i) => map.changedSince(versions[i] ?? -1));
    const known = lists.filter((list) => list !== undefined);
    return {
      changed: known.length === maps.length ? known.flat() : allKeys(before[what], after[what]),
      versions: maps.map((map) => map.version),
    };
  }

  #written(changes: ReadonlySet<string> | undefined): NftPortRules[] {
    const written: NftPortRules[] = [];
    for (const id of changes ?? this.#state.services()) written.push(...this.#shared.rules(id), ...this.#own.rules(id));
    return written;
  }

  #deleteStale(now: number): string[] {
    const deleted = [...this.#stale].filter(([, since]) => since < now - STALE_MS).map(([name]) => name);
    for (const name of deleted) this.#stale.delete(name);
    return deleted;
  }

  #putHairpins(changes: ReadonlySet<string> | undefined): void {
    const store = this.#hairpins;
    if (store === undefined) return;
    if (changes === undefined) {
      const all = [...this.#local.on(this.config.nodeName)].map((id) => [id, this.#hairpinsFor(id)] as const);
      this.#hairpinsOf = new Map(all.filter(([, elements]) => elements.length > 0));
      store.reset([...this.#hairpinsOf.values()].flat());
      return;
    }
    const unwanted: ProxyElement[] = [];
    const wanted: ProxyElement[] = [];
    for (const id of changes) {
      unwanted.push(...(this.#hairpinsOf.get(id) ?? []));
      const now = this.#local.on(this.config.nodeName).has(id) ? this.#hairpinsFor(id) : [];
      if (now.length === 0) this.#hairpinsOf.delete(id);
      else this.#hairpinsOf.set(id, now);
      wanted.push(...now);
    }
    store.change(unwanted, wanted);
  }

  #hairpinsFor(service: string): readonly ProxyElement[] {
    const { nodeName } = this.config;
    const elements: ProxyElement[] = [];
    for (const { port, reachable } of [...this.#shared.rules(service), ...this.#own.rules(service)]) {
      for (const endpoint of reachable) {
        if (endpoint.nodeName !== nodeName) continue;
        const element = hairpinElement(port, endpoint.ip, endpoint.port);
        if (!elements.some(({ keyText }) => keyText === element.keyText)) elements.push(element);
      }
    }
    return elements;
  }

  #updateElements({ elements: before }: Snapshot): ElementChange[] {
    const list: ElementChange[] = [];
    const note = (set: ElementChange['set'], keys: Iterable<string>, after: ReadonlyMap<string, ProxyElement>) => {
      const all = [...keys];
      if (all.length > 0) list.push({ set, keys: all, before: before.get(set) ?? NOTHING, after });
    };
    for (const name of elementSets) {
      const merged = this.#merged[name];
      note(name, merged.update(), merged.current);
    }
    const store = this.#hairpins;
    if (store !== undefined) {
      const old = before.get('hairpin-connections') ?? NOTHING;
      note(
        'hairpin-connections',
        new Set(store.changedSince(this.#hairpinVersion) ?? allKeys(old, store.current)),
        store.current,
      );
      this.#hairpinVersion = store.version;
    }
    return list;
  }

  /** What services have put into the table; parts that are unchanged are the same objects as before. */
  #takeSnapshot(before: Snapshot): Snapshot {
    const elements = new Map<ElementChange['set'], ReadonlyMap<string, ProxyElement>>();
    for (const name of elementSets) elements.set(name, this.#merged[name].current);
    if (this.#hairpins !== undefined) elements.set('hairpin-connections', this.#hairpins.current);
    return {
      chains: layered(before.chains, this.#own.chains.current, this.#shared.chains.current),
      affinity: layered(before.affinity, this.#own.affinity.current, this.#shared.affinity.current),
      elements,
    };
  }

  #table(snapshot: Snapshot): NftTable {
    const old = this.#last?.table;
    const stale = this.#staleMap();
    const chains = new LayeredMap<NftChain>([this.#fixedChains, snapshot.chains, stale]);
    const fixedSets = new Map<string, NftSet>();
    for (const set of this.#fixed.sets) {
      const elements = this.#elementsOf(set);
      const before = old?.sets.get(set.name);
      fixedSets.set(set.name, before?.elements === elements ? before : { ...withoutElements(set), elements });
    }
    return {
      family: ipWord(this.config.family),
      name: 'kube-proxy',
      comment: TABLE_COMMENT,
      sets: new LayeredMap<NftSet>([fixedSets, snapshot.affinity]),
      chains,
      baseChainNames: this.#baseChainNames,
    };
  }

  #elementsOf({ name, type, elements }: FixedSet): NftElements {
    if (name === 'nodeport-ips') {
      this.#nodePortIps ??= NftElements.of(type, elements);
      return this.#nodePortIps;
    }
    return name === 'hairpin-connections' ? this.#hairpins!.elements : this.#merged[name].elements;
  }
  #nodePortIps: NftElements | undefined;

  #staleMap(): ReadonlyMap<string, NftChain> {
    const same = this.#staleChains.size === this.#stale.size;
    if (!same || [...this.#stale.keys()].some((name) => !this.#staleChains.has(name))) {
      this.#staleChains = new Map([...this.#stale.keys()].map((name) => [name, { name, rules: [] }]));
    }
    return this.#staleChains;
  }
}

const QUIET = {
  first: false,
  full: false,
  written: () => [],
  elements: [],
  stale: [],
  deletedChains: [],
  deletedSets: [],
} satisfies Partial<NftSync>;

function withoutElements({ name, type, data, comment }: FixedSet): Omit<NftSet, 'elements'> {
  return { name, type, ...(data !== undefined && { data }), flags: [], comment };
}

function layered<V>(before: LayeredMap<V>, own: ReadonlyMap<string, V>, shared: ReadonlyMap<string, V>): LayeredMap<V> {
  return before.layers[0] === own && before.layers[1] === shared ? before : new LayeredMap<V>([own, shared]);
}

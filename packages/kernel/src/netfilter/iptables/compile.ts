import { ChainIndex, MIN_RULES } from './chain-index.ts';
import { CompiledRule } from './compiled-rule.ts';
import { FlatRules } from './flat-rules.ts';
import { printRule } from './print.ts';
import type { Chain, Rule, Table } from './rule.ts';

/** A chain made ready. It knows nothing of its table, so that unchanged chains outlive a change of others. */
export class CompiledChain {
  readonly name: string;
  readonly policy: 'ACCEPT' | 'DROP' | undefined;
  /** Null where a plain walk is as good. */
  readonly index: ChainIndex | null;
  readonly #chain: Chain;
  #rules: readonly CompiledRule[] | undefined;
  #flat: FlatRules | undefined;

  constructor(chain: Chain) {
    this.#chain = chain;
    this.name = chain.name;
    this.policy = chain.policy;
    this.index = ChainIndex.of(chain.rules);
  }

  /** For those who want to see every rule; made when one comes. */
  get rules(): readonly CompiledRule[] {
    this.#rules ??= this.#chain.rules.map((rule, i) => new CompiledRule(rule, i + 1));
    return this.#rules;
  }

  /** For packets that nobody follows. Made for a chain with an index only: the others lie together in their table. */
  get flat(): FlatRules {
    if (this.#flat === undefined) {
      const { rules } = this.#chain;
      this.#flat = new FlatRules(rules.length);
      this.#flat.add(rules);
    }
    return this.#flat;
  }
}

const compiledChains = new WeakMap<Chain, CompiledChain>();

function compileChain(chain: Chain): CompiledChain {
  let compiled = compiledChains.get(chain);
  if (compiled === undefined) {
    compiled = new CompiledChain(chain);
    compiledChains.set(chain, compiled);
  }
  return compiled;
}

/** A chain in its table: jumps are resolved the first time they are taken. */
export class LinkedChain {
  readonly index: ChainIndex | null;
  readonly compiled: CompiledChain;
  readonly table: LinkedTable;
  /** Chain of each jump, by the number of its rule. */
  #targets: (LinkedChain | undefined)[] | null = null;
  #operands: Int32Array | undefined;
  #place: FlatPlace | undefined;

  constructor(table: LinkedTable, compiled: CompiledChain) {
    this.table = table;
    this.compiled = compiled;
    this.index = compiled.index;
  }

  get rules(): readonly CompiledRule[] {
    return this.compiled.rules;
  }

  get place(): FlatPlace {
    this.#place ??= this.table.place(this.compiled.name);
    return this.#place;
  }

  /** Two words a rule, as the operands of a jump in {@link FlatRules}: rules of an index outlive their table, these do not. */
  get operands(): Int32Array {
    this.#operands ??= new Int32Array(2 * this.compiled.flat.rules.length);
    return this.#operands;
  }

  /** The chain that a jump or goto rule leads to. */
  target(rule: CompiledRule): LinkedChain | undefined {
    return this.#targets?.[rule.index - 1] ?? this.#resolve(rule);
  }

  #resolve(rule: CompiledRule): LinkedChain | undefined {
    const target = rule.target;
    if (target?.kind !== 'jump' && target?.kind !== 'goto') return undefined;
    const chain = this.table.chain(target.chain);
    this.#targets ??= this.rules.map(() => undefined);
    this.#targets[rule.index - 1] = chain;
    return chain;
  }
}

/** Where a chain without an index lies among the flat rules of its table; of one with an index `first` is ~ its number there. */
export interface FlatPlace {
  readonly first: number;
  readonly count: number;
}

const nowhere: FlatPlace = { first: 0, count: 0 };

/** A table made ready, chain by chain as they are reached. Shared by all netns that load the same table. */
export class LinkedTable {
  readonly table: Table;
  /** Rules of the chains without an index that packets have reached. */
  readonly flat = new FlatRules();
  readonly #chains = new Map<string, LinkedChain>();
  readonly #places = new Map<string, FlatPlace>();
  readonly #indexed: LinkedChain[] = [];

  constructor(table: Table) {
    this.table = table;
  }

  chain(name: string): LinkedChain | undefined {
    const known = this.#chains.get(name);
    if (known !== undefined) return known;
    const chain = this.table.chains.get(name);
    if (chain === undefined) return undefined;
    const linked = new LinkedChain(this, compileChain(chain));
    this.#chains.set(name, linked);
    return linked;
  }

  /** The chain that a negative first rule means. */
  indexed(first: number): LinkedChain {
    return this.#indexed[~first]!;
  }

  /** Where a chain lies; `count` is 0 for one that does not exist. */
  place(name: string): FlatPlace {
    let place = this.#places.get(name);
    if (place === undefined) {
      place = this.#makePlace(name);
      this.#places.set(name, place);
    }
    return place;
  }

  #makePlace(name: string): FlatPlace {
    const chain = this.table.chains.get(name);
    if (chain === undefined) return nowhere;
    const count = chain.rules.length;
    if (count < MIN_RULES) return { first: this.flat.add(chain.rules), count };
    const linked = this.chain(name)!;
    if (linked.index === null) return { first: this.flat.add(chain.rules), count };
    return { first: ~(this.#indexed.push(linked) - 1), count };
  }
}

const linkedTables = new WeakMap<Table, LinkedTable>();

/** The table made ready; the same for every netns that loads the same object. */
export function linkTable(table: Table): LinkedTable {
  let linked = linkedTables.get(table);
  if (linked === undefined) {
    linked = new LinkedTable(table);
    linkedTables.set(table, linked);
  }
  return linked;
}

const texts = new WeakMap<Rule, string>();

/** A rule's text for a trace, made once. */
export function ruleText(rule: Rule, family: 4 | 6): string {
  let text = texts.get(rule);
  if (text === undefined) {
    text = printRule(rule, { family });
    texts.set(rule, text);
  }
  return text;
}

import { type CompiledNftChain, type CompiledNftRule, compileNftChain } from './compile.ts';
import { DynamicElements } from './dynamic-elements.ts';
import type { NftElements } from './elements.ts';
import type { FlatElements } from './flat-elements.ts';
import { type IdleQuestions, isIdle } from './idle.ts';
import type { NftChain, NftElement, NftSet, NftTable } from './ruleset.ts';
import { Spreads } from './spread.ts';

/** An element that was met once, or that leads to a chain which does not just spread connections. */
const MET = -1;
const ELSEWHERE = -2;

/** A set of a table in one netns. */
export class LinkedSet {
  readonly set: NftSet;
  /** Null where elements come and go by commands only. */
  readonly dynamic: DynamicElements | null;
  readonly #table: LinkedNftTable;
  /** By number of the element: the place of its chain among the spreads of the table; 0: never met. */
  #spreads: Int32Array | null = null;

  constructor(table: LinkedNftTable, set: NftSet, dynamic: DynamicElements | null) {
    this.#table = table;
    this.set = set;
    this.dynamic = dynamic;
  }

  /**
   * Place among the spreads of the table of the chain that an element leads to; negative: it leads elsewhere. Answered when
   * the element is met again, since it takes a walk over the chain's ends.
   */
  spread({ elements }: FlatElements, number: number): number {
    this.#spreads ??= new Int32Array(elements.length);
    const known = this.#spreads[number]!;
    if (known > 0 || known === ELSEWHERE) return known;
    this.#spreads[number] = known === MET ? this.#placeOf(elements[number]!) : MET;
    return this.#spreads[number]!;
  }

  #placeOf({ data }: NftElement): number {
    if (data === undefined || !('kind' in data) || (data.kind !== 'goto' && data.kind !== 'jump')) return ELSEWHERE;
    const { table, spreads } = this.#table;
    const chain = table.chains.get(data.chain);
    const place = chain === undefined ? -1 : spreads.place(chain);
    return place < 0 ? ELSEWHERE : place;
  }
}

/** State of a set in a netns, and the elements that commands had put there when it was made. */
interface SetState {
  readonly from: NftElements;
  readonly elements: DynamicElements;
}

/** What rules have put into the sets of one netns; it outlives changes of the rules that leave the sets alone. */
export class DynamicSets {
  readonly #states = new Map<string, SetState>();

  /** State of a set, begun anew where commands have changed its elements since. */
  of(table: NftTable, set: NftSet, now: number): DynamicElements {
    const key = `${table.family} ${table.name} ${set.name}`;
    const known = this.#states.get(key);
    if (known?.from === set.elements) return known.elements;
    const elements = new DynamicElements(set.size ?? 65535);
    for (const element of set.elements) elements.put(element, element.timeout ?? set.timeout ?? 0, now, true);
    this.#states.set(key, { from: set.elements, elements });
    return elements;
  }

  /** Forgets the state of sets that are gone. */
  retain(tables: readonly NftTable[]): void {
    for (const key of [...this.#states.keys()]) {
      const [family, name, ...rest] = key.split(' ');
      const table = tables.find((other) => other.family === family && other.name === name);
      if (table?.sets.has(rest.join(' ')) !== true) this.#states.delete(key);
    }
  }
}

/** A chain in its table. */
export class LinkedNftChain {
  readonly compiled: CompiledNftChain;
  readonly #table: LinkedNftTable;
  #live: readonly CompiledNftRule[] | undefined;
  #entry: LinkedNftChain | undefined;
  /** Where each rule leads, found the first time. */
  readonly #targets: (LinkedNftChain | undefined)[];

  constructor(table: LinkedNftTable, compiled: CompiledNftChain) {
    this.#table = table;
    this.compiled = compiled;
    this.#targets = compiled.rules.map(() => undefined);
  }

  get chain(): NftChain {
    return this.compiled.chain;
  }

  /** Rules that can do anything, the sets of the table being as they are: all that matters where nobody listens. */
  get live(): readonly CompiledNftRule[] {
    if (this.#live === undefined) {
      // A loop of jumps meets itself here.
      this.#live = this.compiled.rules;
      this.#live = this.compiled.rules.filter(({ rule }) => !isIdle(rule, this.#table));
    }
    return this.#live;
  }

  /** The chain that a packet is in for, where nobody listens: of chains that do nothing but jump, the one at the end of the row. */
  get entry(): LinkedNftChain {
    if (this.#entry === undefined) {
      // A loop of jumps meets itself here.
      this.#entry = this;
      const [only] = this.live;
      const jumps = this.live.length === 1 && only!.target !== undefined && only!.statements.length === 1;
      this.#entry = (jumps ? this.target(only!)?.entry : undefined) ?? this;
    }
    return this.#entry;
  }

  /** Where a rule with a `target` leads. */
  target(rule: CompiledNftRule): LinkedNftChain | undefined {
    let target = this.#targets[rule.index - 1];
    if (target === undefined) {
      target = this.#table.chain(rule.target!);
      this.#targets[rule.index - 1] = target;
    }
    return target;
  }
}

/** A table in one netns: chains and sets are looked up by name once. */
export class LinkedNftTable implements IdleQuestions {
  readonly table: NftTable;
  /** As traces name it: `ip kube-proxy`. */
  readonly label: string;
  readonly spreads = new Spreads();
  readonly #dynamic: DynamicSets;
  readonly #chains = new Map<string, LinkedNftChain>();
  readonly #sets = new Map<string, LinkedSet>();

  constructor(table: NftTable, dynamic: DynamicSets) {
    this.table = table;
    this.label = `${table.family} ${table.name}`;
    this.#dynamic = dynamic;
  }

  isEmptySet(name: string): boolean {
    const set = this.table.sets.get(name);
    return set === undefined || (set.elements.size === 0 && !changesByItself(set));
  }

  isIdleChain(name: string): boolean {
    const chain = this.chain(name);
    return chain === undefined || chain.live.length === 0;
  }

  chain(name: string): LinkedNftChain | undefined {
    const known = this.#chains.get(name);
    if (known !== undefined) return known;
    const chain = this.table.chains.get(name);
    if (chain === undefined) return undefined;
    const linked = new LinkedNftChain(this, compileNftChain(chain));
    this.#chains.set(name, linked);
    return linked;
  }

  set(name: string, now: number): LinkedSet | undefined {
    const known = this.#sets.get(name);
    if (known !== undefined) return known;
    const set = this.table.sets.get(name);
    if (set === undefined) return undefined;
    const linked = new LinkedSet(this, set, changesByItself(set) ? this.#dynamic.of(this.table, set, now) : null);
    this.#sets.set(name, linked);
    return linked;
  }
}

/** Do elements come and go without a command: by rules, or with time? */
function changesByItself({ flags, timeout }: NftSet): boolean {
  return flags.includes('dynamic') || flags.includes('timeout') || timeout !== undefined;
}

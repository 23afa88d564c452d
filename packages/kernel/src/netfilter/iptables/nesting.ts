import { builtinChains } from './names.ts';
import type { BoundTarget, Chain, ChainLinks, Rule, Table, TableName } from './rule.ts';
import type { TableFault } from './verify.ts';

/** Chains that may be open at once (NFT_JUMP_STACK_SIZE). */
export const MAX_CHAIN_DEPTH = 16;

const onlyInHooks: Readonly<Record<string, readonly string[]>> = {
  DNAT: ['PREROUTING', 'OUTPUT'],
  REDIRECT: ['PREROUTING', 'OUTPUT'],
  SNAT: ['POSTROUTING', 'INPUT'],
  MASQUERADE: ['POSTROUTING'],
};

/** A bit for each kind of target that only some hooks allow. */
const kindBits: Readonly<Record<string, number>> = { DNAT: 1, REDIRECT: 2, SNAT: 4, MASQUERADE: 8 };

function allowedIn(hook: string): number {
  let bits = 0;
  for (const [kind, hooks] of Object.entries(onlyInHooks)) if (hooks.includes(hook)) bits |= kindBits[kind]!;
  return bits;
}

/** Finds where jumps lead too deep, in a loop, or to a target in the wrong place: walks from each built-in chain, once per chain and hook. What no hook leads to is not looked at: nor does the kernel. */
export class Nesting {
  readonly #table: Table;
  readonly #faults: TableFault[];
  /** Deepest level at which a chain was already walked. */
  #level = new Map<string, number>();
  readonly #open = new Set<string>();
  readonly #jumps = new Map<string, readonly number[]>();

  constructor(table: Table, faults: TableFault[]) {
    this.#table = table;
    this.#faults = faults;
  }

  run(): void {
    const builtins = builtinChains[this.#table.name];
    for (const hook of builtins) {
      this.#level = new Map();
      if (this.#table.chains.has(hook)) this.#visit(hook, hook, 1);
      if (this.#faults.length > 0) return;
    }
  }

  #visit(name: string, hook: string, level: number): void {
    if ((this.#level.get(name) ?? 0) >= level) return;
    this.#level.set(name, level);
    this.#open.add(name);
    const rules = this.#table.chains.get(name)!.rules;
    let jumps = this.#jumps.get(name);
    if (jumps === undefined) {
      jumps = rules.flatMap((rule, index) => (needsVisit(rule) ? [index] : []));
      this.#jumps.set(name, jumps);
    }
    for (const index of jumps) {
      const target = rules[index]!.target!;
      if (target.kind !== 'jump' && target.kind !== 'goto') {
        const allowed = onlyInHooks[target.kind];
        if (allowed !== undefined && !allowed.includes(hook)) {
          this.#fault(
            name,
            index,
            `target ${target.kind} is not valid in hook ${hook} (only ${allowed.join(', ')})`,
            target.kind,
          );
        }
        continue;
      }
      if (this.#open.has(target.chain)) {
        this.#fault(name, index, `Too many links: the jump to "${target.chain}" makes a loop`, target.chain);
      } else if (level >= MAX_CHAIN_DEPTH) {
        this.#fault(name, index, `Too many links: chains are nested more than ${MAX_CHAIN_DEPTH} deep`, target.chain);
      } else this.#visit(target.chain, hook, level + 1);
      if (this.#faults.length > 0) break;
    }
    this.#open.delete(name);
  }

  #fault(chain: string, index: number, message: string, token: string): void {
    this.#faults.push({ chain, index, message, token });
  }
}

function needsVisit(rule: Rule): boolean {
  const kind = rule.target?.kind;
  return kind === 'jump' || kind === 'goto' || (kind !== undefined && Object.hasOwn(onlyInHooks, kind));
}

const nowhere: ChainLinks = { jumps: [], kinds: [] };

/** Where a chain leads: as it says itself, else by its rules. */
export function linksOf(chain: Chain | undefined): ChainLinks {
  if (chain === undefined) return nowhere;
  return chain.links ?? linksOfRules(chain.rules);
}

/** Where rules lead: each kind of target once, a chain as often as they jump to it. */
export function linksOfRules(rules: readonly Rule[]): ChainLinks {
  let kinds: BoundTarget[] | undefined;
  let jumps: string[] | undefined;
  for (let i = 0; i < rules.length; i++) {
    const target = rules[i]!.target;
    if (target === undefined) continue;
    if (target.kind === 'jump' || target.kind === 'goto') {
      if (jumps === undefined) jumps = [target.chain];
      else jumps.push(target.chain);
    } else if (isBound(target.kind)) {
      if (kinds === undefined) kinds = [target.kind];
      else if (!kinds.includes(target.kind)) kinds.push(target.kind);
    }
  }
  if (jumps === undefined && kinds === undefined) return nowhere;
  return { jumps: jumps ?? nowhere.jumps, kinds: kinds ?? nowhere.kinds };
}

const boundTargets: Readonly<Record<BoundTarget, true>> = {
  DNAT: true,
  SNAT: true,
  MASQUERADE: true,
  REDIRECT: true,
  REJECT: true,
  CT: true,
};

function isBound(kind: string): kind is BoundTarget {
  return Object.hasOwn(boundTargets, kind);
}

function bitsOf(kinds: readonly BoundTarget[]): number {
  let bits = 0;
  for (let i = 0; i < kinds.length; i++) bits |= kindBits[kinds[i]!] ?? 0;
  return bits;
}

/** False where {@link Nesting} will find a fault. */
export function isSound(table: TableName, links: (name: string) => ChainLinks | undefined): boolean {
  const reach = new Reach((name) => links(name) ?? nowhere);
  return builtinChains[table].every((hook) => {
    const { depth, kinds } = reach.of(hook);
    return depth <= MAX_CHAIN_DEPTH && (kinds & ~allowedIn(hook)) === 0;
  });
}

/** How deep chains are nested, and what kinds of targets they lead to: each is looked at once. */
export class Reach {
  readonly #links: (name: string) => ChainLinks;
  /** By chain: levels from it down, and in the bits above those the kinds. */
  readonly #known = new Map<string, number>();
  /** The same by what chains say of themselves: very many say the very same. */
  readonly #knownLinks = new Map<ChainLinks, number>();

  constructor(links: (name: string) => ChainLinks) {
    this.#links = links;
  }

  /** Of a loop the depth is more than the kernel allows. */
  of(name: string): { readonly depth: number; readonly kinds: number } {
    const packed = this.#pack(name, 1);
    return { depth: packed & DEPTH_MASK, kinds: packed >> DEPTH_BITS };
  }

  /** Does a chain lead no deeper than the one it replaces, and to no kind of target that this one did not lead to? */
  within(chain: ChainLinks, replaced: ChainLinks, before: Reach): boolean {
    const had = new Set(replaced.jumps);
    let depth = 0;
    let kinds = bitsOf(chain.kinds);
    for (const target of chain.jumps) {
      if (had.has(target)) continue;
      const reach = this.of(target);
      depth = Math.max(depth, reach.depth);
      kinds |= reach.kinds;
    }
    kinds &= ~bitsOf(replaced.kinds);
    // Any of the old targets that go as deep will do.
    let oldDepth = 0;
    for (const target of had) {
      if (oldDepth >= depth && kinds === 0) return true;
      const reach = before.of(target);
      oldDepth = Math.max(oldDepth, reach.depth);
      kinds &= ~reach.kinds;
    }
    return oldDepth >= depth && kinds === 0;
  }

  #pack(name: string, level: number): number {
    if (level > MAX_CHAIN_DEPTH) return MAX_CHAIN_DEPTH + 1;
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const links = this.#links(name);
    const same = this.#knownLinks.get(links);
    if (same !== undefined) return same;
    // Met again before it is known, it leads back to itself.
    this.#known.set(name, MAX_CHAIN_DEPTH + 1);
    this.#knownLinks.set(links, MAX_CHAIN_DEPTH + 1);
    const { jumps, kinds: own } = links;
    let below = 0;
    let kinds = bitsOf(own);
    for (let i = 0; i < jumps.length; i++) {
      const packed = this.#pack(jumps[i]!, level + 1);
      below = Math.max(below, packed & DEPTH_MASK);
      kinds |= packed >> DEPTH_BITS;
    }
    const packed = Math.min(below + (links.levels ?? 1), DEPTH_MASK) | (kinds << DEPTH_BITS);
    this.#known.set(name, packed);
    this.#knownLinks.set(links, packed);
    return packed;
  }
}

const DEPTH_BITS = 8;
const DEPTH_MASK = 255;

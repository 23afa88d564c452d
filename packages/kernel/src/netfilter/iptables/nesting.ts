import { builtinChains } from './names.ts';
import type { Chain, Rule, Table } from './rule.ts';
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

// What is known of a chain, in one number: levels from it down, and above those the kinds of targets that it leads to.
const DEPTH_BITS = 8;
const DEPTH_MASK = 255;

/** How deep chains are nested, and what kinds of targets they lead to: each is looked at once. */
export class Reach {
  readonly #table: Table;
  readonly #known = new Map<string, number>();

  constructor(table: Table) {
    this.#table = table;
  }

  /** False where {@link Nesting} will find a fault. */
  isSound(): boolean {
    return builtinChains[this.#table.name].every((hook) => {
      const reach = this.#of(hook);
      return (reach & DEPTH_MASK) <= MAX_CHAIN_DEPTH && ((reach >> DEPTH_BITS) & ~allowedIn(hook)) === 0;
    });
  }

  /** Does a chain lead no deeper than the one it replaces, and to no kind of target that this one did not lead to? */
  within(chain: Chain, replaced: Chain, before: Reach): boolean {
    const had = new Set<string>();
    for (const { target } of replaced.rules)
      if (target?.kind === 'jump' || target?.kind === 'goto') had.add(target.chain);
    let depth = 0;
    let kinds = 0;
    for (const { target } of chain.rules) {
      if (target === undefined) continue;
      if (target.kind !== 'jump' && target.kind !== 'goto') kinds |= kindBits[target.kind] ?? 0;
      else if (!had.has(target.chain)) {
        const reach = this.#of(target.chain);
        depth = Math.max(depth, reach & DEPTH_MASK);
        kinds |= reach >> DEPTH_BITS;
      }
    }
    let oldDepth = 0;
    for (const { target } of replaced.rules) if (target !== undefined) kinds &= ~(kindBits[target.kind] ?? 0);
    // Any of the old targets that go as deep will do.
    for (const target of had) {
      if (oldDepth >= depth && kinds === 0) return true;
      const reach = before.#of(target);
      oldDepth = Math.max(oldDepth, reach & DEPTH_MASK);
      kinds &= ~(reach >> DEPTH_BITS);
    }
    return oldDepth >= depth && kinds === 0;
  }

  /** Of a loop the depth is more than the kernel allows. */
  #of(name: string, level = 1): number {
    if (level > MAX_CHAIN_DEPTH) return MAX_CHAIN_DEPTH + 1;
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const chain = this.#table.chains.get(name);
    // Met again before it is known, it leads back to itself.
    this.#known.set(name, MAX_CHAIN_DEPTH + 1);
    let below = 0;
    let kinds = 0;
    for (const { target } of chain?.rules ?? []) {
      if (target === undefined) continue;
      if (target.kind === 'jump' || target.kind === 'goto') {
        const reach = this.#of(target.chain, level + 1);
        below = Math.max(below, reach & DEPTH_MASK);
        kinds |= reach >> DEPTH_BITS;
      } else kinds |= kindBits[target.kind] ?? 0;
    }
    const reach = Math.min(below + 1, DEPTH_MASK) | (kinds << DEPTH_BITS);
    this.#known.set(name, reach);
    return reach;
  }
}

import { changedChains } from './changed-chains.ts';
import { IptablesError } from './error.ts';
import { builtinChains, MAX_CHAIN_NAME } from './names.ts';
import type { Chain, Rule, Ruleset, Table, TableName } from './rule.ts';

/** Why the kernel would refuse a table, and at which rule. */
export interface TableFault {
  readonly chain: string;
  /** Index of the rule in its chain, from 0. */
  readonly index: number;
  readonly message: string;
  readonly token?: string;
  readonly candidates?: Iterable<string>;
}

/** Chains that may be open at once (NFT_JUMP_STACK_SIZE). */
export const MAX_CHAIN_DEPTH = 16;

const onlyInTable: Readonly<Record<string, TableName>> = {
  DNAT: 'nat',
  SNAT: 'nat',
  MASQUERADE: 'nat',
  REDIRECT: 'nat',
  REJECT: 'filter',
  CT: 'raw',
};
const onlyInHooks: Readonly<Record<string, readonly string[]>> = {
  DNAT: ['PREROUTING', 'OUTPUT'],
  REDIRECT: ['PREROUTING', 'OUTPUT'],
  SNAT: ['POSTROUTING', 'INPUT'],
  MASQUERADE: ['POSTROUTING'],
};
const noInHooks = ['OUTPUT', 'POSTROUTING'];
const noOutHooks = ['PREROUTING', 'INPUT'];

const verified = new WeakMap<Table, true>();

/**
 * What iptables-restore and the kernel check when a table is committed: jumps lead to chains that exist, no chain leads back
 * to itself, chains are not nested too deep, and targets and matches stand where they may.
 */
export function checkTable(table: Table, before?: Table): TableFault[] {
  if (verified.has(table)) return [];
  if (before !== undefined && verified.has(before) && isSmallChange(before, table)) {
    verified.set(table, true);
    return [];
  }
  const faults: TableFault[] = [];
  for (const chain of table.chains.values()) checkChain(chain, table, faults);
  if (faults.length === 0) new Nesting(table, faults).run();
  if (faults.length === 0) verified.set(table, true);
  return faults;
}

function checkChain(chain: Chain, table: Table, faults: TableFault[]): void {
  if (chain.name.length > MAX_CHAIN_NAME) {
    faults.push({
      chain: chain.name,
      index: 0,
      message: `chain name "${chain.name}" is too long`,
      token: chain.name,
    });
  }
  for (let index = 0; index < chain.rules.length; index++) {
    const message = checkRule(chain.rules[index]!, table, chain.name);
    if (message !== undefined) faults.push({ chain: chain.name, index, ...message });
  }
}

/**
 * `before`: a ruleset that was verified and that this one takes the place of. Then only what changed is looked at. (That
 * unchanged chains jump to no chain that went away is up to who made the change; a restored text is checked in full.)
 *
 * @throws IptablesError if the kernel would refuse the ruleset
 */
export function verifyRuleset(ruleset: Ruleset, before?: Ruleset): void {
  const problems = [...ruleset.tables.values()].flatMap((table) =>
    checkTable(table, before?.tables.get(table.name)).map((fault) => ({
      line: 0,
      message: `table ${table.name}, chain ${fault.chain}, rule ${fault.index + 1}: ${fault.message}`,
      ...(fault.token === undefined ? {} : { token: fault.token }),
    })),
  );
  if (problems.length > 0) throw new IptablesError(problems);
}

type RuleFault = Pick<TableFault, 'message' | 'token' | 'candidates'>;

function checkRule(rule: Rule, table: Table, chain: string): RuleFault | undefined {
  const target = rule.target;
  if (table.name !== 'raw' && table.name !== 'mangle' && rule.matches.some((match) => match.kind === 'rpfilter')) {
    return {
      message: `match rpfilter is only valid in the "raw" or "mangle" table, not "${table.name}"`,
      token: 'rpfilter',
    };
  }
  if (target !== undefined) {
    if (target.kind === 'jump' || target.kind === 'goto') {
      if (builtinChains[table.name].includes(target.chain)) {
        return { message: `cannot jump to the built-in chain "${target.chain}"`, token: target.chain };
      }
      if (!table.chains.has(target.chain)) {
        return {
          message: `Couldn't load target "${target.chain}": no chain or target by that name in table ${table.name}`,
          token: target.chain,
          candidates: table.chains.keys(),
        };
      }
    } else {
      const wanted = onlyInTable[target.kind];
      if (wanted !== undefined && wanted !== table.name) {
        return {
          message: `target ${target.kind} is only valid in the "${wanted}" table, not "${table.name}"`,
          token: target.kind,
        };
      }
    }
  }
  if (rule.inInterface !== undefined && noInHooks.includes(chain)) {
    return { message: `Can't use -i with ${chain}`, token: '-i' };
  }
  if (rule.outInterface !== undefined && noOutHooks.includes(chain)) {
    return { message: `Can't use -o with ${chain}`, token: '-o' };
  }
  return undefined;
}

/** Walks jumps from each built-in chain, once per chain and hook. What no hook leads to is not looked at: nor does the kernel. */
class Nesting {
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

/**
 * Can the chains that changed do no harm? They must be sound themselves, be nested no deeper than what they take the place
 * of, and lead to no other kind of target. False says only that the whole table has to be looked at.
 */
function isSmallChange(before: Table, after: Table): boolean {
  const names = changedChains(before, after);
  if (names === undefined) return false;
  const old = new Reach(before);
  const now = new Reach(after);
  for (const name of names) {
    const chain = after.chains.get(name);
    if (chain === undefined) continue;
    const faults: TableFault[] = [];
    checkChain(chain, after, faults);
    if (faults.length > 0) return false;
    const replaced = before.chains.get(name);
    // A chain that is new is reached by way of one that changed.
    if (replaced !== undefined && !now.within(chain, replaced, old)) return false;
  }
  return true;
}

/** How deep the chains below a chain are nested, and what hooks their targets need. */
class Reach {
  readonly #table: Table;
  readonly #depths = new Map<string, number>();
  readonly #kinds = new Map<string, ReadonlySet<string>>();

  constructor(table: Table) {
    this.#table = table;
  }

  /** Does a chain lead no deeper than the one it replaces, and to no kind of target that this one did not lead to? */
  within(chain: Chain, replaced: Chain, before: Reach): boolean {
    const had = new Set(jumpsOf(replaced));
    let depth = 0;
    const kinds = new Set(kindsOf(chain));
    for (const target of jumpsOf(chain)) {
      if (had.has(target)) continue;
      depth = Math.max(depth, this.#depth(target));
      for (const kind of this.#kinds.get(target)!) kinds.add(kind);
    }
    // Any one of the old targets that goes as deep will do.
    const covered = new Set(kindsOf(replaced));
    let reached = 0;
    const enough = (): boolean => reached >= depth && [...kinds].every((kind) => covered.has(kind));
    for (const target of had) {
      if (enough()) return true;
      reached = Math.max(reached, before.#depth(target));
      for (const kind of before.#kinds.get(target)!) covered.add(kind);
    }
    return enough();
  }

  /** Levels from a chain down; one that is more than the kernel allows where there is a loop. */
  #depth(name: string): number {
    const known = this.#depths.get(name);
    if (known !== undefined) return known;
    // Met again before it is known, it leads back to itself.
    this.#depths.set(name, MAX_CHAIN_DEPTH + 1);
    const chain = this.#table.chains.get(name);
    const kinds = new Set(chain === undefined ? [] : kindsOf(chain));
    this.#kinds.set(name, kinds);
    let below = 0;
    for (const target of chain === undefined ? [] : jumpsOf(chain)) {
      below = Math.max(below, this.#depth(target));
      for (const kind of this.#kinds.get(target)!) kinds.add(kind);
    }
    this.#depths.set(name, below + 1);
    return below + 1;
  }
}

function jumpsOf(chain: Chain): string[] {
  return chain.rules.flatMap(({ target }) =>
    target?.kind === 'jump' || target?.kind === 'goto' ? [target.chain] : [],
  );
}

/** Kinds of its targets that only some hooks allow. */
function kindsOf(chain: Chain): string[] {
  return chain.rules.flatMap(({ target }) =>
    target !== undefined && Object.hasOwn(onlyInHooks, target.kind) ? [target.kind] : [],
  );
}

import { IptablesError } from './error.ts';
import { builtinChains, MAX_CHAIN_NAME } from './names.ts';
import type { Rule, Ruleset, Table, TableName } from './rule.ts';

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
export function checkTable(table: Table): TableFault[] {
  if (verified.has(table)) return [];
  const faults: TableFault[] = [];
  for (const chain of table.chains.values()) {
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
  if (faults.length === 0) new Nesting(table, faults).run();
  if (faults.length === 0) verified.set(table, true);
  return faults;
}

/** @throws IptablesError if the kernel would refuse the ruleset */
export function verifyRuleset(ruleset: Ruleset): void {
  const problems = [...ruleset.tables.values()].flatMap((table) =>
    checkTable(table).map((fault) => ({
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

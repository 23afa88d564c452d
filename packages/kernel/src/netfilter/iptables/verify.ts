import { changedChains, groupsOf, partsOf } from './changed-chains.ts';
import { IptablesError } from './error.ts';
import { builtinChains, MAX_CHAIN_NAME } from './names.ts';
import { isSound, linksOf, Nesting, Reach } from './nesting.ts';
import type { Chain, ChainGroup, ChainLinks, Rule, Ruleset, Table, TableName, Target } from './rule.ts';

/** Why the kernel would refuse a table, and at which rule. */
export interface TableFault {
  readonly chain: string;
  /** Index of the rule in its chain, from 0. */
  readonly index: number;
  readonly message: string;
  readonly token?: string;
  readonly candidates?: Iterable<string>;
}

const onlyInTable: Readonly<Partial<Record<Target['kind'], TableName>>> = {
  DNAT: 'nat',
  SNAT: 'nat',
  MASQUERADE: 'nat',
  REDIRECT: 'nat',
  REJECT: 'filter',
  CT: 'raw',
};
const noInHooks = ['OUTPUT', 'POSTROUTING'];
const noOutHooks = ['PREROUTING', 'INPUT'];

/** Tables that were found sound, with the names of the sets that their rules ask for. */
const verified = new WeakMap<Table, ReadonlySet<string>>();

/** Sets that the rules of a table ask for; undefined where the table was not verified. */
export function setsOf(table: Table): ReadonlySet<string> | undefined {
  return verified.get(table);
}

/**
 * What iptables-restore and the kernel check when a table is committed: jumps lead to chains that exist, no chain leads back
 * to itself, chains are not nested too deep, and targets and matches stand where they may.
 */
export function checkTable(table: Table, before?: Table): TableFault[] {
  if (verified.has(table)) return [];
  const oldSets = before === undefined ? undefined : verified.get(before);
  if (before !== undefined && oldSets !== undefined && oldSets.size === 0 && isSmallChange(before, table)) {
    verified.set(table, oldSets);
    return [];
  }
  const faults: TableFault[] = [];
  const { loose: chains, groups } = partsOf(table, (group) => areAllowed(group.links, table));
  // Layered chains are slow to look up, and each is looked up many times here.
  const flat: Table = groups.length > 0 ? table : { name: table.name, chains };
  const sets = new Set<string>();
  const links = new Map<string, ChainLinks>();
  let last: ChainLinks | undefined;
  for (const chain of chains.values()) {
    const own = chain.links;
    // Very many chains say the very same of themselves.
    if (own === undefined || own !== last || chain.name.length > MAX_CHAIN_NAME) checkChain(chain, flat, faults, sets);
    last = own;
    // While its rules are at hand: to come back to each later would cost as much again.
    links.set(chain.name, own ?? linksOf(chain));
  }
  const linksIn = (name: string) => links.get(name) ?? groups.find((group) => group.has(name))?.links;
  if (faults.length === 0 && !isSound(table.name, linksIn)) new Nesting(flat, faults).run();
  if (faults.length === 0) verified.set(table, sets);
  return faults;
}

function checkChain(chain: Chain, table: Table, faults: TableFault[], sets: Set<string>): void {
  if (chain.name.length > MAX_CHAIN_NAME) {
    faults.push({
      chain: chain.name,
      index: 0,
      message: `chain name "${chain.name}" is too long`,
      token: chain.name,
    });
  }
  if (chain.links !== undefined && areAllowed(chain.links, table)) return;
  for (let index = 0; index < chain.rules.length; index++) {
    const rule = chain.rules[index]!;
    for (const match of rule.matches) if (match.kind === 'set') sets.add(match.name);
    const message = checkRule(rule, table, chain.name);
    if (message !== undefined) faults.push({ chain: chain.name, index, ...message });
  }
}

/** Is there nothing to say against the rules of a chain that tells itself where they lead? */
function areAllowed({ jumps, kinds }: ChainLinks, { name, chains }: Table): boolean {
  for (let i = 0; i < kinds.length; i++) if (onlyInTable[kinds[i]!] !== name) return false;
  for (let i = 0; i < jumps.length; i++) {
    if (!chains.has(jumps[i]!) || builtinChains[name].includes(jumps[i]!)) return false;
  }
  return true;
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

/**
 * Can the chains that changed do no harm? They must be sound themselves, be nested no deeper than what they take the place
 * of, and lead to no other kind of target. False says only that the whole table has to be looked at.
 */
function isSmallChange(before: Table, after: Table): boolean {
  const names = changedChains(before, after);
  if (names === undefined) return false;
  const oldGroups = groupsOf(before.chains);
  const groups = groupsOf(after.chains);
  const isKnown = ({ links }: ChainGroup) => oldGroups.some((group) => group.links === links);
  if (!groups.every(isKnown) || names.some((name) => groups.some((group) => group.has(name)))) return false;
  const old = new Reach((name) => linksIn(before, oldGroups, name));
  const now = new Reach((name) => linksIn(after, groups, name));
  const sets = new Set<string>();
  for (const name of names) {
    const chain = after.chains.get(name);
    if (chain === undefined) continue;
    const faults: TableFault[] = [];
    checkChain(chain, after, faults, sets);
    if (faults.length > 0 || sets.size > 0) return false;
    const replaced = before.chains.get(name);
    // A chain that is new is reached by way of one that changed.
    if (replaced !== undefined && !now.within(linksOf(chain), linksOf(replaced), old)) return false;
  }
  return true;
}

function linksIn({ chains }: Table, groups: readonly ChainGroup[], name: string): ChainLinks {
  return groups.find((group) => group.has(name))?.links ?? linksOf(chains.get(name));
}

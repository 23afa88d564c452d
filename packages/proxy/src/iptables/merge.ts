import { isDeepStrictEqual } from 'node:util';
import type { Chain, Rule, Ruleset, Table, TableName } from '@netsim/kernel';
import { LayeredMap } from '../layered-map.ts';
import { canaryRuleset, kubeletRuleset } from './base-rules.ts';

/** Where a program puts its jumps in a built-in chain that has rules already: `iptables -I` or `-A`. */
export type Placement = 'first' | 'last';

/**
 * What a netns holds after a program has added its rules to those that are there. Jumps into built-in chains go first or
 * last, and are not added again where the same rule is there already (`iptables -C`); user chains of the same name are
 * rewritten. Neither ruleset is changed, and chains are shared with both.
 *
 * On a node kubelet is there first and appends, kube-proxy puts its jumps first (`-I`), flannel appends (`-A`).
 */
export function mergeRulesets(present: Ruleset, added: Ruleset, placement: Placement): Ruleset {
  if (present.family !== added.family) throw new Error('rulesets of two families cannot be merged');
  const tables = new Map<TableName, Table>(present.tables);
  for (const [name, table] of added.tables) {
    const old = present.tables.get(name);
    tables.set(name, old === undefined ? table : mergeTables(old, table, placement));
  }
  return { family: present.family, tables };
}

function mergeTables(present: Table, added: Table, placement: Placement): Table {
  const joined = new Map<string, Chain>();
  const [small, large] = roughSize(present) < roughSize(added) ? [present, added] : [added, present];
  // Only built-in chains are joined; they are few, and stand first in every table.
  for (const chain of large.chains.values()) {
    if (chain.policy === undefined) break;
    const other = small.chains.get(chain.name);
    if (other === undefined) joined.set(chain.name, chain);
    else joined.set(chain.name, joinBuiltin(present.chains.get(chain.name)!, added.chains.get(chain.name)!, placement));
  }
  for (const chain of small.chains.values()) {
    if (chain.policy !== undefined) {
      if (!joined.has(chain.name)) joined.set(chain.name, chain);
      continue;
    }
    // A chain that is only made sure to exist (`iptables -N`) keeps the rules it has.
    const old = present.chains.get(chain.name);
    if (old !== undefined && added.chains.get(chain.name)?.rules.length === 0) joined.set(chain.name, old);
  }
  return { name: present.name, chains: new LayeredMap<Chain>([joined, added.chains, present.chains]) };
}

/** An upper bound: to count what layers really hold would mean to look at all of it. */
function roughSize({ chains }: Table): number {
  return chains instanceof LayeredMap ? chains.roughSize : chains.size;
}

function joinBuiltin(present: Chain, added: Chain, placement: Placement): Chain {
  const fresh = added.rules.filter((rule) => !present.rules.some((other) => sameRule(rule, other)));
  if (fresh.length === 0) return present;
  const rules = placement === 'first' ? [...fresh, ...present.rules] : [...present.rules, ...fresh];
  return { name: present.name, policy: present.policy ?? 'ACCEPT', rules };
}

function sameRule(a: Rule, b: Rule): boolean {
  return a === b || isDeepStrictEqual({ ...a, origin: '' }, { ...b, origin: '' });
}

/** iptables-nft prints the tables in this order. */
const tableOrder: readonly TableName[] = ['mangle', 'security', 'raw', 'filter', 'nat'];

/**
 * Everything in a node's netns: kubelet's chains, then kube-proxy's with its jumps first, then those of the network plugin
 * behind them. That is how they end up whoever of the two starts first: kube-proxy puts its jumps first (`-I`), flannel
 * appends its own (`-A`), and neither moves a jump that is there already.
 */
export function nodeRuleset(proxy: Ruleset, plugins: readonly Ruleset[] = []): Ruleset {
  const { family } = proxy;
  let ruleset = mergeRulesets(kubeletRuleset(family), canaryRuleset(family, 'KUBE-PROXY-CANARY'), 'last');
  ruleset = mergeRulesets(ruleset, proxy, 'first');
  for (const plugin of plugins) {
    if (plugin.family === family) ruleset = mergeRulesets(ruleset, plugin, 'last');
  }
  const tables = new Map<TableName, Table>();
  for (const name of tableOrder) {
    const table = ruleset.tables.get(name);
    if (table !== undefined) tables.set(name, table);
  }
  return { family, tables };
}

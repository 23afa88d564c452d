import type { Family } from '@netsim/wire';
import { Hook } from '../../hook.ts';
import type { NftHooked, NftHooks } from '../plan.ts';
import { DynamicSets, LinkedNftTable } from './link.ts';
import {
  emptyNftRuleset,
  type NftChain,
  type NftExpression,
  type NftHook,
  type NftRuleset,
  type NftStatement,
  type NftTable,
} from './ruleset.ts';

const hookOf: Readonly<Record<NftHook, Hook>> = {
  prerouting: Hook.PREROUTING,
  input: Hook.INPUT,
  forward: Hook.FORWARD,
  output: Hook.OUTPUT,
  postrouting: Hook.POSTROUTING,
};

/** The nft tables of one netns, made ready. */
export class NftState {
  ruleset: NftRuleset = emptyNftRuleset;
  readonly #dynamic = new DynamicSets();
  #linked = new Map<NftTable, LinkedNftTable>();
  #ages = new Map<string, number>();

  /** `nextAge` is asked once for each base chain that was not there before. */
  load(ruleset: NftRuleset, nextAge: () => number): void {
    this.ruleset = ruleset;
    const linked = new Map<NftTable, LinkedNftTable>();
    const ages = new Map<string, number>();
    for (const table of ruleset.tables) {
      linked.set(table, this.#linked.get(table) ?? new LinkedNftTable(table, this.#dynamic));
      for (const { name } of baseChains(table)) {
        const key = `${table.family} ${table.name} ${name}`;
        ages.set(key, this.#ages.get(key) ?? nextAge());
      }
    }
    this.#linked = linked;
    this.#ages = ages;
    this.#dynamic.retain(ruleset.tables);
  }

  /** What sees packets of a family. */
  hooks(family: Family): NftHooks {
    const chains: NftHooked[] = [];
    let tracked = false;
    for (const [table, linked] of this.#linked) {
      if (table.family !== 'inet' && table.family !== (family === 4 ? 'ip' : 'ip6')) continue;
      tracked ||= tableNeedsConntrack(table);
      for (const { name, base } of baseChains(table)) {
        const { type, hook, priority, policy } = base!;
        const age = this.#ages.get(`${table.family} ${table.name} ${name}`) ?? 0;
        const at = { table: linked, chain: linked.chain(name)!, drops: policy === 'drop' };
        chains.push({ hook: hookOf[hook], type, priority, age, at });
      }
    }
    return { chains, tracked };
  }
}

/** Chains of a table at which packets enter. */
function baseChains(table: NftTable): NftChain[] {
  const { chains, baseChainNames } = table;
  if (baseChainNames === undefined) return [...chains.values()].filter(({ base }) => base !== undefined);
  return baseChainNames.flatMap((name) => {
    const chain = chains.get(name);
    return chain?.base === undefined ? [] : [chain];
  });
}

const needs = new WeakMap<NftChain, boolean>();

/** Does a rule of the table ask for connections? Linux hooks conntrack into a netns when the first such rule comes. */
function tableNeedsConntrack(table: NftTable): boolean {
  for (const chain of baseChains(table)) if (chainNeedsConntrack(chain)) return true;
  for (const chain of table.chains.values()) if (chainNeedsConntrack(chain)) return true;
  return false;
}

function chainNeedsConntrack(chain: NftChain): boolean {
  let needed = needs.get(chain);
  if (needed === undefined) {
    needed = chain.rules.some(({ statements }) => statements.some(statementNeedsConntrack));
    needs.set(chain, needed);
  }
  return needed;
}

function statementNeedsConntrack(statement: NftStatement): boolean {
  switch (statement.kind) {
    case 'match':
      return readsConntrack(statement.left);
    case 'vmap':
    case 'set update':
      return readsConntrack(statement.key);
    case 'set mark':
      return statement.target === 'ct' || readsConntrack(statement.value);
    case 'snat':
    case 'dnat':
    case 'masquerade':
    case 'redirect':
    case 'notrack':
      return true;
    default:
      return false;
  }
}

function readsConntrack(expression: NftExpression): boolean {
  switch (expression.kind) {
    case 'ct':
      return true;
    case 'concat':
      return expression.parts.some(readsConntrack);
    case 'binary':
      return readsConntrack(expression.left) || readsConntrack(expression.right);
    case 'map':
      return readsConntrack(expression.key);
    default:
      return false;
  }
}

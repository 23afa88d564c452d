import {
  type NftRuleset,
  printIptablesSave,
  printNftRuleset,
  printNftTable,
  type Ruleset,
  type WorldPlan,
} from '@netsim/kernel';
import { runCommand } from './command.ts';

/** The rules of one netns, in the order in which they are loaded: first those of iptables, then those of nft. */
export interface NetnsRules {
  readonly iptables: Ruleset[];
  readonly nft: NftRuleset[];
}

export function rulesByNetns(plan: WorldPlan): Map<string, NetnsRules> {
  const result = new Map<string, NetnsRules>();
  const of = (netns: string): NetnsRules => {
    const known = result.get(netns) ?? { iptables: [], nft: [] };
    result.set(netns, known);
    return known;
  };
  for (const { netns, ruleset } of plan.rulesets) of(netns).iptables.push(ruleset);
  for (const { netns, ruleset } of plan.nftRulesets ?? []) of(netns).nft.push(ruleset);
  return result;
}

/**
 * Gives the rules to the real tools. Returns one line for each place where what the tools print of them afterwards is not what
 * was loaded. `inside` is the start of a command line that runs the rest in the netns.
 */
export async function loadRules(netns: string, rules: NetnsRules, inside: readonly string[]): Promise<string[]> {
  const differences: string[] = [];
  for (const ruleset of rules.iptables) {
    const tools = ruleset.family === 4 ? 'iptables-nft' : 'ip6tables-nft';
    const text = printIptablesSave(ruleset);
    await runCommand([...inside, `${tools}-restore`], text);
    const saved = await runCommand([...inside, `${tools}-save`]);
    differences.push(...differingLines(netns, ruleLines(text), ruleLines(saved)));
  }
  for (const ruleset of rules.nft) {
    await runCommand([...inside, 'nft', '-f', '-'], printNftRuleset(ruleset));
    for (const table of ruleset.tables) {
      const listed = await runCommand([...inside, 'nft', '-s', 'list', 'table', table.family, table.name]);
      differences.push(...differingLines(netns, tableLines(printNftTable(table)), tableLines(listed)));
    }
  }
  return differences;
}

/** Names of the sets that rules fill as packets pass, with their tables. */
export function dynamicSets(ruleset: NftRuleset): { family: 'ip' | 'ip6' | 'inet'; table: string; set: string }[] {
  return ruleset.tables.flatMap(({ family, name, sets }) =>
    [...sets.values()]
      .filter(({ flags }) => flags.includes('dynamic'))
      .map((set) => ({ family, table: name, set: set.name })),
  );
}

function differingLines(netns: string, ours: readonly string[], kernels: readonly string[]): string[] {
  const a = new Set(ours);
  const b = new Set(kernels);
  return [
    ...[...a].filter((line) => !b.has(line)).map((line) => `${netns}: loaded but not listed: ${line}`),
    ...[...b].filter((line) => !a.has(line)).map((line) => `${netns}: listed but not loaded: ${line}`),
  ];
}

/** The rules of a text of iptables-save, each with its table: no comments, no counters. */
function ruleLines(text: string): string[] {
  const result: string[] = [];
  let table = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1);
    else if (line.startsWith('-A ')) result.push(`${table} ${line}`);
  }
  return result;
}

/** The lines of a text of `nft list table`, each with the set or chain that it stands in. Elements may come in any order. */
function tableLines(text: string): string[] {
  let block = '';
  let number = 0;
  return text.split('\n').flatMap((line) => {
    if (/^\t(set|map|chain) /.test(line)) {
      block = line.trim();
      number = 0;
    }
    // What nft merged to one element stays a set in its list, and is a plain comparison when that list is loaded again.
    const words = line
      .trim()
      .replace(/^elements = \{ /, '')
      .replace(/(,| \})$/, '')
      .replace(/\{ ([^ ,]+) \}/, '$1');
    if (words === '' || words === '}') return [];
    // Rules have an order, elements have none.
    return [block.startsWith('chain') ? `${block} ${number++} ${words}` : `${block} ${words}`];
  });
}

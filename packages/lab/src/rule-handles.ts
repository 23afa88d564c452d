import { type NftRuleset, printNftRule, printRule, type Ruleset } from '@netsim/kernel';

/**
 * A rule as the comparison names it: `index` counts from 1, `text` is that of iptables-save without `-A CHAIN`, or of `nft list`.
 * `table` is `filter` or, for a table of nft, `ip kube-proxy`.
 */
export interface KernelRule {
  readonly table: string;
  readonly chain: string;
  readonly index: number;
  readonly text: string;
}

/** Address families as the kernel numbers them in nfnetlink. */
const kernelFamily = { 4: 2, 6: 10 } as const;
/** Families of nf_tables, likewise (NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_INET). */
export const kernelNftFamily = { ip: 2, ip6: 10, inet: 1 } as const;

interface LoadedChain {
  readonly table: string;
  readonly rules: readonly string[];
}

/**
 * Ties the handles of the kernel's rules (in the order of its dump) to the rules that were loaded.
 * The key of the result is `family table handle`.
 */
export function readKernelRules(
  rulesets: readonly Ruleset[],
  nftRulesets: readonly NftRuleset[],
  handles: readonly (readonly [family: number, table: string, chain: string, handle: number])[],
): Map<string, KernelRule> {
  const loaded = new Map<string, LoadedChain>();
  for (const { family, tables } of rulesets) {
    for (const table of tables.values()) {
      for (const { name, rules } of table.chains.values()) {
        const texts = rules.map((rule) => printRule(rule, { family }));
        loaded.set(`${kernelFamily[family]} ${table.name} ${name}`, { table: table.name, rules: texts });
      }
    }
  }
  for (const table of nftRulesets.flatMap(({ tables }) => tables)) {
    for (const { name, rules } of table.chains.values()) {
      const place = `${kernelNftFamily[table.family]} ${table.name} ${name}`;
      loaded.set(place, { table: `${table.family} ${table.name}`, rules: rules.map(printNftRule) });
    }
  }
  const counts = new Map<string, number>();
  const result = new Map<string, KernelRule>();
  for (const [family, table, chain, handle] of handles) {
    const place = `${family} ${table} ${chain}`;
    const index = (counts.get(place) ?? 0) + 1;
    counts.set(place, index);
    const known = loaded.get(place);
    const text = known?.rules[index - 1] ?? `(rule ${index} that was not loaded)`;
    result.set(`${family} ${table} ${handle}`, { table: known?.table ?? table, chain, index, text });
  }
  return result;
}

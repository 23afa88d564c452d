import { printRule, type Ruleset } from '@netsim/kernel';

/** A rule as the comparison names it: `index` counts from 1, `text` as iptables-save prints it without `-A CHAIN`. */
export interface KernelRule {
  readonly table: string;
  readonly chain: string;
  readonly index: number;
  readonly text: string;
}

/** Address families as the kernel numbers them in nfnetlink. */
const kernelFamily = { 4: 2, 6: 10 } as const;

/**
 * Ties the handles of the kernel's rules (in the order of its dump) to the rules that were loaded.
 * The key of the result is `family table handle`.
 */
export function readKernelRules(
  rulesets: readonly Ruleset[],
  handles: readonly (readonly [family: number, table: string, chain: string, handle: number])[],
): Map<string, KernelRule> {
  const loaded = new Map<string, readonly string[]>();
  for (const { family, tables } of rulesets) {
    for (const table of tables.values()) {
      for (const { name, rules } of table.chains.values()) {
        loaded.set(
          `${kernelFamily[family]} ${table.name} ${name}`,
          rules.map((rule) => printRule(rule, { family })),
        );
      }
    }
  }
  const counts = new Map<string, number>();
  const result = new Map<string, KernelRule>();
  for (const [family, table, chain, handle] of handles) {
    const place = `${family} ${table} ${chain}`;
    const index = (counts.get(place) ?? 0) + 1;
    counts.set(place, index);
    const text = loaded.get(place)?.[index - 1] ?? `(rule ${index} that was not loaded)`;
    result.set(`${family} ${table} ${handle}`, { table, chain, index, text });
  }
  return result;
}

import type { Chain, Table } from './rule.ts';

type Chains = ReadonlyMap<string, Chain | null>;

/** Chains that share what did not change with others: the first layer that has a name decides, null in it means absent. */
interface LayeredChains extends Chains {
  readonly layers: readonly Chains[];
}

function isLayered(chains: Chains): chains is LayeredChains {
  return 'layers' in chains && Array.isArray(chains.layers);
}

/**
 * Names of the chains that differ between two tables, found at the cost of the change: layers that both share are not looked
 * into. Undefined where the tables share nothing, so that to compare them is no better than to look at all of them.
 */
export function changedChains(before: Table, after: Table): string[] | undefined {
  if (before === after) return [];
  if (!isLayered(before.chains) || !isLayered(after.chains)) return undefined;
  const known = new Set<Chains>();
  addLayers(before.chains, known);
  const names = new Set<string>();
  const shared = new Set<Chains>();
  addNames(after.chains, known, shared, names);
  if (shared.size === 0) return undefined;
  // What only the old table had.
  addNames(before.chains, shared, new Set(), names);
  return [...names].filter((name) => before.chains.get(name) !== after.chains.get(name));
}

function addLayers(chains: Chains, known: Set<Chains>): void {
  known.add(chains);
  if (isLayered(chains)) for (const layer of chains.layers) addLayers(layer, known);
}

function addNames(chains: Chains, known: ReadonlySet<Chains>, met: Set<Chains>, names: Set<string>): void {
  if (known.has(chains)) met.add(chains);
  else if (isLayered(chains)) for (const layer of chains.layers) addNames(layer, known, met, names);
  else for (const name of chains.keys()) names.add(name);
}

import type { Chain, ChainGroup, Table } from './rule.ts';

type Chains = ReadonlyMap<string, Chain | null>;

/** Chains that share what did not change with others: the first layer that has a name decides, null in it means absent. */
interface LayeredChains extends Chains {
  readonly layers: readonly Chains[];
}

function isLayered(chains: Chains): chains is LayeredChains {
  return 'layers' in chains && Array.isArray(chains.layers);
}

function isGroup(chains: Chains): chains is ChainGroup {
  return 'links' in chains;
}

/** The chains of a table, and the groups of chains apart from the others. */
export interface TableParts {
  readonly loose: ReadonlyMap<string, Chain>;
  readonly groups: readonly ChainGroup[];
}

/** Where a chain of a group lies over or under another of its name, or a group is not as it is wanted, none is told apart. */
export function partsOf({ chains }: Table, wanted: (group: ChainGroup) => boolean): TableParts {
  const loose = new Map<string, Chain | null>();
  const groups: ChainGroup[] = [];
  const visit = (part: Chains): void => {
    if (isLayered(part)) part.layers.forEach(visit);
    else if (isGroup(part)) groups.push(part);
    else part.forEach((chain, name) => void (loose.has(name) || loose.set(name, chain)));
  };
  visit(chains);
  const all = new Map<string, Chain>();
  if (!groups.every(wanted) || [...loose.keys()].some((name) => groups.some((group) => group.has(name)))) {
    chains.forEach((chain, name) => void all.set(name, chain));
    return { loose: all, groups: [] };
  }
  for (const [name, chain] of loose) if (chain !== null) all.set(name, chain);
  return { loose: all, groups };
}

/** The groups of chains in a table. */
export function groupsOf(chains: Chains): ChainGroup[] {
  if (isLayered(chains)) return chains.layers.flatMap(groupsOf);
  return isGroup(chains) ? [chains] : [];
}

/**
 * Names of the chains that differ between two tables, those of groups left out, found at the cost of the change: layers that
 * both share are not looked into. Undefined where the tables share nothing, so that to compare them is no better than to look at
 * all of them.
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
  else if (!isGroup(chains)) for (const name of chains.keys()) names.add(name);
}

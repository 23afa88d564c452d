import type { RouteRow } from '../model.ts';
import { byHostSpecificity } from './hostname.ts';
import { byPrecedence, type Entry, type ValueCondition } from './matcher.ts';

/** Entries in order of precedence: the narrower host name first, then as the rules of the route kinds say. */
export function inOrder(entries: readonly Entry[]): Entry[] {
  return entries.toSorted((a, b) => byHostSpecificity(a.hostname, b.hostname) || byPrecedence(a, b));
}

/** The rows of `netsim routes` for entries that are in order. */
export function rowsOf(entries: readonly Entry[]): RouteRow[] {
  const earlier = new Map<string, Entry[]>();
  return entries.map((entry) => {
    const { path } = entry;
    const key = `${entry.hostname ?? '*'} ${path.kind} ${path.kind === 'regex' ? path.source : path.value}`;
    const same = earlier.get(key) ?? [];
    earlier.set(key, same);
    const shadow = same.find((one) => takesAll(one, entry));
    same.push(entry);
    const notes = [
      ...(entry.broken === undefined ? [] : [entry.broken.message]),
      ...(entry.action.unsupported === undefined ? [] : [`answers 500: ${entry.action.unsupported.message}`]),
      ...entry.action.targets.flatMap(({ problem }) =>
        problem === undefined ? [] : [`answers 500: ${problem.message}`],
      ),
    ];
    return { rule: entry.rule, ...(shadow !== undefined && { shadowedBy: shadow.rule }), notes };
  });
}

/** Whether each request that `later` could take is taken by `earlier`; both have the same host and path. */
function takesAll(earlier: Entry, later: Entry): boolean {
  const among = (wanted: ValueCondition, all: readonly ValueCondition[]) =>
    all.some(({ name, value, regex }) => name === wanted.name && value === wanted.value && regex === wanted.regex);
  return (
    earlier.broken === undefined &&
    (earlier.method === undefined || earlier.method === later.method) &&
    earlier.headers.every((one) => among(one, later.headers)) &&
    earlier.params.every((one) => among(one, later.params))
  );
}

import { type PathEntry, PathTables } from '../http/path-tables.ts';
import { NONE } from '../http/path-trie.ts';
import type { Backend, Forward } from '../model.ts';
import { forwardPlainly, type PlainForward, type PlainWay } from './action.ts';
import type { Incoming } from './incoming.ts';
import { byPrecedence, type Entry, meetsPath, meetsRest } from './matcher.ts';

/** What takes a path, in order: rules for exactly it, then those for all below it, then those of shorter prefixes. */
export interface Place {
  readonly exact: readonly Entry[];
  readonly prefix: readonly Entry[];
  /** Of the longest prefix that is shorter. */
  readonly above: Place | undefined;
}

/** Rules of a table that no place leads to. */
interface Others {
  readonly regex: readonly Entry[];
  readonly suffix: readonly Entry[];
  /** For all paths. */
  readonly root: readonly Entry[];
}

const NOBODY: readonly Entry[] = [];

/** The entries under all host names, a table each, by path. */
export class EntryTables {
  readonly #paths = new PathTables<Place | PlainForward>();
  /** By place, beside each other in the memory: where all requests go that have the path. */
  readonly #backends: (Backend | undefined)[] = [];
  readonly #wayOf: number[] = [];
  /** Few: what differs from place to place is the backend. */
  readonly #ways: PlainWay[] = [];
  readonly #numbers = new Map<string, number>();
  /** By table. */
  readonly #others: Others[] = [];

  /** The number of the new table. */
  add(entries: readonly Entry[]): number {
    const ordered = entries.toSorted(byPrecedence);
    const regex = ordered.filter(({ path }) => path.kind === 'regex');
    const suffix = ordered.filter(({ path }) => path.kind === 'suffix');
    const root = ordered.filter(({ path }) => path.kind === 'prefix' && path.value === '');
    const paths = placesOf(ordered);
    if (root.length > 0) {
      paths.push({ path: '/', value: { exact: NOBODY, prefix: NOBODY, above: undefined }, whole: false });
    }
    const others = { regex, suffix, root };
    this.#others.push(others);
    const table = this.#paths.add(
      paths.map(({ path, value, whole }) => ({ path, whole, value: plainAt(value, others) ?? value })),
    );
    for (const value of this.#paths.values.slice(this.#backends.length)) {
      const plain = 'backend' in value ? value : undefined;
      this.#backends.push(plain?.backend);
      this.#wayOf.push(plain === undefined ? 0 : this.#way(plain));
    }
    return table;
  }

  #way({ response, timeouts }: PlainForward): number {
    const text = JSON.stringify([response, timeouts]);
    let number = this.#numbers.get(text);
    if (number === undefined) {
      number = this.#ways.push({ response, timeouts }) - 1;
      this.#numbers.set(text, number);
    }
    return number;
  }

  /** The most precise place for a path; NONE. */
  placeOf(table: number, { target, path }: Incoming): number {
    return this.#paths.find(table, target, path.length);
  }

  /** Where all requests to a place are passed on unchanged to one backend. */
  forwardAt(place: number, request: Incoming): Forward | undefined {
    const backend = place === NONE ? undefined : this.#backends[place];
    if (backend === undefined) return undefined;
    // Most often there is one way for all: then a place of the memory less is looked at.
    const way = this.#ways[this.#ways.length === 1 ? 0 : this.#wayOf[place]!]!;
    return forwardPlainly(request, backend, way);
  }

  /** The first entry that takes a request whose path has this place. */
  entryAt(table: number, place: number, request: Incoming): Entry | undefined {
    const { path } = request;
    const found = place === NONE ? undefined : this.#paths.values[place];
    const here = found === undefined || 'backend' in found ? undefined : found;
    const { regex, suffix, root } = this.#others[table]!;
    const exact = here === undefined ? undefined : firstOf(here.exact, request);
    if (exact !== undefined) return exact;
    for (const entry of regex) if (meetsPath(entry.path, path) && meetsRest(entry, request)) return entry;
    for (let at = here; at !== undefined; at = at.above) {
      const hit = firstOf(at.prefix, request);
      if (hit !== undefined) return hit;
    }
    for (const entry of suffix) if (meetsPath(entry.path, path) && meetsRest(entry, request)) return entry;
    return path.charCodeAt(0) === 0x2f ? firstOf(root, request) : undefined;
  }
}

/** Where nothing but the path counts and all requests to a place are passed on unchanged to one backend. */
function plainAt(place: Place, others: Others): PlainForward | undefined {
  const first = firstAt(place, others);
  return first?.unconditional === true ? first.plain : undefined;
}

/** The entry that each request to a place meets first. */
function firstAt({ exact, prefix }: Place, { regex, suffix, root }: Others): Entry | undefined {
  if (exact.length > 0) return exact[0];
  if (regex.length > 0) return undefined;
  if (prefix.length > 0) return prefix[0];
  return suffix.length > 0 ? undefined : root[0];
}

/** The places of exact paths and prefixes, by the paths that lead to them. */
function placesOf(ordered: readonly Entry[]): PathEntry<Place>[] {
  const named = new Map<string, { exact: Entry[]; prefix: Entry[] }>();
  for (const entry of ordered) {
    const { path } = entry;
    if (path.kind === 'regex' || path.kind === 'suffix' || (path.kind === 'prefix' && path.value === '')) continue;
    const both = named.get(path.value) ?? { exact: [], prefix: [] };
    named.set(path.value, both);
    both[path.kind].push(entry);
  }
  const paths: PathEntry<Place>[] = [];
  const prefixes = new Map<string, Place>();
  // Shorter paths first: each finds the prefix above it.
  for (const [path, { exact, prefix }] of [...named].sort(([a], [b]) => a.length - b.length)) {
    const above = longestAbove(path, prefixes);
    const own: Place = { exact, prefix, above };
    paths.push({ path, value: own, whole: true });
    if (prefix.length === 0) continue;
    const below: Place = exact.length === 0 ? own : { exact: NOBODY, prefix, above };
    prefixes.set(path, below);
    paths.push({ path: `${path}/`, value: below, whole: false });
  }
  return paths;
}

function longestAbove(path: string, prefixes: ReadonlyMap<string, Place>): Place | undefined {
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
    const found = prefixes.get(path.slice(0, end));
    if (found !== undefined) return found;
  }
  return undefined;
}

function firstOf(entries: readonly Entry[], request: Incoming): Entry | undefined {
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i]!;
    if (entry.unconditional || meetsRest(entry, request)) return entry;
  }
  return undefined;
}

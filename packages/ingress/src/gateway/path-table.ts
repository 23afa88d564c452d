import { PathTrie, type TrieEntry } from '../http/path-trie.ts';
import type { PlainForward } from './action.ts';
import type { Incoming } from './incoming.ts';
import { byPrecedence, type Entry, meetsPath, meetsRest } from './matcher.ts';

/** What takes a path, in order: rules for exactly it, then those for all below it, then those of shorter prefixes. */
interface Place {
  readonly exact: readonly Entry[];
  readonly prefix: readonly Entry[];
  /** Of the longest prefix that is shorter. */
  readonly above: Place | undefined;
}

/** No rule names the path or a prefix of it. */
const NO_PLACE = -1;
const NONE: readonly Entry[] = [];

/**
 * Tries from a path to the number of its place. Tables of hosts with the same paths share one: it stays in the caches of the
 * processor, whatever the number of hosts.
 */
export class PathIndexes {
  readonly #known = new Map<string, PathTrie<number>>();

  of(paths: readonly TrieEntry<number>[]): PathTrie<number> {
    const shape = JSON.stringify(paths.map(({ path, value, whole }) => [path, value, whole]));
    let index = this.#known.get(shape);
    if (index === undefined) {
      index = new PathTrie(paths);
      this.#known.set(shape, index);
    }
    return index;
  }
}

/** The entries under one host name, by path. */
export class PathTable {
  readonly #index: PathTrie<number>;
  readonly #places: readonly Place[];
  /** By place: what is done with each of its requests, where nothing but the path counts and they go on unchanged. */
  readonly #plain: readonly (PlainForward | undefined)[];
  readonly #regex: readonly Entry[];
  readonly #suffix: readonly Entry[];
  readonly #root: readonly Entry[];

  constructor(entries: readonly Entry[], indexes: PathIndexes) {
    const ordered = entries.toSorted(byPrecedence);
    this.#regex = ordered.filter(({ path }) => path.kind === 'regex');
    this.#suffix = ordered.filter(({ path }) => path.kind === 'suffix');
    this.#root = ordered.filter(({ path }) => path.kind === 'prefix' && path.value === '');
    const { places, paths } = placesOf(ordered);
    if (this.#root.length > 0) {
      places.push({ exact: NONE, prefix: NONE, above: undefined });
      paths.push({ path: '/', value: places.length - 1, whole: false });
    }
    this.#places = places;
    this.#plain = places.map((place) => {
      const only = this.#only(place);
      return only?.unconditional === true ? only.plain : undefined;
    });
    this.#index = indexes.of(paths);
  }

  /** The entry that each request to a place meets first. */
  #only({ exact, prefix }: Place): Entry | undefined {
    if (exact.length > 0) return exact[0];
    if (this.#regex.length > 0) return undefined;
    if (prefix.length > 0) return prefix[0];
    return this.#suffix.length > 0 ? undefined : this.#root[0];
  }

  /** The most precise place for a path: to be asked for what takes the request there. */
  placeOf({ target, path }: Incoming): number {
    return this.#index.find(target, path.length) ?? NO_PLACE;
  }

  /** Where all requests to the place are passed on unchanged to one backend. */
  plainAt(place: number): PlainForward | undefined {
    return place === NO_PLACE ? undefined : this.#plain[place];
  }

  /** The first entry that takes a request whose path has this place. */
  entryAt(place: number, request: Incoming): Entry | undefined {
    const { path } = request;
    const here = place === NO_PLACE ? undefined : this.#places[place];
    const exact = here === undefined ? undefined : firstOf(here.exact, request);
    if (exact !== undefined) return exact;
    for (const entry of this.#regex) if (meetsPath(entry.path, path) && meetsRest(entry, request)) return entry;
    for (let at = here; at !== undefined; at = at.above) {
      const hit = firstOf(at.prefix, request);
      if (hit !== undefined) return hit;
    }
    for (const entry of this.#suffix) if (meetsPath(entry.path, path) && meetsRest(entry, request)) return entry;
    return path.charCodeAt(0) === 0x2f ? firstOf(this.#root, request) : undefined;
  }
}

/** The places of exact paths and prefixes, and the paths that lead to them. */
function placesOf(ordered: readonly Entry[]): { places: Place[]; paths: TrieEntry<number>[] } {
  const named = new Map<string, { exact: Entry[]; prefix: Entry[] }>();
  for (const entry of ordered) {
    const { path } = entry;
    if (path.kind === 'regex' || path.kind === 'suffix' || (path.kind === 'prefix' && path.value === '')) continue;
    const both = named.get(path.value) ?? { exact: [], prefix: [] };
    named.set(path.value, both);
    both[path.kind].push(entry);
  }
  const places: Place[] = [];
  const paths: TrieEntry<number>[] = [];
  const prefixes = new Map<string, Place>();
  // Shorter paths first: each finds the prefix above it.
  for (const [path, { exact, prefix }] of [...named].sort(([a], [b]) => a.length - b.length)) {
    const above = longestAbove(path, prefixes);
    const own: Place = { exact, prefix, above };
    places.push(own);
    paths.push({ path, value: places.length - 1, whole: true });
    if (prefix.length === 0) continue;
    const below: Place = exact.length === 0 ? own : { exact: NONE, prefix, above };
    if (below !== own) places.push(below);
    prefixes.set(path, below);
    paths.push({ path: `${path}/`, value: places.length - 1, whole: false });
  }
  return { places, paths };
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

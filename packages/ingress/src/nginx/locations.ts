import type { PathEntry, PathTables } from '../http/path-tables.ts';
import { NONE } from '../http/path-trie.ts';
import { Regex, RegexError, toBytes } from '../regex/index.ts';
import { NginxConfigurationError, type NginxLocation, unquote } from './configuration.ts';
import { asciiLower } from './request.ts';
import { escapeUri } from './uri.ts';

/** How a path found its location. */
export type LocationMatch<L> =
  | { readonly kind: 'location'; readonly location: L }
  /** The path lacks the slash that a location ends with: 301 to this, escaped. */
  | { readonly kind: 'slash'; readonly location: L; readonly to: string };

interface RegexLocation<L> {
  readonly found: LocationMatch<L>;
  /** What every matching path begins with, in lower case; it decides alone where there is no expression. */
  readonly prefix: string;
  readonly regex: Regex | undefined;
}

/**
 * The locations of one server, found as `ngx_http_core_find_location` does: the exact one, else a redirect to the one with a
 * slash more, else the first regular expression that matches, else the longest prefix.
 */
export class LocationIndex<L extends NginxLocation> {
  /** What paths lead to, as far as no expression takes them. */
  readonly entries: readonly PathEntry<LocationMatch<L>>[];
  readonly #paths: PathTables<LocationMatch<L>>;
  #table: number | undefined;
  readonly #regexes: RegexLocation<L>[] = [];

  /** Throws a NginxConfigurationError where nginx refuses the locations. `paths`: shared by the servers of a configuration. */
  constructor(locations: readonly L[], paths: PathTables<LocationMatch<L>>) {
    const exact = new Map<string, L>();
    const prefixes = new Map<string, L>();
    for (const location of locations) {
      const path = toBytes(unquote(location.path));
      if (location.modifier === '~*') {
        this.#regexes.push(compileLocation(location, path));
        continue;
      }
      const map = location.modifier === '=' ? exact : prefixes;
      if (map.has(path)) throw new NginxConfigurationError(`duplicate location "${path}"`);
      map.set(path, location);
    }
    this.#paths = paths;
    this.entries = pathEntries(exact, prefixes);
  }

  get hasRegexes(): boolean {
    return this.#regexes.length > 0;
  }

  /** Undefined: no location, nginx's own 404. Throws a MatchLimitError. */
  find(uri: string): LocationMatch<L> | undefined {
    this.#table ??= this.#paths.add(this.entries);
    const place = this.#paths.find(this.#table, uri, uri.length);
    const found = place === NONE ? undefined : this.#paths.values[place];
    if (this.#regexes.length === 0 || (found !== undefined && isWhole(found))) return found;
    const lower = asciiLower(uri);
    for (const { found: match, prefix, regex } of this.#regexes) {
      if (lower.startsWith(prefix) && (regex === undefined || regex.test(uri))) return match;
    }
    return found;
  }
}

/** Decides alone, before any expression. */
function isWhole<L extends NginxLocation>(match: LocationMatch<L>): boolean {
  return match.kind === 'slash' || match.location.modifier === '=';
}

/** Exact paths decide alone; so do those that lack only the slash of a location, unless they have one of their own. */
function pathEntries<L>(
  exact: ReadonlyMap<string, L>,
  prefixes: ReadonlyMap<string, L>,
): PathEntry<LocationMatch<L>>[] {
  const entries: PathEntry<LocationMatch<L>>[] = [];
  for (const [path, location] of exact) entries.push({ path, value: { kind: 'location', location }, whole: true });
  for (const [path, location] of prefixes) entries.push({ path, value: { kind: 'location', location }, whole: false });
  for (const [path, location] of [...exact, ...prefixes]) {
    const bare = path.slice(0, -1);
    if (!path.endsWith('/') || prefixes.has(bare) || exact.has(bare)) continue;
    entries.push({ path: bare, value: { kind: 'slash', location, to: escapeUri(path) }, whole: true });
  }
  return entries;
}

function compileLocation<L extends NginxLocation>(location: L, path: string): RegexLocation<L> {
  const found: LocationMatch<L> = { kind: 'location', location };
  try {
    const regex = new Regex(path, { caseless: true });
    // Plain text behind `^` needs no search, and tells for most paths that the rest of an expression cannot match.
    const plain = /^\^((?:[\w/~@!%&=:;,"'<> -](?![*+?{]))*)(.*)$/s.exec(path);
    if (plain === null || /[|]/.test(path)) return { found, prefix: '', regex };
    return { found, prefix: asciiLower(plain[1]!), regex: plain[2] === '' ? undefined : regex };
  } catch (error) {
    if (error instanceof RegexError) {
      throw new NginxConfigurationError(`regex "${path}" does not compile: ${error.message} at ${error.offset}`);
    }
    throw error;
  }
}

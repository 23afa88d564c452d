import { PathTrie, type TrieEntry } from '../http/path-trie.ts';
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
  readonly #paths: PathTrie<LocationMatch<L>>;
  readonly #regexes: RegexLocation<L>[] = [];

  /** Throws a NginxConfigurationError where nginx refuses the locations. */
  constructor(locations: readonly L[]) {
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
    this.#paths = new PathTrie(pathEntries(exact, prefixes));
  }

  /** Undefined: no location, nginx's own 404. Throws a MatchLimitError. */
  find(uri: string): LocationMatch<L> | undefined {
    if (this.#regexes.length === 0) return this.#paths.find(uri, uri.length);
    const whole = this.#paths.find(uri, uri.length, true);
    if (whole !== undefined) return whole;
    const lower = asciiLower(uri);
    for (const { found, prefix, regex } of this.#regexes) {
      if (lower.startsWith(prefix) && (regex === undefined || regex.test(uri))) return found;
    }
    return this.#paths.find(uri, uri.length);
  }
}

/** Exact paths decide alone; so do those that lack only the slash of a location, unless they have one of their own. */
function* pathEntries<L>(
  exact: ReadonlyMap<string, L>,
  prefixes: ReadonlyMap<string, L>,
): Generator<TrieEntry<LocationMatch<L>>> {
  for (const [path, location] of exact) yield { path, value: { kind: 'location', location }, whole: true };
  for (const [path, location] of prefixes) yield { path, value: { kind: 'location', location }, whole: false };
  for (const [path, location] of [...exact, ...prefixes]) {
    const bare = path.slice(0, -1);
    if (!path.endsWith('/') || prefixes.has(bare)) continue;
    yield { path: bare, value: { kind: 'slash', location, to: escapeUri(path) }, whole: true };
  }
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

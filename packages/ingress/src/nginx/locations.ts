import { Regex, RegexError, toBytes } from '../regex/index.ts';
import { NginxConfigurationError, type NginxLocation, unquote } from './configuration.ts';
import { asciiLower } from './request.ts';
import { escapeUri } from './uri.ts';

/** How a path found its location. */
export type LocationMatch<L> =
  | { readonly kind: 'location'; readonly location: L }
  /** The path lacks the slash that a location ends with: 301 to this, escaped. */
  | { readonly kind: 'slash'; readonly location: L; readonly to: string };

interface PrefixLocation<L> {
  readonly path: string;
  readonly found: LocationMatch<L>;
  /** The longest other prefix that this one begins with. */
  readonly parent: PrefixLocation<L> | undefined;
}

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
  /** Paths that decide alone: of exact locations, and those that lack only the slash of a location. */
  readonly #whole = new Map<string, LocationMatch<L>>();
  /** In the order of their bytes. */
  readonly #prefixes: PrefixLocation<L>[] = [];
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
    for (const [path, location] of exact) this.#whole.set(path, { kind: 'location', location });
    for (const [path, location] of [...exact, ...prefixes]) {
      const bare = path.slice(0, -1);
      if (!path.endsWith('/') || exact.has(bare) || prefixes.has(bare) || this.#whole.has(bare)) continue;
      this.#whole.set(bare, { kind: 'slash', location, to: escapeUri(path) });
    }
    this.#sortPrefixes(prefixes);
  }

  #sortPrefixes(prefixes: ReadonlyMap<string, L>): void {
    const open: PrefixLocation<L>[] = [];
    for (const path of [...prefixes.keys()].sort()) {
      while (open.length > 0 && !path.startsWith(open.at(-1)!.path)) open.pop();
      const found: LocationMatch<L> = { kind: 'location', location: prefixes.get(path)! };
      const entry = { path, found, parent: open.at(-1) };
      open.push(entry);
      this.#prefixes.push(entry);
    }
  }

  /** Undefined: no location, nginx's own 404. Throws a MatchLimitError. */
  find(uri: string): LocationMatch<L> | undefined {
    const whole = this.#whole.get(uri);
    if (whole !== undefined) return whole;
    if (this.#regexes.length > 0) {
      const lower = asciiLower(uri);
      for (const { found, prefix, regex } of this.#regexes) {
        if (lower.startsWith(prefix) && (regex === undefined || regex.test(uri))) return found;
      }
    }
    return this.#longestPrefix(uri);
  }

  /** The last prefix that is not behind the path begins with each prefix that the path has. */
  #longestPrefix(uri: string): LocationMatch<L> | undefined {
    const prefixes = this.#prefixes;
    let low = 0;
    let high = prefixes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (prefixes[middle]!.path <= uri) low = middle + 1;
      else high = middle;
    }
    let entry = low === 0 ? undefined : prefixes[low - 1];
    while (entry !== undefined && !uri.startsWith(entry.path)) entry = entry.parent;
    return entry?.found;
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

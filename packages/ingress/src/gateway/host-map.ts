import { together } from '../http/host.ts';
import { byHostSpecificity, hostMatches } from './hostname.ts';

/**
 * Values by host name pattern. `find` gives what fits a name, most specific first: the chains are made when the map is made, so
 * that a look-up hashes the name and no more.
 */
export class HostMap<T> {
  /** Most specific first. */
  readonly values: readonly T[];
  readonly #exact = new Map<string, T>();
  /** By the same names, with what fits them too. */
  readonly #chains = new Map<string, readonly T[]>();
  /** By suffix with its dot: `.example.com`. */
  readonly #wildcard = new Map<string, readonly T[]>();
  readonly #all: readonly T[];
  readonly #longestSuffix: number;

  constructor(entries: ReadonlyMap<string | undefined, T>) {
    const patterns = [...entries.keys()].sort(byHostSpecificity);
    this.values = patterns.map((pattern) => entries.get(pattern)!);
    const wild = patterns.filter((pattern) => pattern === undefined || pattern.startsWith('*.'));
    const chain = (name: string | undefined, among: readonly (string | undefined)[]) =>
      among
        .filter((pattern) => pattern === name || (name !== undefined && hostMatches(pattern, name)))
        .map((pattern) => entries.get(pattern)!);
    const exact: string[] = [];
    let longest = 0;
    for (const pattern of patterns) {
      if (pattern === undefined) continue;
      if (pattern.startsWith('*.')) {
        this.#wildcard.set(pattern.slice(1), chain(pattern, wild));
        longest = Math.max(longest, pattern.length - 1);
      } else {
        exact.push(pattern);
        this.#chains.set(pattern, chain(pattern, [pattern, ...wild]));
      }
    }
    for (const name of together(exact)) this.#exact.set(name, entries.get(name)!);
    this.#all = chain(undefined, wild.includes(undefined) ? [undefined] : []);
    this.#longestSuffix = longest;
  }

  /** What stands under a name itself: the first of what `find` gives, where it is there. */
  exact(name: string): T | undefined {
    return this.#exact.get(name);
  }

  find(host: string): readonly T[] {
    const exact = this.#chains.get(host);
    if (exact !== undefined) return exact;
    if (this.#longestSuffix > 0) {
      // A name may be hostile: suffixes that are longer than any pattern are not looked up.
      for (
        let dot = host.indexOf('.', Math.max(1, host.length - this.#longestSuffix));
        dot !== -1;
        dot = host.indexOf('.', dot + 1)
      ) {
        const found = this.#wildcard.get(host.slice(dot));
        if (found !== undefined) return found;
      }
    }
    return this.#all;
  }
}

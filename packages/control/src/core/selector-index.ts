import type { LabelSelector } from '@netsim/manifest';
import { type Labels, matchesSelector, pair, requiredPairs } from './selector.ts';

interface Entry {
  readonly name: string;
  readonly selector: LabelSelector;
  readonly pairs: readonly string[] | undefined;
}

interface Space {
  readonly entries: Map<string, Entry>;
  readonly byPair: Map<string, Map<string, Entry>>;
  /** Selectors that demand no particular value. */
  readonly unbound: Map<string, Entry>;
}

/** Finds the selectors (of services, of replica sets) that a set of labels satisfies, without trying each of them. */
export class SelectorIndex {
  readonly #spaces = new Map<string, Space>();

  /** Sets or, with no selector, removes what the name of the namespace selects. */
  set(namespace: string, name: string, selector: LabelSelector | undefined): void {
    let space = this.#spaces.get(namespace);
    if (space === undefined) {
      if (selector === undefined) return;
      space = { entries: new Map(), byPair: new Map(), unbound: new Map() };
      this.#spaces.set(namespace, space);
    }
    const old = space.entries.get(name);
    if (old !== undefined) {
      space.entries.delete(name);
      space.unbound.delete(name);
      for (const each of old.pairs ?? []) {
        const bucket = space.byPair.get(each);
        bucket?.delete(name);
        if (bucket?.size === 0) space.byPair.delete(each);
      }
    }
    if (selector === undefined) return;
    const entry: Entry = { name, selector, pairs: requiredPairs(selector) };
    space.entries.set(name, entry);
    if (entry.pairs === undefined) space.unbound.set(name, entry);
    for (const each of entry.pairs ?? []) {
      let bucket = space.byPair.get(each);
      if (bucket === undefined) {
        bucket = new Map();
        space.byPair.set(each, bucket);
      }
      bucket.set(name, entry);
    }
  }

  /** Names in the namespace whose selector the labels satisfy. */
  matching(namespace: string, labels: Labels | undefined): string[] {
    const space = this.#spaces.get(namespace);
    if (space === undefined) return [];
    const found: string[] = [];
    for (const entry of space.unbound.values()) if (matchesSelector(entry.selector, labels)) found.push(entry.name);
    for (const key in labels) {
      const bucket = space.byPair.get(pair(key, labels[key]!));
      if (bucket === undefined) continue;
      for (const entry of bucket.values()) if (matchesSelector(entry.selector, labels)) found.push(entry.name);
    }
    return found;
  }
}

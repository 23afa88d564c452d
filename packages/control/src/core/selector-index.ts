import type { LabelSelector } from '@netsim/manifest';
import { type Labels, matchesSelector, requiredLabel } from './selector.ts';

interface Entry {
  readonly name: string;
  readonly selector: LabelSelector;
}

class Space {
  readonly entries = new Map<string, Entry>();
  /** Label key to value to the selectors that demand it. */
  readonly byLabel = new Map<string, Map<string, Map<string, Entry>>>();
  /** Selectors that demand no particular value. */
  readonly unbound = new Map<string, Entry>();
}

/** Finds the selectors (of services, of replica sets) that a set of labels satisfies, without trying each of them. */
export class SelectorIndex {
  readonly #spaces = new Map<string, Space>();

  /** Sets or, with no selector, removes what the name of the namespace selects. */
  set(namespace: string, name: string, selector: LabelSelector | undefined): void {
    let space = this.#spaces.get(namespace);
    if (space === undefined) {
      if (selector === undefined) return;
      space = new Space();
      this.#spaces.set(namespace, space);
    }
    const old = space.entries.get(name);
    if (old?.selector === selector) return;
    if (old !== undefined) {
      space.entries.delete(name);
      for (const bucket of buckets(space, old.selector)) bucket.delete(name);
    }
    if (selector === undefined) return;
    const entry: Entry = { name, selector };
    space.entries.set(name, entry);
    for (const bucket of buckets(space, selector)) bucket.set(name, entry);
  }

  /** Names in the namespace whose selector the labels satisfy. */
  matching(namespace: string, labels: Labels | undefined): string[] {
    const space = this.#spaces.get(namespace);
    const found: string[] = [];
    if (space === undefined) return found;
    for (const entry of space.unbound.values()) if (matchesSelector(entry.selector, labels)) found.push(entry.name);
    for (const key in labels) {
      const bucket = space.byLabel.get(key)?.get(labels[key]!);
      if (bucket === undefined) continue;
      for (const entry of bucket.values()) if (matchesSelector(entry.selector, labels)) found.push(entry.name);
    }
    return found;
  }
}

/** Where a selector is filed: under the values of the label that it demands. */
function buckets(space: Space, selector: LabelSelector): Map<string, Entry>[] {
  const required = requiredLabel(selector);
  if (required === undefined) return [space.unbound];
  let values = space.byLabel.get(required.key);
  if (values === undefined) {
    values = new Map();
    space.byLabel.set(required.key, values);
  }
  return required.values.map((value) => {
    let bucket = values.get(value);
    if (bucket === undefined) {
      bucket = new Map();
      values.set(value, bucket);
    }
    return bucket;
  });
}

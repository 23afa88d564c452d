import type { NftElements } from '@netsim/kernel';
import { LayeredMap } from '../layered-map.ts';
import type { ElementStore } from './element-store.ts';
import { changed } from './element-store.ts';
import type { ProxyElement } from './elements.ts';

/** The elements of one set on one node: those of services that are the same everywhere, and the node's own over them. */
export class MergedElements {
  readonly #shared: ElementStore;
  readonly #own: ElementStore;
  #sharedVersion = -1;
  #ownVersion = -1;
  #current: LayeredMap<ProxyElement> = new LayeredMap<ProxyElement>([]);
  #elements: NftElements;

  constructor(shared: ElementStore, own: ElementStore) {
    this.#shared = shared;
    this.#own = own;
    this.#elements = shared.elements;
  }

  /** By key text; the same object while nothing changes. */
  get current(): ReadonlyMap<string, ProxyElement> {
    return this.#current;
  }

  get elements(): NftElements {
    return this.#elements;
  }

  /** Takes in what has changed in both, and says which keys may have changed. */
  update(): Iterable<string> {
    const shared = this.#shared;
    const own = this.#own;
    if (shared.version === this.#sharedVersion && own.version === this.#ownVersion) return [];
    const keys = this.#changedKeys();
    const before = this.#current;
    this.#sharedVersion = shared.version;
    this.#ownVersion = own.version;
    this.#current = new LayeredMap<ProxyElement>([own.current, shared.current]);
    if (own.current.size === 0) {
      // Nodes with nothing of their own have one and the same set.
      this.#elements = shared.elements;
      return keys ?? allKeys(before, this.#current);
    }
    if (keys === undefined) {
      this.#elements = shared.elements;
      for (const element of own.current.values()) this.#elements = this.#elements.with(element);
      return allKeys(before, this.#current);
    }
    for (const key of keys) {
      this.#elements = changed(this.#elements, before.get(key), this.#current.get(key));
    }
    return keys;
  }

  #changedKeys(): Set<string> | undefined {
    const inShared = this.#shared.changedSince(this.#sharedVersion);
    const inOwn = this.#own.changedSince(this.#ownVersion);
    return inShared === undefined || inOwn === undefined ? undefined : new Set([...inShared, ...inOwn]);
  }
}

/** Keys of either. */
export function allKeys(before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>): Iterable<string> {
  return before.size === 0 ? after.keys() : new Set([...before.keys(), ...after.keys()]);
}

import { changedKeys, LayeredMap } from '../iptables/layered-map.ts';
import type { ElementStore } from './element-store.ts';
import { changed } from './element-store.ts';
import type { ProxyElement } from './elements.ts';
import type { NftElements } from './kernel-shim.ts';

/** The elements of one set on one node: those of services that are the same everywhere, and the node's own over them. */
export class MergedElements {
  readonly #shared: ElementStore;
  readonly #own: ElementStore;
  #current: LayeredMap<ProxyElement>;
  #elements: NftElements;

  constructor(shared: ElementStore, own: ElementStore) {
    this.#shared = shared;
    this.#own = own;
    this.#current = new LayeredMap([own.current, shared.current]);
    this.#elements = shared.elements;
    for (const element of own.current.values()) this.#elements = this.#elements.with(element);
  }

  /** By key text; the same object while nothing changes. */
  get current(): ReadonlyMap<string, ProxyElement> {
    return this.#current;
  }

  get elements(): NftElements {
    return this.#elements;
  }

  /** Takes in what has changed in both. */
  update(): void {
    const before = this.#current;
    if (before.layers[0] === this.#own.current && before.layers[1] === this.#shared.current) return;
    this.#current = new LayeredMap([this.#own.current, this.#shared.current]);
    // Nodes with nothing of their own have one and the same set.
    if (this.#own.current.size === 0) this.#elements = this.#shared.elements;
    else {
      for (const key of changedKeys<ProxyElement>(before, this.#current)) {
        this.#elements = changed(this.#elements, before.get(key), this.#current.get(key));
      }
    }
  }
}

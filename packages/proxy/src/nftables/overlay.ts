import { LayeredMap } from '../iptables/layered-map.ts';

const MAX_OVERLAY = 512;

/**
 * Keeps a map whose states are values: what is given out is never changed. A change costs what changed, but for one in a
 * few hundred, at which the lower layer is made anew.
 */
export class OverlayMap<V> {
  #base: ReadonlyMap<string, V> = new Map<string, V>();
  #overlay: ReadonlyMap<string, V | null> = new Map<string, V | null>();
  #current: ReadonlyMap<string, V> = this.#base;

  /** The state now; the same object while nothing changes. */
  get current(): ReadonlyMap<string, V> {
    return this.#current;
  }

  reset(entries: ReadonlyMap<string, V>): void {
    this.#base = entries;
    this.#overlay = new Map();
    this.#current = entries;
  }

  /** Sets values; null takes one away. */
  apply(changes: ReadonlyMap<string, V | null>): void {
    const real = [...changes].filter(([key, value]) => this.#current.get(key) !== (value ?? undefined));
    if (real.length === 0) return;
    const overlay = new Map(this.#overlay);
    for (const [key, value] of real) overlay.set(key, value);
    if (overlay.size <= MAX_OVERLAY) {
      this.#overlay = overlay;
      this.#current = new LayeredMap<V>([overlay, this.#base]);
      return;
    }
    const base = new Map(this.#base);
    for (const [key, value] of overlay) {
      if (value === null) base.delete(key);
      else base.set(key, value);
    }
    this.reset(base);
  }
}

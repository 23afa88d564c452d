/** A map of so many entries at most: where it is full, the one that was set first goes. */
export class BoundedMap<K, V> {
  readonly #map = new Map<K, V>();
  readonly #capacity: number;
  /** Goes on from the oldest entry; a new walk would begin with all the places of those that are gone. */
  #oldest: Iterator<K> = this.#map.keys();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#map.size;
  }

  get(key: K): V | undefined {
    return this.#map.get(key);
  }

  delete(key: K): void {
    this.#map.delete(key);
  }

  /** Sets an entry, which is the newest from then on. */
  set(key: K, value: V): void {
    this.#map.delete(key);
    this.#map.set(key, value);
    while (this.#map.size > this.#capacity) {
      const { value: oldest, done } = this.#oldest.next();
      if (done === true) this.#oldest = this.#map.keys();
      else this.#map.delete(oldest);
    }
  }
}

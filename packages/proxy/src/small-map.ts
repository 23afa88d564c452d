/** A map by text that mostly has one entry, and then costs nothing more; there may be very many such maps. */
export class SmallMap<V> {
  #key = '';
  #value: V | undefined;
  #others: Map<string, V> | undefined;

  get(key: string): V | undefined {
    return this.#value !== undefined && this.#key === key ? this.#value : this.#others?.get(key);
  }

  set(key: string, value: V): void {
    if (this.#value === undefined || this.#key === key) {
      this.#key = key;
      this.#value = value;
      return;
    }
    this.#others ??= new Map();
    this.#others.set(key, value);
  }

  /** The value of a key, made if it is not there. */
  getOrMake(key: string, make: () => V): V {
    let value = this.get(key);
    if (value === undefined) {
      value = make();
      this.set(key, value);
    }
    return value;
  }
}

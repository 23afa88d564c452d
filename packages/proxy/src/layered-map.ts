/**
 * A read-only map made of layers: the first layer that has a key decides, `null` in it means absent. Lets rulesets of many
 * nodes, and the ruleset before and after a change, share nearly everything.
 */
export class LayeredMap<V> implements ReadonlyMap<string, V> {
  readonly layers: readonly ReadonlyMap<string, V | null>[];
  #size: number | undefined;

  constructor(layers: readonly ReadonlyMap<string, V | null>[]) {
    this.layers = layers;
  }

  get size(): number {
    if (this.#size === undefined) {
      this.#size = 0;
      for (const _ of this.entries()) this.#size++;
    }
    return this.#size;
  }

  /** Entries of all layers, hidden ones too; costs nothing. */
  get roughSize(): number {
    let size = 0;
    for (const layer of this.layers) size += layer instanceof LayeredMap ? layer.roughSize : layer.size;
    return size;
  }

  get(key: string): V | undefined {
    for (const layer of this.layers) {
      const value = layer.get(key);
      if (value !== undefined) return value ?? undefined;
    }
    return undefined;
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  *entries(): MapIterator<[string, V]> {
    for (let depth = 0; depth < this.layers.length; depth++) {
      for (const [key, value] of this.layers[depth]!) {
        if (value !== null && !this.#hidden(key, depth)) yield [key, value];
      }
    }
  }

  *keys(): MapIterator<string> {
    for (const [key] of this.entries()) yield key;
  }

  *values(): MapIterator<V> {
    for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator](): MapIterator<[string, V]> {
    return this.entries();
  }

  forEach(visit: (value: V, key: string, map: ReadonlyMap<string, V>) => void): void {
    for (let depth = 0; depth < this.layers.length; depth++) {
      this.layers[depth]!.forEach((value, key) => {
        if (value !== null && !this.#hidden(key, depth)) visit(value, key, this);
      });
    }
  }

  #hidden(key: string, depth: number): boolean {
    for (let above = 0; above < depth; above++) {
      if (this.layers[above]!.has(key)) return true;
    }
    return false;
  }
}

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

/**
 * Keys whose values differ between two maps. Layers that both share are not looked into, so two rulesets of which one came
 * of the other by a small change are compared at the cost of the change.
 */
export function changedKeys<V>(before: ReadonlyMap<string, V>, after: ReadonlyMap<string, V>): string[] {
  const candidates = new Set<string>();
  collect(before, after, candidates);
  return [...candidates].filter((key) => before.get(key) !== after.get(key));
}

function collect(
  before: ReadonlyMap<string, unknown> | undefined,
  after: ReadonlyMap<string, unknown> | undefined,
  keys: Set<string>,
): void {
  if (before === after) return;
  if (before instanceof LayeredMap && after instanceof LayeredMap) {
    // Lower layers are what stays: they are compared from the bottom up.
    const depth = Math.max(before.layers.length, after.layers.length);
    for (let i = 1; i <= depth; i++) collect(before.layers.at(-i), after.layers.at(-i), keys);
    return;
  }
  if (before instanceof LayeredMap && after !== undefined && before.layers.includes(after)) {
    for (const layer of before.layers) if (layer !== after) collect(layer, undefined, keys);
    return;
  }
  if (after instanceof LayeredMap && before !== undefined && after.layers.includes(before)) {
    for (const layer of after.layers) if (layer !== before) collect(undefined, layer, keys);
    return;
  }
  for (const map of [before, after]) if (map !== undefined) for (const key of map.keys()) keys.add(key);
}

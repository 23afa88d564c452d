import { SeededRandom } from '@netsim/kernel';

/** Random decisions of a generator, from one seed. */
export class Dice {
  readonly #random: SeededRandom;
  constructor(...seeds: readonly number[]) {
    let state = 0x9e3779b9;
    for (const seed of seeds) state = Math.imul(state ^ seed, 0x85ebca6b) ^ (state >>> 13);
    this.#random = new SeededRandom(state);
  }
  /** True `percent` times in a hundred. */
  percent(percent: number): boolean {
    return this.#random.below(10_000) < percent * 100;
  }
  /** An integer from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.#random.below(high - low + 1);
  }
  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new Error('nothing to pick from');
    return items[this.#random.below(items.length)]!;
  }
  /** One of the keys, as often as its weight says. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const entries = Object.entries(weights) as [K, number][];
    let left = this.#random.below(entries.reduce((sum, [, weight]) => sum + weight, 0));
    for (const [key, weight] of entries) {
      if (left < weight) return key;
      left -= weight;
    }
    throw new Error('weights sum to nothing');
  }
}

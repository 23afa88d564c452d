import { type RandomSource, SeededRandom } from './random.ts';

/** A choice that was met, and the way that was gone. */
export interface Choice {
  /** Which way, from 0. */
  readonly way: number;
  /** Probability of each way; they sum to 1. */
  readonly ways: readonly number[];
}

/**
 * A random source that normally follows its seed. Given a script, the ways to go at the choices that are met, it follows that and
 * notes each choice with its probabilities, so that every way can be walked in turn.
 */
export class ScriptedRandom implements RandomSource {
  readonly #seeded: SeededRandom;
  #script: readonly number[] | undefined;
  #made: Choice[] = [];

  constructor(seed: number) {
    this.#seeded = new SeededRandom(seed);
  }

  chance(probability: number): boolean {
    if (this.#script === undefined) return this.#seeded.chance(probability);
    return this.#follow([probability, 1 - probability]) === 0;
  }

  choose(n: number): number {
    if (this.#script === undefined) return this.#seeded.choose(n);
    return this.#follow(Array<number>(n).fill(1 / n));
  }

  below(bound: number): number {
    return this.#seeded.below(bound);
  }

  #follow(ways: readonly number[]): number {
    const way = this.#script![this.#made.length] ?? possible(ways, 0);
    this.#made.push({ way, ways });
    return way;
  }

  /** Runs something with the choices of a script; beyond the script the first way is gone. Returns the choices met. */
  withScript(script: readonly number[], body: () => void): readonly Choice[] {
    this.#script = script;
    this.#made = [];
    try {
      body();
    } finally {
      this.#script = undefined;
    }
    return this.#made;
  }
}

/** The first way from `from` on that has a chance at all; the number of ways where none has. */
function possible(ways: readonly number[], from: number): number {
  const found = ways.findIndex((probability, way) => way >= from && probability > 0);
  return found < 0 ? ways.length : found;
}

/** Script of the next path in depth-first order: at the last choice that has another way, that one. Undefined after the last path. */
export function nextScript(made: readonly Choice[]): number[] | undefined {
  for (let last = made.length - 1; last >= 0; last--) {
    const { way, ways } = made[last]!;
    const next = possible(ways, way + 1);
    if (next < ways.length) return [...made.slice(0, last).map((choice) => choice.way), next];
  }
  return undefined;
}

/** Product of the probabilities of the ways gone. */
export function probabilityOf(made: readonly Choice[]): number {
  return made.reduce((product, { way, ways }) => product * ways[way]!, 1);
}

import type { RandomSource } from '@netsim/kernel';
import { SeededRandom } from '@netsim/kernel';

export interface Choice {
  readonly probability: number;
  readonly taken: boolean;
}

/**
 * The random source of a cluster's world. Normally it follows its seed. For `--all-paths` it is given a script: the
 * choices of one path through the rules, and notes each choice with its probability, so that all paths can be walked.
 */
export class SteeredRandom implements RandomSource {
  readonly #seeded: SeededRandom;
  #script: readonly boolean[] | undefined;
  #made: Choice[] = [];

  constructor(seed: number) {
    this.#seeded = new SeededRandom(seed);
  }

  chance(probability: number): boolean {
    if (this.#script === undefined) return this.#seeded.chance(probability);
    const taken = this.#script[this.#made.length] ?? true;
    this.#made.push({ probability, taken });
    return taken;
  }

  below(bound: number): number {
    return this.#seeded.below(bound);
  }

  /** Runs something with the choices of a script; beyond the script every choice is taken. Returns the choices met. */
  withScript(script: readonly boolean[], body: () => void): readonly Choice[] {
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

/** Script of the next path in depth-first order: the last choice that was taken is refused. Undefined after the last path. */
export function nextScript(made: readonly Choice[]): boolean[] | undefined {
  for (let last = made.length - 1; last >= 0; last--) {
    const { taken, probability } = made[last]!;
    if (taken && probability < 1) return [...made.slice(0, last).map((choice) => choice.taken), false];
  }
  return undefined;
}

/** Product of the probabilities of the choices made. */
export function probabilityOf(made: readonly Choice[]): number {
  return made.reduce((product, { probability, taken }) => product * (taken ? probability : 1 - probability), 1);
}

import type { World } from '@netsim/kernel';
import { parseDuration } from './duration.ts';

/** Moments at which control loops act within one advance of the clock. */
const MAX_ROUNDS = 1_000_000;

/** The virtual clock of a cluster. */
export class ClusterClock {
  readonly #world: World;
  readonly #control: { settle(): void; deadline(): number | undefined };

  constructor(world: World, control: { settle(): void; deadline(): number | undefined }) {
    this.#world = world;
    this.#control = control;
  }

  /** Milliseconds since the cluster was loaded. */
  get now(): number {
    return this.#world.clock.now;
  }

  /**
   * Moves time by a duration (`5m`, `90s`, or milliseconds): timers fire, entries expire, and the control loops act at the moments
   * they wait for.
   */
  advance(duration: string | number): void {
    const { clock } = this.#world;
    const end = clock.now + parseDuration(duration);
    // Each round a control loop acted; one that asks for the same moment for ever ends it.
    for (let rounds = 0; rounds < MAX_ROUNDS; rounds++) {
      const next = this.#control.deadline();
      const stop = next === undefined || next > end ? end : Math.max(next, clock.now);
      this.#world.advance(stop - clock.now);
      this.#control.settle();
      if (stop >= end) return;
    }
  }
}

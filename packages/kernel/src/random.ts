/**
 * The source of every choice the kernel makes: `statistic --mode random`, port selection, sequence numbers.
 * One seed, one history. A caller may put its own in place to steer or enumerate the choices of a trace.
 */
export interface RandomSource {
  /** True with the given probability. `what` names the choice for one that enumerates them. */
  chance(probability: number, what?: object): boolean;
  /** One of `n` ways, each as likely: `numgen random`, a hash over equal paths. `what` as above. */
  choose(n: number, what?: object): number;
  /** An integer in [0, bound) that no path depends on: a port, a sequence number. */
  below(bound: number): number;
}

/** xoshiro-style 32-bit generator (mulberry32): small, fast, and the same on every machine. */
export class SeededRandom implements RandomSource {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  }
  chance(probability: number): boolean {
    return this.next() < probability * 4294967296;
  }
  choose(n: number): number {
    return this.next() % n;
  }
  below(bound: number): number {
    return this.next() % bound;
  }
}

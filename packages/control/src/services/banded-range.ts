/**
 * Numbers handed out from a range in two bands, as KEP-3070 and KEP-3668: the low band is left for those who ask for a
 * certain number, the high one serves requests for any; the low band is used when the high one is full.
 */
export class BandedRange {
  readonly #used = new Map<number, string>();
  readonly #first: number;
  readonly #last: number;
  readonly #band: number;

  /** Offsets from `first` to `last`; the first `band` of them are the static band. */
  constructor(first: number, last: number, band: number) {
    this.#first = first;
    this.#last = last;
    this.#band = band;
  }

  /** Who has the number. */
  holder(offset: number): string | undefined {
    return this.#used.get(offset);
  }

  contains(offset: number): boolean {
    return offset >= this.#first && offset <= this.#last;
  }

  reserve(offset: number, holder: string): void {
    this.#used.set(offset, holder);
  }

  /** Frees the number if this holder has it. */
  release(offset: number, holder: string): void {
    if (this.#used.get(offset) === holder) this.#used.delete(offset);
  }

  /** A free number: from the high band, searching upwards from where `pick` (of a bound) says; then from the low band. */
  allocate(holder: string, pick: (bound: number) => number): number | undefined {
    const split = Math.min(this.#first + this.#band, this.#last + 1);
    for (const [from, to] of [
      [split, this.#last],
      [this.#first, split - 1],
    ] as const) {
      const size = to - from + 1;
      if (size <= 0) continue;
      const start = pick(size);
      for (let i = 0; i < size; i++) {
        const offset = from + ((start + i) % size);
        if (this.#used.has(offset)) continue;
        this.#used.set(offset, holder);
        return offset;
      }
    }
    return undefined;
  }
}

/** Size of the static band: 1/16 of the range of addresses, at least 16 and at most 256; none in a tiny range. */
export function addressBand(size: number): number {
  return size <= 16 ? 0 : Math.min(Math.max(16, Math.floor(size / 16)), 256);
}

/** Size of the static band of node ports: 1/32 of the range, at least 16 and at most 128; none in a tiny range. */
export function portBand(size: number): number {
  return size <= 16 ? 0 : Math.min(Math.max(16, Math.floor(size / 32)), 128);
}

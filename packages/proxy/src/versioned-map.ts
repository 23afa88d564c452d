import { LayeredMap } from './layered-map.ts';

const MAX_SMALL = 32;
const MAX_MIDDLE = 1024;
const MAX_LOG = 8192;

type Layer<V> = ReadonlyMap<string, V | null>;

/**
 * Keeps a map whose states are values: what was given out is never changed. It also knows which keys changed since some earlier
 * state, so that whoever follows it looks at nothing else. A change is written into a small layer over a middle one over all the
 * rest, so that what it costs hardly depends on how much there is.
 */
export class VersionedMap<V> {
  #small: Layer<V> = new Map<string, V | null>();
  #middle: Layer<V> = new Map<string, V | null>();
  #base: ReadonlyMap<string, V> = new Map<string, V>();
  #current: ReadonlyMap<string, V> = this.#base;
  /** Keys in the order they changed. */
  #log: string[] = [];
  #dropped = 0;

  /** The state now; the same object while nothing changes. */
  get current(): ReadonlyMap<string, V> {
    return this.#current;
  }

  /** Where the log of changes stands; to be given to {@link changedSince} later. */
  get version(): number {
    return this.#dropped + this.#log.length;
  }

  /** Keys changed since a version, some perhaps more than once; undefined where that is too long ago to know. */
  changedSince(version: number): readonly string[] | undefined {
    return version < this.#dropped ? undefined : this.#log.slice(version - this.#dropped);
  }

  reset(entries: ReadonlyMap<string, V>): void {
    this.#dropped = this.version + 1;
    this.#log = [];
    this.#rebase(entries);
  }

  /** Sets values; null takes one away. */
  apply(changes: ReadonlyMap<string, V | null>): void {
    const small = new Map(this.#small);
    let touched = false;
    for (const [key, value] of changes) {
      if (this.#current.get(key) === (value ?? undefined)) continue;
      small.set(key, value);
      this.#log.push(key);
      touched = true;
    }
    if (!touched) return;
    if (this.#log.length > MAX_LOG) {
      this.#dropped += this.#log.length >> 1;
      this.#log = this.#log.slice(this.#log.length >> 1);
    }
    this.#small = small;
    if (small.size > MAX_SMALL) {
      this.#middle = over(small, this.#middle);
      this.#small = new Map();
    }
    if (this.#middle.size > MAX_MIDDLE) {
      this.#rebase(over(this.#middle, this.#base, true) as ReadonlyMap<string, V>);
    } else this.#current = new LayeredMap<V>([this.#small, this.#middle, this.#base]);
  }

  #rebase(entries: ReadonlyMap<string, V>): void {
    this.#small = new Map();
    this.#middle = new Map();
    this.#base = entries;
    this.#current = entries;
  }
}

/** One layer made of two; the lowest has no need to say what is absent. */
function over<V>(upper: Layer<V>, lower: Layer<V>, lowest = false): Layer<V> {
  const joined = new Map(lower);
  for (const [key, value] of upper) {
    if (value === null && lowest) joined.delete(key);
    else joined.set(key, value);
  }
  return joined;
}

import { hashKey } from './elements.ts';
import type { NftElement, NftScalar } from './ruleset.ts';

interface Entry {
  readonly element: NftElement;
  /** Virtual time in ms at which it is gone; infinity: never. */
  expires: number;
}

/**
 * The elements of a set that rules change as packets pass, or whose elements time out: the state of one netns. Expired
 * ones are never seen; they are removed when they are met, and all of them where the set is full.
 */
export class DynamicElements {
  readonly #buckets = new Map<number, Entry[]>();
  readonly #capacity: number;
  #size = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  find(key: readonly NftScalar[], now: number): NftElement | null {
    return this.#entry(key, now)?.element ?? null;
  }

  /** Adds an element; `renew` starts the lifetime of one that is there anew. False where the set is full. */
  put(element: NftElement, timeout: number, now: number, renew: boolean): boolean {
    const key = element.key as readonly NftScalar[];
    const expires = timeout > 0 ? now + timeout : Number.POSITIVE_INFINITY;
    const known = this.#entry(key, now);
    if (known !== undefined) {
      if (renew) known.expires = expires;
      return true;
    }
    if (this.#size >= this.#capacity) this.#sweep(now);
    if (this.#size >= this.#capacity) return false;
    const hash = hashKey(key);
    const bucket = this.#buckets.get(hash);
    if (bucket === undefined) this.#buckets.set(hash, [{ element, expires }]);
    else bucket.push({ element, expires });
    this.#size++;
    return true;
  }

  delete(key: readonly NftScalar[]): void {
    this.#drop(hashKey(key), (entry) => sameKey(entry, key));
  }

  /** Elements that are alive, oldest first within a bucket. */
  list(now: number): NftElement[] {
    return [...this.#buckets.values()].flat().flatMap(({ element, expires }) => (expires > now ? [element] : []));
  }

  #entry(key: readonly NftScalar[], now: number): Entry | undefined {
    const hash = hashKey(key);
    const bucket = this.#buckets.get(hash);
    if (bucket === undefined) return undefined;
    for (const entry of bucket) {
      if (!sameKey(entry, key)) continue;
      if (entry.expires > now) return entry;
      this.#drop(hash, (other) => other === entry);
      return undefined;
    }
    return undefined;
  }

  #drop(hash: number, gone: (entry: Entry) => boolean): void {
    const bucket = this.#buckets.get(hash);
    if (bucket === undefined) return;
    const kept = bucket.filter((entry) => !gone(entry));
    this.#size -= bucket.length - kept.length;
    if (kept.length === 0) this.#buckets.delete(hash);
    else this.#buckets.set(hash, kept);
  }

  #sweep(now: number): void {
    for (const hash of [...this.#buckets.keys()]) this.#drop(hash, (entry) => entry.expires <= now);
  }
}

function sameKey({ element }: Entry, key: readonly NftScalar[]): boolean {
  return element.key.every((value, i) => value === key[i]);
}

import type { ObjectStore } from '@netsim/manifest';
import { ClusterIndex, type IndexOptions } from './cluster-index.ts';

interface Shared {
  readonly index: ClusterIndex;
  users: number;
}

/**
 * The indexes of one store, one for each way in which the `kubernetes` plugin reads the API: all CoreDNS pods of a cluster ask the
 * same one. An index lives as long as somebody uses it.
 */
export class ClusterIndexes {
  readonly #store: ObjectStore;
  readonly #now: () => number;
  readonly #shared = new Map<string, Shared>();

  /** `now`: virtual time in seconds. */
  constructor(store: ObjectStore, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  /** How many indexes there are. */
  get size(): number {
    return this.#shared.size;
  }

  /** The index for some options; `changed` is called after each change of it. Give it back with `release`. */
  acquire(options: IndexOptions, changed: () => void): { readonly index: ClusterIndex; release(): void } {
    const key = JSON.stringify(options);
    let shared = this.#shared.get(key);
    if (shared === undefined) {
      shared = { index: new ClusterIndex(this.#store, options, this.#now), users: 0 };
      this.#shared.set(key, shared);
    }
    const { index } = shared;
    const mine = shared;
    mine.users++;
    const unhear = index.onChange(changed);
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      unhear();
      if (--mine.users > 0) return;
      index.close();
      this.#shared.delete(key);
    };
    return { index, release };
  }
}

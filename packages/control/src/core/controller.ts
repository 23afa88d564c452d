import type { StoreEvent } from '@netsim/manifest';
import type { Context } from './context.ts';

/** One control loop: it watches the store, remembers what is dirty, and mends that when asked to. */
export abstract class Controller {
  protected readonly context: Context;
  /** Keys of the objects to look at, in the order in which they became dirty. */
  protected readonly queue = new Set<string>();
  readonly #ends: (() => void)[] = [];

  constructor(context: Context) {
    this.context = context;
  }

  /** Brings the world of one key to what it should be. */
  protected abstract reconcile(key: string): void;

  /** Works off the queue as it is now; true where there was anything. What becomes dirty meanwhile waits for the next call. */
  sync(): boolean {
    if (this.queue.size === 0) return false;
    const keys = [...this.queue];
    this.queue.clear();
    for (const key of keys) this.reconcile(key);
    return true;
  }

  stop(): void {
    for (const end of this.#ends.splice(0)) end();
  }

  /** Hears of every object of a kind: those there are already, as ADDED, and all changes. */
  protected watch(kind: string, listener: (event: StoreEvent) => void): void {
    if (kind === '*') {
      for (const each of this.context.store.kinds()) this.#replay(each, listener);
    } else {
      this.#replay(kind, listener);
    }
    this.#ends.push(this.context.store.watch(kind, listener));
  }

  #replay(kind: string, listener: (event: StoreEvent) => void): void {
    for (const object of this.context.store.list(kind)) listener({ type: 'ADDED', object });
  }
}

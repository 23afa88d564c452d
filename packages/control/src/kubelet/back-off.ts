const INITIAL = 10_000;
const LIMIT = 300_000;

/**
 * How long a kubelet waits before it starts a container again: not at all at first, then 10 s, and twice as long each time, up to five
 * minutes; after ten quiet minutes it begins anew. Source: pkg/kubelet/kuberuntime (doBackOff), client-go/util/flowcontrol.
 */
export class BackOff {
  #delay = 0;
  #since = 0;

  /** The container has ended at `now` (milliseconds): how many milliseconds it stays down. */
  next(now: number): number {
    if (this.#delay > 0 && now - this.#since > 2 * LIMIT) this.#delay = 0;
    const wait = this.#delay;
    this.#delay = wait === 0 ? INITIAL : Math.min(2 * wait, LIMIT);
    this.#since = now + wait;
    return wait;
  }
}

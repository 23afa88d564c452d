import type { RequestLimits } from '@netsim/ingress';

interface Bucket {
  /** Thousandths of requests above the rate. */
  excess: number;
  /** Milliseconds. */
  last: number;
}

/** What clients have asked of late, in one controller's pod (nginx: `limit_req` with `nodelay`, and `limit_conn`). */
export class RequestLimiter {
  readonly #buckets = new Map<string, Bucket>();
  readonly #underWay = new Map<string, number>();

  /** The status of the refusal, else what is to be called when the answer has gone out. */
  admit(limits: RequestLimits, now: number): number | (() => void) {
    const { zone, client, connections, rates, status } = limits;
    const key = `${zone} ${client}`;
    const count = this.#underWay.get(key) ?? 0;
    if (connections > 0 && count >= connections) return status.connections;
    const next = rates.map(({ perMinute, burst }, at): [string, Bucket, boolean] => {
      const name = `${key} ${at}`;
      const before = this.#buckets.get(name);
      if (before === undefined) return [name, { excess: 0, last: now }, true];
      const drained = Math.trunc((Math.trunc((perMinute * 1000) / 60) * (now - before.last)) / 1000);
      const excess = Math.max(0, before.excess - drained + 1000);
      return [name, { excess, last: now }, excess <= burst * 1000];
    });
    if (next.some(([, , passes]) => !passes)) return status.rate;
    for (const [name, bucket] of next) this.#buckets.set(name, bucket);
    if (connections <= 0) return () => {};
    this.#underWay.set(key, count + 1);
    return () => this.#left(key);
  }

  #left(key: string): void {
    const count = (this.#underWay.get(key) ?? 1) - 1;
    if (count > 0) this.#underWay.set(key, count);
    else this.#underWay.delete(key);
  }
}

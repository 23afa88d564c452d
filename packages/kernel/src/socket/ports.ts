import type { Netns } from '../net/netns.ts';

/** A free port of the local range, starting at a random one; undefined where none is free. */
export function ephemeralPort(netns: Netns, taken: (port: number) => boolean): number | undefined {
  const { portMin, portMax } = netns;
  const count = portMax - portMin + 1;
  const start = netns.random.below(count);
  for (let step = 0; step < count; step++) {
    const port = portMin + ((start + step) % count);
    if (!taken(port)) return port;
  }
  return undefined;
}

/** Where a netns goes on looking for a port to connect from. */
export class ConnectPorts {
  #next = -1;

  /**
   * A free port for `connect`: the even ones of the range, one after the other from a random start, then the odd ones (Linux:
   * __inet_hash_connect). So a port is not taken again before all others were, and does not meet what a conntrack table
   * remembers of it. Linux counts by destination, we by netns.
   */
  take(netns: Netns, taken: (port: number) => boolean): number | undefined {
    const { portMin, portMax } = netns;
    const pairs = Math.ceil((portMax - portMin + 1) / 2);
    if (this.#next < 0) this.#next = netns.random.below(pairs);
    for (const parity of [0, 1]) {
      for (let step = 0; step < pairs; step++) {
        const pair = (this.#next + step) % pairs;
        const port = portMin + 2 * pair + parity;
        if (port > portMax || taken(port)) continue;
        this.#next = pair + 1;
        return port;
      }
    }
    return undefined;
  }
}

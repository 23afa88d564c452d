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

import type { World } from '@netsim/kernel';

/** Lets virtual time pass until `done` or until `patience` milliseconds are over, also where nothing is going to happen. */
export function waitUntil(world: World, done: () => boolean, patience: number): boolean {
  const end = world.clock.now + patience;
  if (world.runUntil(done, patience)) return true;
  if (Number.isFinite(end)) world.advance(Math.max(0, end - world.clock.now));
  return done();
}

import { AssertionError } from 'node:assert';
import type { Cluster } from 'netsim';
import { type Check, checkReach, checkResolve, checkRoute, type ReachOptions, type RouteOptions } from './check.ts';
import { failureText } from './matchers.ts';

/** A packet arrives on every way that chance may take. Throws an AssertionError that shows the trace. */
export function assertReaches(cluster: Cluster, from: string, to: string, options?: ReachOptions): void {
  demand(checkReach(cluster, from, to, options));
}

/** A packet arrives on no way. */
export function assertDoesNotReach(cluster: Cluster, from: string, to: string, options?: ReachOptions): void {
  refuse(checkReach(cluster, from, to, options));
}

/** A name has an address for a program in a pod; given addresses, exactly these. */
export function assertResolves(
  cluster: Cluster,
  from: string,
  name: string,
  addresses?: string | readonly string[],
): void {
  demand(checkResolve(cluster, from, name, addresses));
}

/** A name has no address. */
export function assertDoesNotResolve(cluster: Cluster, from: string, name: string): void {
  refuse(checkResolve(cluster, from, name));
}

/** A URL is routed to a service, or answered with a status by the controller. */
export function assertRoutes(cluster: Cluster, url: string, target: string | number, options?: RouteOptions): void {
  demand(checkRoute(cluster, url, target, options));
}

function demand(check: Check): void {
  if (check.fulfilled !== 'all') throw new AssertionError({ message: failureText(check, false) });
}

function refuse(check: Check): void {
  if (check.fulfilled !== 'none') throw new AssertionError({ message: failureText(check, true) });
}

import type { Cluster } from 'netsim';
import { type Check, checkReach, checkResolve, checkRoute, type ReachOptions, type RouteOptions } from './check.ts';

/** What `expect.extend` wants back, in vitest and in jest. */
export interface MatcherResult {
  readonly pass: boolean;
  message(): string;
}

/** What a matcher is called with as `this`. */
export interface MatcherContext {
  readonly isNot?: boolean;
}

/** The matchers as they are called; for the type declarations of a test runner. */
export interface NetsimMatchers<R = unknown> {
  /** A packet arrives on every way that chance may take; with `.not`, on none. */
  toReach(from: string, to: string, options?: ReachOptions): R;
  /** A name has an address for a program in a pod; given addresses, exactly these. */
  toResolve(from: string, name: string, addresses?: string | readonly string[]): R;
  /** A URL, asked from outside, is routed to a service; given a number, it is answered with that status by the controller. */
  toRoute(url: string, target: string | number, options?: RouteOptions): R;
}

/** For `expect.extend(matchers)`. A failure shows the trace, or the queries. */
export const matchers = {
  toReach(this: MatcherContext, cluster: Cluster, from: string, to: string, options?: ReachOptions): MatcherResult {
    return result(checkReach(cluster, from, to, options), this);
  },
  toResolve(
    this: MatcherContext,
    cluster: Cluster,
    from: string,
    name: string,
    addresses?: string | readonly string[],
  ): MatcherResult {
    return result(checkResolve(cluster, from, name, addresses), this);
  },
  toRoute(
    this: MatcherContext,
    cluster: Cluster,
    url: string,
    target: string | number,
    options?: RouteOptions,
  ): MatcherResult {
    return result(checkRoute(cluster, url, target, options), this);
  },
};

/** Where only some ways fulfil it, neither the expectation nor its opposite holds. */
function result(check: Check, { isNot = false }: MatcherContext): MatcherResult {
  const pass = isNot ? check.fulfilled !== 'none' : check.fulfilled === 'all';
  return { pass, message: () => failureText(check, isNot) };
}

/** What a failed expectation says. */
export function failureText({ expectation, fulfilled, text }: Check, isNot: boolean): string {
  const some = fulfilled === 'some' ? ', which only some of its paths do' : '';
  return `expected ${isNot ? expectation.replace(/ to /, ' not to ') : expectation}${some}\n\n${text()}`;
}

export {
  assertDoesNotReach,
  assertDoesNotResolve,
  assertReaches,
  assertResolves,
  assertRoutes,
} from './assertions.ts';
export type { ReachOptions, RouteOptions } from './check.ts';
export { type MatcherContext, type MatcherResult, matchers, type NetsimMatchers } from './matchers.ts';

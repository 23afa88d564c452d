import type { BackendRef, GRPCRouteMatch, HTTPRouteMatch, HTTPRouteRule } from '@netsim/manifest';
import { filterProblem } from './action.ts';
import type { Problem } from './conditions.ts';
import { grpcConditions, httpConditions } from './matcher.ts';
import { isProblem, readBackend } from './references.ts';
import type { AnyRoute } from './topology.ts';
import { GATEWAY_GROUP, type GatewayView, namespaceOf, type ObjectKey } from './view.ts';

/** A mistake in a route, with its place. */
export interface RouteMistake extends Problem {
  readonly field: readonly (string | number)[];
  readonly about: 'backend' | 'filter' | 'match';
}

export interface RouteCheck {
  /** The first reference that leads nowhere. */
  readonly unresolved: Problem | undefined;
  /** The first thing that the data plane cannot do. */
  readonly unsupported: Problem | undefined;
  readonly mistakes: readonly RouteMistake[];
  readonly ruleCount: number;
  /** Rules that answer 500 because of what they ask for. */
  readonly badRules: number;
}

/** Looks at all references, filters and expressions of a route. */
export function checkRoute(
  view: GatewayView,
  route: AnyRoute,
  options: { readonly mesh?: ObjectKey } = {},
): RouteCheck {
  const from = { group: GATEWAY_GROUP, kind: route.kind, namespace: namespaceOf(route) };
  const transport = route.kind === 'UDPRoute' ? ('UDP' as const) : ('TCP' as const);
  const mistakes: RouteMistake[] = [];
  let badRules = 0;
  const look = (ref: BackendRef, field: readonly (string | number)[]): void => {
    const found = readBackend(view, ref, from, { transport, ...options });
    if (isProblem(found)) mistakes.push({ ...found, field, about: 'backend' });
  };
  const rules = (route.spec.rules ?? []) as HTTPRouteRule[];
  rules.forEach((rule, i) => {
    const at = ['spec', 'rules', i];
    const before = mistakes.filter(({ about }) => about !== 'backend').length;
    (rule.matches ?? []).forEach((match, j) => {
      const { broken } =
        route.kind === 'GRPCRoute' ? grpcConditions(match as GRPCRouteMatch) : httpConditions(match as HTTPRouteMatch);
      if (broken !== undefined) mistakes.push({ ...broken, field: [...at, 'matches', j], about: 'match' });
    });
    const filtered = [
      { filters: rule.filters ?? [], field: [...at, 'filters'] },
      ...(rule.backendRefs ?? []).map(({ filters = [] }, j) => ({
        filters,
        field: [...at, 'backendRefs', j, 'filters'],
      })),
    ];
    for (const { filters, field } of filtered) {
      filters.forEach((filter, j) => {
        const problem = filterProblem([filter]);
        if (problem !== undefined) mistakes.push({ ...problem, field: [...field, j], about: 'filter' });
        const mirror = filter.requestMirror?.backendRef;
        if (mirror !== undefined) look(mirror, [...field, j, 'requestMirror', 'backendRef']);
      });
    }
    (rule.backendRefs ?? []).forEach((ref, j) => {
      look(ref, [...at, 'backendRefs', j]);
    });
    if (mistakes.filter(({ about }) => about !== 'backend').length > before) badRules++;
  });
  return {
    unresolved: mistakes.find(({ about }) => about === 'backend'),
    unsupported: mistakes.find(({ about }) => about !== 'backend'),
    mistakes,
    ruleCount: rules.length,
    badRules,
  };
}

import type { Gateway, KubeObject } from '@netsim/manifest';
import { nearest } from '@netsim/manifest';
import type { RouteFinding } from '../model.ts';
import { BackendPolicies } from './backend-tls.ts';
import { meshOf } from './mesh-presence.ts';
import { checkRoute, type RouteMistake } from './route-check.ts';
import { gatewayRouter } from './router.ts';
import { readTopology, type Topology } from './topology.ts';
import { type GatewayView, namespaceOf } from './view.ts';

type Code =
  | 'gateway-class-missing'
  | 'gateway-not-accepted'
  | 'gateway-listener'
  | 'gateway-parent-missing'
  | 'gateway-route-not-attached'
  | 'gateway-no-grant'
  | 'gateway-backend'
  | 'gateway-filter'
  | 'gateway-expression'
  | 'gateway-policy'
  | 'gateway-mesh'
  | 'gateway-rule-shadowed';

/** What a user would be surprised by in the objects of the Gateway API: all that is in the conditions, and what no condition tells. */
export function gatewayFindings(view: GatewayView): RouteFinding[] {
  const topology = readTopology(view);
  return [
    ...classFindings(view),
    ...listenerFindings(topology),
    ...parentFindings(topology),
    ...meshFindings(topology),
    ...mistakeFindings(topology),
    ...policyFindings(view),
    ...shadowFindings(topology),
  ];
}

function tell(code: Code, object: KubeObject, field: RouteFinding['field'], message: string): RouteFinding {
  const { kind, metadata } = object;
  return {
    code,
    severity: 'warning',
    object: { kind, namespace: metadata.namespace ?? '', name: metadata.name },
    field,
    message,
  };
}

function classFindings(view: GatewayView): RouteFinding[] {
  const classes = view.list('GatewayClass').map(({ metadata }) => metadata.name);
  return view.list<Gateway>('Gateway').flatMap((gateway) => {
    const name = gateway.spec.gatewayClassName;
    if (classes.includes(name)) return [];
    const meant = nearest(name, classes);
    const hint = meant === undefined ? '' : `; did you mean "${meant}"?`;
    const message = `no GatewayClass "${name}": nobody serves this Gateway${hint}`;
    return [tell('gateway-class-missing', gateway, ['spec', 'gatewayClassName'], message)];
  });
}

function listenerFindings({ nodes, refusedSets }: Topology): RouteFinding[] {
  return [
    ...nodes.flatMap(({ gateway, refused, listeners }) => [
      ...(refused === undefined
        ? []
        : [tell('gateway-not-accepted', gateway, ['spec'], `not accepted (${refused.reason}): ${refused.message}`)]),
      ...listeners.flatMap(({ owner, index, refused: problem, unresolved, spec }) => {
        const found = problem ?? unresolved;
        if (found === undefined) return [];
        const message = `listener "${spec.name}" (${found.reason}): ${found.message}`;
        return [tell('gateway-listener', owner, ['spec', 'listeners', index], message)];
      }),
    ]),
    ...refusedSets.map(({ set, problem }) =>
      tell('gateway-not-accepted', set, ['spec', 'parentRef'], `not accepted (${problem.reason}): ${problem.message}`),
    ),
  ];
}

function parentFindings({ parents, lost, view }: Topology): RouteFinding[] {
  return [
    ...lost.map(({ route, index, ref }) => {
      const { kind = 'Gateway', name, namespace = namespaceOf(route) } = ref;
      const there = view.list(kind).filter((one) => namespaceOf(one) === namespace);
      const unserved = there.some(({ metadata }) => metadata.name === name);
      const meant = nearest(
        name,
        there.map(({ metadata }) => metadata.name),
      );
      const hint = meant === undefined ? '' : `; did you mean "${meant}"?`;
      const message = unserved
        ? `not attached: nobody serves ${kind} "${namespace}/${name}"`
        : `not attached: no ${kind} "${name}" in namespace "${namespace}"${hint}`;
      return tell('gateway-parent-missing', route, ['spec', 'parentRefs', index], message);
    }),
    ...parents.flatMap(({ route, index, refused }) =>
      refused === undefined
        ? []
        : [
            tell(
              'gateway-route-not-attached',
              route,
              ['spec', 'parentRefs', index],
              `not attached (${refused.reason}): ${refused.message}`,
            ),
          ],
    ),
  ];
}

/** Routes whose parent is a Service steer what the pods of a mesh send to it; without a mesh nobody reads them. */
function meshFindings({ view, parents }: Topology): RouteFinding[] {
  const ofMesh = parents.filter(({ node, refused }) => node === undefined && refused === undefined);
  if (ofMesh.length === 0) return [];
  const mesh = meshOf(view);
  return ofMesh.map(({ route, index, parent }) => {
    const what = `for requests from pods to Service "${namespaceOf(parent)}/${parent.metadata.name}"`;
    const message =
      mesh === undefined
        ? `${what}, and no mesh is there that does it: the Service is reached as if the route were not there`
        : `${what} by ${mesh}, which netsim does not play: traces and requests go as if the route were not there (netsim routes does not show it)`;
    return tell('gateway-mesh', route, ['spec', 'parentRefs', index], message);
  });
}

function codeOf({ about, reason }: RouteMistake): Code {
  if (about === 'match') return 'gateway-expression';
  if (about === 'filter') return 'gateway-filter';
  return reason === 'RefNotPermitted' ? 'gateway-no-grant' : 'gateway-backend';
}

function mistakeFindings({ view, parents }: Topology): RouteFinding[] {
  const meshes = new Map(
    parents.map(({ route, node, parent }) => [
      route,
      node === undefined ? { mesh: { namespace: namespaceOf(parent), name: parent.metadata.name } } : {},
    ]),
  );
  return [...meshes].flatMap(([route, options]) =>
    checkRoute(view, route, options).mistakes.map((mistake) => {
      const http = route.kind === 'HTTPRoute' || route.kind === 'GRPCRoute';
      const mirror = mistake.field.includes('requestMirror');
      const effect = mirror ? 'nothing is mirrored' : http ? 'requests get 500' : 'connections are closed';
      const message =
        mistake.about === 'match' ? `${mistake.message}; the match takes nothing` : `${mistake.message}; ${effect}`;
      return tell(codeOf(mistake), route, mistake.field, message);
    }),
  );
}

function policyFindings(view: GatewayView): RouteFinding[] {
  return new BackendPolicies(view).states.flatMap(({ policy, unresolved, conflict }) => {
    const problem = conflict ?? unresolved;
    if (problem === undefined) return [];
    const field = conflict === undefined ? ['spec', 'validation'] : ['spec', 'targetRefs'];
    return [tell('gateway-policy', policy, field, `not accepted (${problem.reason}): ${problem.message}`)];
  });
}

/** Rules that never get a request, told once for each match. */
function shadowFindings({ view, nodes }: Topology): RouteFinding[] {
  const told = new Map<string, RouteFinding>();
  for (const { gateway } of nodes) {
    const router = gatewayRouter(view, { namespace: namespaceOf(gateway), name: gateway.metadata.name });
    for (const { rule, shadowedBy } of router.routes()) {
      const object = view.get(rule.kind, rule.namespace, rule.name);
      if (shadowedBy === undefined || object === undefined) continue;
      const { kind, namespace, name, field } = shadowedBy;
      const other = kind === rule.kind && namespace === rule.namespace && name === rule.name;
      const where = `${other ? 'this route' : `${kind} "${namespace}/${name}"`}, ${fieldText(field)}`;
      const message = `${rule.host} ${rule.path} never gets a request: ${where}, takes them all`;
      told.set(
        `${rule.kind} ${rule.namespace}/${rule.name} ${rule.field.join('.')}`,
        tell('gateway-rule-shadowed', object, rule.field, message),
      );
    }
  }
  return [...told.values()];
}

function fieldText(field: readonly (string | number)[]): string {
  return field.map((part, i) => (typeof part === 'number' ? `[${part}]` : i === 0 ? part : `.${part}`)).join('');
}

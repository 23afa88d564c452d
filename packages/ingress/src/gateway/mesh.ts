import type { Service } from '@netsim/manifest';
import type { Decision, FrontRequest, Outcome, RouteRow, Router } from '../model.ts';
import type { ActionContext } from './action.ts';
import { BackendPolicies } from './backend-tls.ts';
import { walk } from './explain.ts';
import { type HttpRoutes, RouteCompiler } from './http-routes.ts';
import { Incoming } from './incoming.ts';
import { prefixOf } from './matcher.ts';
import { inOrder, rowsOf } from './route-rows.ts';
import { type ParentResult, readTopology } from './topology.ts';
import { GATEWAY_GROUP, type GatewayView, namespaceOf, type ObjectKey } from './view.ts';

/**
 * What a mesh does with requests from pods of a namespace to a Service (GAMMA): routes whose parent is the Service. Routes of the
 * client's own namespace (consumer routes) are for its requests only and go before those of the Service's namespace (producer
 * routes). Host names of the routes do not count: the Service that was addressed does.
 */
export function meshRouter(view: GatewayView, service: ObjectKey, clientNamespace: string): Router {
  return new MeshRouter(view, service, clientNamespace);
}

const NOT_FOUND: Outcome = { kind: 'respond', status: 404, headers: [], body: '' };

class MeshRouter implements Router {
  readonly findings = [];
  readonly #service: ObjectKey;
  readonly #ports = new Map<number, HttpRoutes | undefined>();

  constructor(view: GatewayView, service: ObjectKey, clientNamespace: string) {
    this.#service = service;
    const object = view.get<Service>('Service', service.namespace, service.name);
    if (object === undefined) return;
    const policies = new BackendPolicies(view);
    const all = readTopology(view).parents.filter(
      ({ node, parent, route, refused }) =>
        node === undefined &&
        parent === object &&
        refused === undefined &&
        (route.kind === 'HTTPRoute' || route.kind === 'GRPCRoute'),
    );
    for (const { port, name } of object.spec.ports ?? []) {
      const here = all.filter(
        ({ ref }) =>
          (ref.port === undefined || ref.port === port) && (ref.sectionName === undefined || ref.sectionName === name),
      );
      const consumer = here.filter(
        ({ route }) => namespaceOf(route) !== service.namespace && namespaceOf(route) === clientNamespace,
      );
      const producer = here.filter(({ route }) => namespaceOf(route) === service.namespace);
      const routes = consumer.length > 0 ? consumer : producer;
      this.#ports.set(port, routes.length === 0 ? undefined : compile(view, policies, service, routes));
    }
  }

  decide(request: FrontRequest, chance: number): Outcome {
    return this.explain(request, chance).outcome;
  }

  explain(request: FrontRequest, chance: number): Decision {
    const { namespace, name } = this.#service;
    if (!this.#ports.has(request.port)) {
      return {
        outcome: { kind: 'close', why: `Service "${namespace}/${name}" has no port ${request.port}` },
        considered: [],
      };
    }
    const routes = this.#ports.get(request.port);
    const incoming = new Incoming(request);
    if (routes === undefined) return { outcome: plain(request, this.#service), considered: [] };
    const { winner, considered } = walk(inOrder(routes.entries), incoming);
    if (winner === undefined) return { outcome: NOT_FOUND, considered };
    return { outcome: winner.action.run(incoming, prefixOf(winner), chance), rule: winner.rule, considered };
  }

  routes(): readonly RouteRow[] {
    const { namespace, name } = this.#service;
    return [...this.#ports].flatMap(([port, routes]) =>
      rowsOf(inOrder(routes?.entries ?? [])).map((row) => ({
        ...row,
        notes: [`Service ${namespace}/${name} port ${port}`, ...row.notes],
      })),
    );
  }
}

function compile(
  view: GatewayView,
  policies: BackendPolicies,
  service: ObjectKey,
  routes: readonly ParentResult[],
): HttpRoutes {
  return new RouteCompiler().compile(
    routes.map(({ route }) => {
      const from = { group: GATEWAY_GROUP, kind: route.kind, namespace: namespaceOf(route) };
      const context: ActionContext = { view, policies, from, clientCertificate: undefined, mesh: service };
      return { route, hostnames: [undefined], context };
    }),
  );
}

/** No route steers the Service: its own endpoints get the request as it is. */
function plain({ target, host = '', headers, port }: FrontRequest, { namespace, name }: ObjectKey): Outcome {
  return {
    kind: 'forward',
    backend: { kind: 'service', namespace, name, port },
    target,
    host,
    headers,
    response: [],
    timeouts: { request: 0, backendRequest: 0, connect: 0 },
    tlsToBackend: false,
    mirrors: [],
  };
}

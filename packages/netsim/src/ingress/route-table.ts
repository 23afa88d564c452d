import type { Backend, RouteRow, RouteRule } from '@netsim/ingress';
import { type KubeObject, type ObjectStore, ORIGIN } from '@netsim/manifest';
import type { FrontDoor } from './front-door.ts';

/** A rule, and the line of its manifest. */
export interface RoutePlace {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly file?: string;
  readonly line?: number;
}

/** A row of `netsim routes`: the first that matches a request gets it. */
export interface RouteEntry extends RoutePlace {
  /** The program that serves it, and the Gateway where it is one. */
  readonly controller: string;
  readonly host: string;
  readonly path: string;
  readonly pathType: string;
  readonly backends: readonly RouteBackend[];
  /** The rule that takes every request that this one could have had. */
  readonly shadowedBy?: RoutePlace;
  readonly notes: readonly string[];
}

export interface RouteBackend {
  /** `svc/kubia:80`. */
  readonly text: string;
  readonly weight?: number;
  /** Ready endpoints now. */
  readonly endpoints: number;
}

/** The routing tables of all controllers, in order of precedence; for one host, or for all. */
export function routeTable(frontDoor: FrontDoor, store: ObjectStore, host?: string): RouteEntry[] {
  return frontDoor.controllers().flatMap(({ controller, router, pods }) => {
    const namespace = pods[0]?.metadata.namespace;
    const name = controller.gateway === undefined ? controller.name : `gateway ${namespace}/${controller.gateway}`;
    return router.routes(host).map((row) => {
      // Each Ingress of GKE has a load balancer of its own.
      const own = controller.address === undefined ? name : `${name} ${row.rule.namespace}/${row.rule.name}`;
      return entryOf(row, own, frontDoor, store);
    });
  });
}

function entryOf(
  { rule, shadowedBy, notes }: RouteRow,
  controller: string,
  frontDoor: FrontDoor,
  store: ObjectStore,
): RouteEntry {
  const { host, path, pathType, backends } = rule;
  return {
    ...placeOf(store, rule),
    controller,
    host,
    path,
    pathType,
    backends: backends.map((backend) => backendOf(backend, frontDoor)),
    ...(shadowedBy === undefined ? {} : { shadowedBy: placeOf(store, shadowedBy) }),
    notes,
  };
}

function backendOf(backend: Backend, { backends }: FrontDoor): RouteBackend {
  if (backend.kind === 'default-backend') return { text: 'the default backend', endpoints: 0 };
  const weight = backend.weight === undefined ? {} : { weight: backend.weight };
  if (backend.kind === 'resource') return { text: backend.text, ...weight, endpoints: 0 };
  const { namespace, name, port } = backend;
  return {
    text: `svc/${namespace === 'default' ? '' : `${namespace}/`}${name}:${port}`,
    ...weight,
    endpoints: backends.of(namespace, name, port).list.length,
  };
}

/** The object of a rule, and the file and line where the rule stands. */
export function placeOf(store: ObjectStore, { kind, namespace, name, field }: RouteRule): RoutePlace {
  const origin = store.get<KubeObject>(kind, namespace, name)?.[ORIGIN];
  const line = origin?.locate(field).line;
  return {
    kind,
    namespace,
    name,
    ...(origin === undefined ? {} : { file: origin.file }),
    ...(line === undefined ? {} : { line }),
  };
}

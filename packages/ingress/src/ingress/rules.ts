import type { Ingress } from '@netsim/manifest';
import type { RouteRule } from '../model.ts';
import { backendOf } from './backends.ts';
import { objectOf } from './classes.ts';

/** The rules of an Ingress in their order, without its default backend. */
export function rulesOf(ingress: Ingress): RouteRule[] {
  const { namespace, name } = objectOf(ingress);
  return (ingress.spec.rules ?? []).flatMap(({ host, http }, i) =>
    (http?.paths ?? []).map(
      ({ path = '', pathType, backend }, j): RouteRule => ({
        kind: 'Ingress',
        namespace,
        name,
        field: ['spec', 'rules', i, 'http', 'paths', j],
        host: host === undefined || host === '' ? '*' : host.toLowerCase(),
        path: path === '' ? '/' : path,
        pathType: pathType ?? 'ImplementationSpecific',
        backends: [backendOf(backend, namespace)],
      }),
    ),
  );
}

/** The default backend of an Ingress as a rule of its own; undefined: it has none. */
export function defaultRule(ingress: Ingress): RouteRule | undefined {
  const { defaultBackend } = ingress.spec;
  if (defaultBackend === undefined) return undefined;
  const { namespace, name } = objectOf(ingress);
  return {
    kind: 'Ingress',
    namespace,
    name,
    field: ['spec', 'defaultBackend'],
    host: '*',
    path: '*',
    pathType: 'default',
    backends: [backendOf(defaultBackend, namespace)],
  };
}

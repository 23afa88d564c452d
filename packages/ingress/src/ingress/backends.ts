import { type IngressBackend, nearest, type Service } from '@netsim/manifest';
import type { Backend, RouteFinding } from '../model.ts';
import type { IngressView } from './view.ts';

/** The backend of a rule in the router's words. */
export function backendOf({ service, resource }: IngressBackend, namespace: string): Backend {
  if (service !== undefined) {
    const { name = '', number = 0 } = service.port ?? {};
    return { kind: 'service', namespace, name: service.name, port: number !== 0 ? number : name };
  }
  const text = resource === undefined ? 'nothing' : `${resource.kind} ${namespace}/${resource.name}`;
  return { kind: 'resource', text };
}

/** What is wrong with a backend: a Service that is not there, or has no such port. */
export function backendProblem(
  view: IngressView,
  backend: Backend,
): Pick<RouteFinding, 'code' | 'message'> | undefined {
  if (backend.kind !== 'service') return undefined;
  const { namespace, name, port } = backend;
  const service = view.get<Service>('Service', namespace, name);
  if (service === undefined) {
    return { code: 'ingress-service-missing', message: `no Service "${name}" in namespace "${namespace}"` };
  }
  const ports = service.spec.ports ?? [];
  if (ports.some((one) => one.port === port || one.name === port)) return undefined;
  const meant =
    typeof port === 'string'
      ? nearest(
          port,
          ports.map((one) => one.name ?? ''),
        )
      : undefined;
  const has = ports.map((one) => (one.name === undefined ? `${one.port}` : `${one.port} "${one.name}"`)).join(', ');
  return {
    code: 'ingress-port-missing',
    message: `Service "${name}" has no port ${typeof port === 'string' ? `named "${port}"` : port}${
      meant === undefined ? '' : ` (did you mean "${meant}"?)`
    }; it has ${has === '' ? 'none' : has}`,
  };
}

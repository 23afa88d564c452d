import type { EndpointSlice, Service } from '@netsim/manifest';
import type { Backend } from '../model.ts';
import type { IngressView } from './view.ts';

/** Whether a backend has an endpoint that takes requests now. */
export function hasEndpoints(view: IngressView, backend: Backend): boolean {
  if (backend.kind !== 'service') return false;
  if (backend.clusterIp) return true;
  const { namespace, name, port } = backend;
  const service = view.get<Service>('Service', namespace, name);
  if (service === undefined) return false;
  if (service.spec.type === 'ExternalName') return true;
  const servicePort = service.spec.ports?.find((one) => one.port === port || one.name === port);
  if (servicePort === undefined) return false;
  return view
    .list<EndpointSlice>('EndpointSlice')
    .some(
      ({ metadata, endpoints, ports }) =>
        (metadata.namespace ?? 'default') === namespace &&
        metadata.labels?.['kubernetes.io/service-name'] === name &&
        (ports ?? []).some((one) => (one.name ?? '') === (servicePort.name ?? '')) &&
        (endpoints ?? []).some(({ conditions }) => conditions?.ready !== false),
    );
}

import type { Endpoint, Service } from '@netsim/manifest';

/** Hints of an endpoint: which zones and nodes should use it. */
export type Hints = Endpoint['hints'];

/** Whether the annotation asks for topology aware routing (KEP-2433). */
export function wantsTopologyHints({ metadata }: Service): boolean {
  const value =
    metadata.annotations?.['service.kubernetes.io/topology-mode'] ??
    metadata.annotations?.['service.kubernetes.io/topology-aware-hints'];
  return value === 'Auto' || value === 'auto';
}

/**
 * The hint that `spec.trafficDistribution` gives a ready endpoint (KEP-4444, KEP-3015): its own zone, and with
 * PreferSameNode its own node too.
 */
export function distributionHints(service: Service, endpoint: Endpoint): Hints {
  const { trafficDistribution } = service.spec;
  if (trafficDistribution === undefined || wantsTopologyHints(service)) return undefined;
  if (endpoint.conditions?.ready !== true || endpoint.zone === undefined) return undefined;
  const forZones = [{ name: endpoint.zone }];
  switch (trafficDistribution) {
    case 'PreferClose':
    case 'PreferSameZone':
      return { forZones };
    case 'PreferSameNode':
      return endpoint.nodeName === undefined ? { forZones } : { forZones, forNodes: [{ name: endpoint.nodeName }] };
    default:
      return undefined;
  }
}

export function sameHints(a: Hints, b: Hints): boolean {
  const text = (hints: Hints) =>
    [...(hints?.forZones ?? []), { name: '/' }, ...(hints?.forNodes ?? [])].map(({ name }) => name).join();
  return a === b || text(a) === text(b);
}

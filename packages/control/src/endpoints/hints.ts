import type { Endpoint, Service } from '@netsim/manifest';

/** Hints of an endpoint: which zones and nodes should use it. */
export type Hints = Endpoint['hints'];

/** Whether the annotation asks for topology aware routing (KEP-2433). */
function wantsTopologyHints({ metadata }: Service): boolean {
  const value =
    metadata.annotations?.['service.kubernetes.io/topology-mode'] ??
    metadata.annotations?.['service.kubernetes.io/topology-aware-hints'];
  return value === 'Auto' || value === 'auto';
}

const distributions: ReadonlySet<string> = new Set(['PreferClose', 'PreferSameZone', 'PreferSameNode']);

/**
 * The hint that `spec.trafficDistribution` gives a ready endpoint (KEP-4444, KEP-3015): its own zone, and with
 * PreferSameNode its own node too.
 */
export function distributionHints(service: Service, endpoint: Endpoint): Hints {
  const { trafficDistribution } = service.spec;
  if (trafficDistribution === undefined || wantsTopologyHints(service)) return undefined;
  if (!distributions.has(trafficDistribution) || endpoint.conditions?.ready !== true) return undefined;
  const { zone } = endpoint;
  const node = trafficDistribution === 'PreferSameNode' ? endpoint.nodeName : undefined;
  if (zone === undefined && node === undefined) return undefined;
  return {
    ...(zone === undefined ? {} : { forZones: [{ name: zone }] }),
    ...(node === undefined ? {} : { forNodes: [{ name: node }] }),
  };
}

export function sameHints(a: Hints, b: Hints): boolean {
  const text = (hints: Hints) =>
    [...(hints?.forZones ?? []), { name: '/' }, ...(hints?.forNodes ?? [])].map(({ name }) => name).join();
  return a === b || text(a) === text(b);
}

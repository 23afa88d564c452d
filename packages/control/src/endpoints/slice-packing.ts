import type { Endpoint, EndpointSlice } from '@netsim/manifest';

const maxEndpointsPerSlice = 100;

export type SlicePorts = NonNullable<EndpointSlice['ports']>;

/** What becomes of the slices with one set of ports: endpoints to put into existing slices or new ones, slices to delete. */
export interface Packing {
  readonly create: Endpoint[][];
  readonly update: Map<EndpointSlice, Endpoint[]>;
  readonly unchanged: EndpointSlice[];
  readonly remove: EndpointSlice[];
}

/**
 * Puts endpoints into slices with as few changes as the real reconciler makes (reconcileByPortMapping of
 * staging/src/k8s.io/endpointslice/reconciler.go): endpoints stay where they are, new ones fill slices that change
 * anyway, the rest goes into one slice that has room for all of it, or into new ones.
 */
export function pack(
  existing: readonly EndpointSlice[],
  desired: readonly Endpoint[],
  mustUpdate: (slice: EndpointSlice) => boolean,
): Packing {
  // The very same value in a slice and among the desired is by far the most frequent case, and the cheapest to see.
  const same = new Set(desired);
  const unchanged = new Set<Endpoint>();
  for (const { endpoints } of existing) for (const each of endpoints ?? []) if (same.delete(each)) unchanged.add(each);
  const waiting = new Map([...same].map((endpoint) => [identity(endpoint), endpoint]));
  const packing: Packing = { create: [], update: new Map(), unchanged: [], remove: [] };
  for (const slice of existing) {
    const old = slice.endpoints ?? [];
    const kept: Endpoint[] = [];
    let changed = false;
    for (const endpoint of old) {
      if (unchanged.has(endpoint)) {
        kept.push(endpoint);
        continue;
      }
      const id = identity(endpoint);
      const wanted = waiting.get(id);
      if (wanted === undefined) continue;
      waiting.delete(id);
      const equal = sameEndpoint(endpoint, wanted);
      kept.push(equal ? endpoint : wanted);
      if (!equal) changed = true;
    }
    if (kept.length === 0) packing.remove.push(slice);
    else if (changed || kept.length !== old.length || mustUpdate(slice)) packing.update.set(slice, kept);
    else packing.unchanged.push(slice);
  }
  const rest = [...waiting.values()];
  const fill = (endpoints: Endpoint[]) => {
    endpoints.push(...rest.splice(0, maxEndpointsPerSlice - endpoints.length));
    return endpoints;
  };
  for (const [, endpoints] of [...packing.update].sort(([, a], [, b]) => b.length - a.length)) fill(endpoints);
  while (rest.length > 0) {
    const slice = rest.length < maxEndpointsPerSlice ? fittest(packing.unchanged, rest.length) : undefined;
    if (slice === undefined) packing.create.push(fill([]));
    else {
      packing.unchanged.splice(packing.unchanged.indexOf(slice), 1);
      packing.update.set(slice, fill([...(slice.endpoints ?? [])]));
    }
  }
  return packing;
}

/** The fullest slice that still has room. */
function fittest(slices: readonly EndpointSlice[], count: number): EndpointSlice | undefined {
  let best: EndpointSlice | undefined;
  for (const slice of slices) {
    const size = slice.endpoints?.length ?? 0;
    if (size + count <= maxEndpointsPerSlice && (best === undefined || size > (best.endpoints?.length ?? 0)))
      best = slice;
  }
  return best;
}

/** What makes two endpoints the same one (hashEndpoint of endpointset.go): addresses, hostname, target. */
function identity({ addresses, hostname, targetRef }: Endpoint): string {
  const target = targetRef === undefined ? '' : `${targetRef.kind} ${targetRef.namespace}/${targetRef.name}`;
  return `${addresses.join()} ${hostname ?? ''} ${target}`;
}

/** Whether two endpoints of one identity say the same; hints are compared elsewhere. */
function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return (
    a.nodeName === b.nodeName &&
    a.zone === b.zone &&
    a.conditions?.ready === b.conditions?.ready &&
    a.conditions?.serving === b.conditions?.serving &&
    a.conditions?.terminating === b.conditions?.terminating &&
    a.targetRef?.uid === b.targetRef?.uid
  );
}

/** Text that is equal for equal sets of ports. */
export function portsKey(ports: EndpointSlice['ports']): string {
  return (ports ?? [])
    .map(({ name = '', port, protocol = 'TCP', appProtocol = '' }) => `${name} ${protocol} ${port} ${appProtocol}`)
    .sort()
    .join();
}

import type { EndpointAddress, Endpoints } from '@netsim/manifest';

export type Subset = NonNullable<Endpoints['subsets']>[number];
export type SubsetPort = NonNullable<Subset['ports']>[number];

/** One address as a pod offers it under one port; no port for a headless service without ports. */
export interface Offer {
  readonly address: EndpointAddress;
  readonly ready: boolean;
  readonly port: SubsetPort | undefined;
}

/**
 * Subsets in their canonical layout (RepackSubsets of pkg/api/v1/endpoints/util.go): one for each set of addresses that
 * offer the same ports. An address that is ready under a port at all is ready there. Sorted, so that equal endpoints
 * have equal text (the order itself differs from the real one, which sorts by hash).
 */
export function repack(offers: readonly Offer[]): Subset[] {
  const addresses = new Map<string, EndpointAddress>();
  const byPort = new Map<string, { port: SubsetPort | undefined; ready: Map<string, boolean> }>();
  for (const { address, ready, port } of offers) {
    const id = `${address.ip} ${address.targetRef?.uid ?? ''}`;
    if (!addresses.has(id)) addresses.set(id, address);
    const portId =
      port === undefined ? '' : `${port.name ?? ''} ${port.port} ${port.protocol} ${port.appProtocol ?? ''}`;
    let group = byPort.get(portId);
    if (group === undefined) {
      group = { port, ready: new Map() };
      byPort.set(portId, group);
    }
    group.ready.set(id, ready || group.ready.get(id) === true);
  }
  const byAddresses = new Map<string, { ready: Map<string, boolean>; ports: SubsetPort[] }>();
  for (const { port, ready } of byPort.values()) {
    const key = [...ready]
      .map(([id, isReady]) => `${id} ${isReady}`)
      .sort()
      .join();
    let subset = byAddresses.get(key);
    if (subset === undefined) {
      subset = { ready, ports: [] };
      byAddresses.set(key, subset);
    }
    if (port !== undefined) subset.ports.push(port);
  }
  return [...byAddresses.values()].map(({ ready, ports }) => {
    const pick = (wanted: boolean) =>
      [...ready]
        .filter(([, isReady]) => isReady === wanted)
        .map(([id]) => addresses.get(id)!)
        .sort((a, b) => (a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : 0));
    const [up, down] = [pick(true), pick(false)];
    return {
      ...(up.length === 0 ? {} : { addresses: up }),
      ...(down.length === 0 ? {} : { notReadyAddresses: down }),
      ...(ports.length === 0 ? {} : { ports }),
    };
  });
}

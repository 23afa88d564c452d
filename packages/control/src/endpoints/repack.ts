import type { EndpointAddress, Endpoints } from '@netsim/manifest';

export type Subset = NonNullable<Endpoints['subsets']>[number];
export type SubsetPort = NonNullable<Subset['ports']>[number];

/** What a pod offers: its address under some ports, one offer a pod. No ports at all for a headless service without ports. */
export interface Offer {
  readonly address: EndpointAddress;
  readonly ready: boolean;
  readonly ports: readonly SubsetPort[];
}

/**
 * Subsets in their canonical layout (RepackSubsets of pkg/api/v1/endpoints/util.go): one for each set of addresses that
 * offer the same ports. Sorted, so that equal endpoints have equal text (the order itself differs from the real one,
 * which sorts by hash).
 */
export function repack(offers: readonly Offer[]): Subset[] {
  const first = offers[0];
  if (first === undefined) return [];
  // Nearly always all pods offer the same.
  if (offers.every(({ ports }) => samePorts(ports, first.ports))) return [subset(offers, first.ports)];
  const byPort = new Map<string, { port: SubsetPort | undefined; offers: Offer[] }>();
  for (const offer of offers) {
    for (const port of offer.ports.length === 0 ? [undefined] : offer.ports) {
      const key =
        port === undefined ? '' : `${port.name ?? ''} ${port.port} ${port.protocol} ${port.appProtocol ?? ''}`;
      const group = byPort.get(key);
      if (group === undefined) byPort.set(key, { port, offers: [offer] });
      else group.offers.push(offer);
    }
  }
  const byAddresses = new Map<string, { offers: readonly Offer[]; ports: SubsetPort[] }>();
  for (const { port, offers: group } of byPort.values()) {
    const key = group
      .map((offer) => `${identity(offer)} ${offer.ready}`)
      .sort()
      .join();
    let found = byAddresses.get(key);
    if (found === undefined) {
      found = { offers: group, ports: [] };
      byAddresses.set(key, found);
    }
    if (port !== undefined) found.ports.push(port);
  }
  return [...byAddresses.values()].map(({ offers: group, ports }) => subset(group, ports));
}

function subset(offers: readonly Offer[], ports: readonly SubsetPort[]): Subset {
  const up: EndpointAddress[] = [];
  const down: EndpointAddress[] = [];
  for (const { address, ready } of offers) (ready ? up : down).push(address);
  return {
    ...(up.length === 0 ? {} : { addresses: up.sort(byAddress) }),
    ...(down.length === 0 ? {} : { notReadyAddresses: down.sort(byAddress) }),
    ...(ports.length === 0 ? {} : { ports: [...ports] }),
  };
}

function identity({ address }: Offer): string {
  return `${address.ip} ${address.targetRef?.uid ?? ''}`;
}

function samePorts(a: readonly SubsetPort[], b: readonly SubsetPort[]): boolean {
  if (a.length !== b.length) return false;
  return a.every(({ name, port, protocol, appProtocol }, i) => {
    const other = b[i]!;
    return (
      port === other.port && name === other.name && protocol === other.protocol && appProtocol === other.appProtocol
    );
  });
}

function byAddress(a: EndpointAddress, b: EndpointAddress): number {
  return a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : 0;
}

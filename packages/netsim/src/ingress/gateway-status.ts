import { gatewayStatus } from '@netsim/ingress';
import type { Gateway, ObjectStore, Pod } from '@netsim/manifest';
import { controllerOf } from './controllers.ts';
import { publishedAddresses } from './status.ts';

/** Writes the conditions of the Gateway API's objects, as their controller does; a no-op where there are none. */
export function writeGatewayStatus(store: ObjectStore, now: number): void {
  if (!kinds.some((kind) => store.list(kind).length > 0)) return;
  const updates = gatewayStatus(store, {
    now,
    addressesOf: ({ namespace, name }) => {
      const pods = store.list<Pod>('Pod', namespace).filter((pod) => controllerOf(pod)?.gateway === name);
      const controller = pods[0] === undefined ? undefined : controllerOf(pods[0]);
      // Without a data plane of its own a Gateway keeps the addresses that a dump of a cluster gives it.
      if (controller === undefined) return givenAddresses(store.get<Gateway>('Gateway', namespace, name));
      return publishedAddresses(store, pods, controller).map(({ ip, hostname }) =>
        ip === undefined ? { type: 'Hostname', value: hostname ?? '' } : { type: 'IPAddress', value: ip },
      );
    },
  });
  for (const { object, status } of updates) store.put({ ...object, status } as typeof object);
}

const kinds = [
  'GatewayClass',
  'Gateway',
  'ListenerSet',
  'HTTPRoute',
  'GRPCRoute',
  'TLSRoute',
  'TCPRoute',
  'UDPRoute',
  'BackendTLSPolicy',
];

function givenAddresses(gateway: Gateway | undefined): { type: 'IPAddress' | 'Hostname'; value: string }[] {
  return (gateway?.status?.addresses ?? []).flatMap(({ type, value }) =>
    value === undefined ? [] : [{ type: type === 'Hostname' ? 'Hostname' : 'IPAddress', value }],
  );
}

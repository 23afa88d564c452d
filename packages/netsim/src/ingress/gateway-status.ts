import { gatewayStatus } from '@netsim/ingress';
import type { Gateway, KubeObject, ObjectStore, Pod, StoreEvent } from '@netsim/manifest';
import { controllerOf } from './controllers.ts';
import { publishedAddresses, type StoreReader } from './status.ts';

/** Writes the conditions of the Gateway API's objects, as their controller does; it looks again only where what it read has changed. */
export class GatewayStatusWriter {
  readonly #store: ObjectStore;
  /** The kinds that the last look read: a change of any other makes no difference. */
  #read: ReadonlySet<string> = new Set();
  #changed = true;
  /** Each status is written by this very object: to be told of it is no news. */
  #written: KubeObject | undefined;

  constructor(store: ObjectStore) {
    this.#store = store;
    store.watch('*', (event) => {
      if (!this.#changed) this.#changed = this.#matters(event);
    });
  }

  /** `now`: milliseconds since the Unix epoch, the time of conditions that change. */
  write(now: number): void {
    if (!this.#changed) return;
    const { reader, read } = recording(this.#store);
    this.#read = read;
    this.#changed = false;
    if (!kinds.some((kind) => reader.list(kind).length > 0)) return;
    const updates = gatewayStatus(reader, {
      now,
      addressesOf: ({ namespace, name }) => addressesOf(reader, namespace, name),
    });
    for (const { object, status } of updates) {
      this.#written = { ...object, status } as KubeObject;
      this.#store.put(this.#written);
    }
    this.#written = undefined;
  }

  #matters({ object, old }: StoreEvent): boolean {
    if (object === this.#written || !this.#read.has(object.kind)) return false;
    // Of all pods only those that carry a Gateway's traffic count, and those change seldom.
    return (
      object.kind !== 'Pod' || [object, old].some((pod) => pod !== undefined && gatewayOf(pod as Pod) !== undefined)
    );
  }
}

/** Reads from a store, and the kinds that were read; that there is no object of a kind is read too. */
function recording(store: ObjectStore): { readonly reader: StoreReader; readonly read: ReadonlySet<string> } {
  const read = new Set<string>();
  const reader: StoreReader = {
    list: (kind, namespace) => {
      read.add(kind);
      return store.list(kind, namespace);
    },
    get: (kind, namespace, name) => {
      read.add(kind);
      return store.get(kind, namespace, name);
    },
  };
  return { reader, read };
}

function addressesOf(
  store: StoreReader,
  namespace: string,
  name: string,
): { type: 'IPAddress' | 'Hostname'; value: string }[] {
  const pods = store.list<Pod>('Pod', namespace).filter((pod) => gatewayOf(pod) === name);
  const controller = pods[0] === undefined ? undefined : controllerOf(pods[0]);
  // Without a data plane of its own a Gateway keeps the addresses that a dump of a cluster gives it.
  if (controller === undefined) return givenAddresses(store.get<Gateway>('Gateway', namespace, name));
  return publishedAddresses(store, pods, controller).map(({ ip, hostname }) =>
    ip === undefined ? { type: 'Hostname', value: hostname ?? '' } : { type: 'IPAddress', value: ip },
  );
}

const gatewayOf = (pod: Pod): string | undefined => controllerOf(pod)?.gateway;

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

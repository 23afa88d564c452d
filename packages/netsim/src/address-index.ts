import { podIPs } from '@netsim/control';
import type { KubeObject, ObjectStore, Pod, Service, StoreEvent } from '@netsim/manifest';

/** Services and pods by their addresses. Made when first asked, and kept current by the changes of the store. */
export class AddressIndex {
  readonly #store: ObjectStore;
  #services: Map<string, Service> | undefined;
  #pods: Map<string, Pod> | undefined;

  constructor(store: ObjectStore) {
    this.#store = store;
    store.watch('Service', (event) => follow(this.#services, event, serviceAddresses));
    store.watch('Pod', (event) => follow(this.#pods, event, podAddresses));
  }

  /** The service with this cluster IP. */
  service(address: string): Service | undefined {
    this.#services ??= index(this.#store.list<Service>('Service'), serviceAddresses);
    return this.#services.get(address);
  }

  /** The pod with this address; not one that has its node's. */
  pod(address: string): Pod | undefined {
    this.#pods ??= index(this.#store.list<Pod>('Pod'), podAddresses);
    return this.#pods.get(address);
  }
}

function serviceAddresses({ spec }: Service): readonly string[] {
  return [...new Set([spec.clusterIP ?? 'None', ...(spec.clusterIPs ?? [])])].filter(
    (ip) => ip !== 'None' && ip !== '',
  );
}

function podAddresses(pod: Pod): readonly string[] {
  return pod.spec.hostNetwork === true ? [] : podIPs(pod);
}

function index<T>(objects: readonly T[], addresses: (object: T) => readonly string[]): Map<string, T> {
  const found = new Map<string, T>();
  for (const object of objects) for (const ip of addresses(object)) if (!found.has(ip)) found.set(ip, object);
  return found;
}

function follow<T extends KubeObject>(
  known: Map<string, T> | undefined,
  { type, object, old }: StoreEvent,
  addresses: (object: T) => readonly string[],
): void {
  if (known === undefined) return;
  const before = (type === 'DELETED' ? object : old) as T | undefined;
  for (const ip of before === undefined ? [] : addresses(before)) {
    const { namespace, name } = known.get(ip)?.metadata ?? {};
    if (namespace === before!.metadata.namespace && name === before!.metadata.name) known.delete(ip);
  }
  if (type !== 'DELETED') for (const ip of addresses(object as T)) known.set(ip, object as T);
}

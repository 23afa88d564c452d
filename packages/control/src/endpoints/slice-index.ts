import type { EndpointSlice, ObjectStore } from '@netsim/manifest';
import { keyOf } from '../core/keys.ts';
import { managedByLabel, serviceNameLabel } from './service-labels.ts';

/** The slices that one manager keeps, by service. */
export class SliceIndex {
  readonly #store: ObjectStore;
  readonly #manager: string;
  readonly #names = new Map<string, Set<string>>();
  readonly stop: () => void;

  constructor(store: ObjectStore, manager: string) {
    this.#store = store;
    this.#manager = manager;
    for (const slice of store.list<EndpointSlice>('EndpointSlice')) this.#set(slice, true);
    this.stop = store.watch('EndpointSlice', ({ type, object, old }) => {
      if (old !== undefined && old.metadata.labels !== object.metadata.labels) this.#set(old as EndpointSlice, false);
      this.#set(object as EndpointSlice, type !== 'DELETED');
    });
  }

  /** The slices of a service, in the order in which they were made. */
  of(namespace: string, service: string): EndpointSlice[] {
    const found: EndpointSlice[] = [];
    for (const name of this.#names.get(keyOf(namespace, service)) ?? []) {
      const slice = this.#store.get<EndpointSlice>('EndpointSlice', namespace, name);
      if (slice !== undefined) found.push(slice);
    }
    return found;
  }

  #set(slice: EndpointSlice, there: boolean): void {
    const { labels, namespace, name } = slice.metadata;
    const service = labels?.[serviceNameLabel];
    if (service === undefined || labels?.[managedByLabel] !== this.#manager) return;
    const key = keyOf(namespace, service);
    const names = this.#names.get(key);
    if (!there) names?.delete(name);
    else if (names === undefined) this.#names.set(key, new Set([name]));
    else names.add(name);
  }
}

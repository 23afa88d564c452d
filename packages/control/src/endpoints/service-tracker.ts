import type { Node, Pod, Service, StoreEvent } from '@netsim/manifest';
import type { Context } from '../core/context.ts';
import { keyOf, objectKey, splitKey } from '../core/keys.ts';
import { SelectorIndex } from '../core/selector-index.ts';
import { endpointChanged, hasIP } from './pod-endpoint.ts';

/**
 * Tells the endpoint controllers which services are dirty: those that changed, and those that select a pod that did,
 * or a pod on a node that did.
 */
export class ServiceTracker {
  readonly #context: Context;
  readonly #selectors = new SelectorIndex();
  readonly #queues: Set<string>[] = [];
  /** Services that pods have been seen for; the endpoints of others may come from a dump without its pods. */
  readonly #live = new Set<string>();
  readonly #ends: (() => void)[];

  constructor(context: Context) {
    this.#context = context;
    const { store } = context;
    for (const object of store.list('Service')) this.#service({ type: 'ADDED', object });
    for (const object of store.list('Pod')) this.#pod({ type: 'ADDED', object });
    this.#ends = [
      store.watch('Service', (event) => this.#service(event)),
      store.watch('Pod', (event) => this.#pod(event)),
      store.watch('Node', (event) => this.#node(event)),
    ];
  }

  /** Puts the keys of all services, and from now on of dirty ones, into a queue. */
  feed(queue: Set<string>): void {
    this.#queues.push(queue);
    for (const service of this.#context.store.list('Service')) queue.add(objectKey(service));
  }

  /**
   * The pods that a service selects; nothing for a service without selector. Where no pod of a service was ever
   * there, `partial` says that endpoints which the input brought are all that is known.
   */
  selected(service: Service): { pods: readonly Pod[]; partial: boolean } | undefined {
    const selector = podSelector(service);
    if (selector === undefined) return undefined;
    const pods = this.#context.pods.select(service.metadata.namespace ?? 'default', { matchLabels: selector });
    const key = objectKey(service);
    if (pods.length > 0) this.#live.add(key);
    return { pods, partial: !this.#live.has(key) };
  }

  stop(): void {
    for (const end of this.#ends) end();
  }

  #service({ type, object }: StoreEvent): void {
    const service = object as Service;
    const { namespace = 'default', name } = service.metadata;
    const selector = type === 'DELETED' ? undefined : podSelector(service);
    this.#selectors.set(namespace, name, selector === undefined ? undefined : { matchLabels: selector });
    if (type === 'DELETED') this.#live.delete(objectKey(service));
    this.#mark(objectKey(service));
  }

  #pod({ type, object, old }: StoreEvent): void {
    const pod = object as Pod;
    const before = old as Pod | undefined;
    if (before === undefined ? !hasIP(pod) : !endpointChanged(before, pod)) return;
    if (before !== undefined && before.metadata.labels !== pod.metadata.labels) this.#markServicesOf(before, false);
    this.#markServicesOf(pod, type === 'DELETED');
  }

  /** A node counts by being there and by its zone. */
  #node({ type, object, old }: StoreEvent): void {
    if (type === 'MODIFIED' && zoneOf(old as Node) === zoneOf(object as Node)) return;
    const { store, pods } = this.#context;
    for (const key of pods.onNode(object.metadata.name)) {
      const { namespace, name } = splitKey(key);
      const pod = store.get<Pod>('Pod', namespace, name);
      if (pod !== undefined) this.#markServicesOf(pod, false);
    }
  }

  #markServicesOf(pod: Pod, live: boolean): void {
    const { namespace = 'default', labels } = pod.metadata;
    for (const name of this.#selectors.matching(namespace, labels)) {
      const key = keyOf(namespace, name);
      if (live) this.#live.add(key);
      this.#mark(key);
    }
  }

  #mark(key: string): void {
    for (const queue of this.#queues) queue.add(key);
  }
}

/** The selector of a service whose endpoints are made of pods; an empty one counts as none. */
export function podSelector({ spec }: Service): Record<string, string> | undefined {
  if (spec.type === 'ExternalName' || spec.selector === undefined) return undefined;
  return Object.keys(spec.selector).length === 0 ? undefined : spec.selector;
}

export function zoneOf(node: Node | undefined): string | undefined {
  return node?.metadata.labels?.['topology.kubernetes.io/zone'];
}

import type { Node, Pod, Service } from '@netsim/manifest';
import type { Context } from '../core/context.ts';
import { Controller } from '../core/controller.ts';
import { keyOf, objectKey, splitKey } from '../core/keys.ts';
import { SelectorIndex } from '../core/selector-index.ts';
import { endpointChanged, hasIP } from './pod-endpoint.ts';

/** A control loop over services that select pods: a service is dirty when it, a pod that it selects, or their node changes. */
export abstract class ServiceQueue extends Controller {
  readonly #selectors = new SelectorIndex();

  constructor(context: Context) {
    super(context);
    this.watch('Service', ({ type, object }) => {
      const service = object as Service;
      const { namespace = 'default', name } = service.metadata;
      const selector = type === 'DELETED' ? undefined : podSelector(service);
      this.#selectors.set(namespace, name, selector === undefined ? undefined : { matchLabels: selector });
      this.queue.add(objectKey(service));
    });
    this.watch('Pod', ({ type, object, old }) => {
      const pod = object as Pod;
      if (old === undefined ? !hasIP(pod) : !endpointChanged(old as Pod, pod)) return;
      if (old !== undefined && old.metadata.labels !== pod.metadata.labels) this.#enqueueFor(old as Pod);
      this.#enqueueFor(pod);
      if (type === 'DELETED') this.podDeleted(pod);
    });
  }

  /** Told of each pod that is deleted. */
  protected podDeleted(_pod: Pod): void {}

  /** Marks the services of all pods on a node. */
  protected enqueueNode(node: Node): void {
    const { store, pods } = this.context;
    for (const key of pods.onNode(node.metadata.name)) {
      const { namespace, name } = splitKey(key);
      const pod = store.get<Pod>('Pod', namespace, name);
      if (pod !== undefined) this.#enqueueFor(pod);
    }
  }

  /** Keys of the services that select a pod. */
  protected servicesOf(pod: Pod): string[] {
    const { namespace = 'default', labels } = pod.metadata;
    return this.#selectors.matching(namespace, labels).map((name) => keyOf(namespace, name));
  }

  #enqueueFor(pod: Pod): void {
    for (const key of this.servicesOf(pod)) this.queue.add(key);
  }
}

/** The selector of a service whose endpoints are made of pods; an empty one counts as none. */
export function podSelector({ spec }: Service): Record<string, string> | undefined {
  if (spec.type === 'ExternalName' || spec.selector === undefined) return undefined;
  return Object.keys(spec.selector).length === 0 ? undefined : spec.selector;
}

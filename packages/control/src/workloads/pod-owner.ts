import type { KubeObject, LabelSelector, Pod } from '@netsim/manifest';
import type { Context } from '../core/context.ts';
import { Controller } from '../core/controller.ts';
import { keyOf, objectKey } from '../core/keys.ts';
import { controllerOf, withOwner, withoutOwner } from '../core/owners.ts';
import { matchesSelector } from '../core/selector.ts';
import { SelectorIndex } from '../core/selector-index.ts';
import { isActive, matters } from './pod-activity.ts';

/** A controller whose objects own pods: it hears of them, adopts orphans that match, and lets go those that do not. */
export abstract class PodOwner<T extends KubeObject> extends Controller {
  protected readonly kind: string;
  readonly #selectors = new SelectorIndex();
  /** How many owners there are. */
  #owners = 0;
  /** Owners that must look for orphans, because one appeared or their selector did. */
  readonly #claiming = new Set<string>();

  /** `selectorOf`: the same object for the same owner each time; nothing where it adopts no orphans. */
  constructor(context: Context, kind: string, selectorOf: (owner: T) => LabelSelector | undefined) {
    super(context);
    this.kind = kind;
    this.watch(kind, ({ type, object }) => {
      const key = objectKey(object);
      const { namespace = 'default', name } = object.metadata;
      this.#selectors.set(namespace, name, type === 'DELETED' ? undefined : selectorOf(object as T));
      this.queue.add(key);
      if (type === 'ADDED') {
        this.#owners++;
        this.#claiming.add(key);
      } else if (type === 'DELETED') {
        this.#owners--;
        this.#claiming.delete(key);
      }
    });
    this.watch('Pod', ({ type, object, old }) => {
      if (this.#owners === 0) return;
      const pod = object as Pod;
      if (type === 'MODIFIED' && !matters(old as Pod, pod)) return;
      this.#enqueueOwner(pod);
      if (old !== undefined) this.#enqueueOwner(old as Pod);
      if (type === 'DELETED' || controllerOf(pod) !== undefined || pod.metadata.deletionTimestamp !== undefined) return;
      const { namespace = 'default', labels } = pod.metadata;
      for (const name of this.#selectors.matching(namespace, labels)) {
        this.#claiming.add(keyOf(namespace, name));
        this.queue.add(keyOf(namespace, name));
      }
    });
  }

  /** The pods of an owner, after adoption and release. `fits`: whether an orphan may be taken. */
  protected claim(owner: T, selector: LabelSelector, fits: (pod: Pod) => boolean = () => true): Pod[] {
    const { store, pods } = this.context;
    const { namespace = 'default', uid = '' } = owner.metadata;
    if (this.#claiming.delete(objectKey(owner))) {
      for (const pod of pods.select(namespace, selector)) {
        if (controllerOf(pod) === undefined && isActive(pod) && fits(pod)) store.put(withOwner(pod, owner));
      }
    }
    const claimed: Pod[] = [];
    for (const pod of pods.controlledBy(uid)) {
      if (matchesSelector(selector, pod.metadata.labels)) claimed.push(pod);
      else if (pod.metadata.deletionTimestamp === undefined) store.put(withoutOwner(pod, uid));
    }
    return claimed;
  }

  #enqueueOwner(pod: Pod): void {
    const owner = controllerOf(pod);
    if (owner?.kind === this.kind) this.queue.add(keyOf(pod.metadata.namespace, owner.name));
  }
}

import type { KubeObject, OwnerReference, Pod } from '@netsim/manifest';
import type { Context } from '../core/context.ts';
import { Controller } from '../core/controller.ts';
import { objectKey, splitKey } from '../core/keys.ts';

/**
 * Deletes what belonged to a deleted owner, as background cascading deletion does. An owner that was never there (a
 * dump that holds pods but not their replica set) takes nothing with it.
 */
export class GarbageCollector extends Controller {
  /** Owner UID to `kind key` of its dependents. */
  readonly #dependents = new Map<string, Set<string>>();
  readonly #terminate: (pod: Pod) => void;

  constructor(context: Context, terminate: (pod: Pod) => void) {
    super(context);
    this.#terminate = terminate;
    this.watch('*', ({ type, object, old }) => {
      const before = type === 'DELETED' ? object.metadata.ownerReferences : old?.metadata.ownerReferences;
      const after = type === 'DELETED' ? undefined : object.metadata.ownerReferences;
      if (before !== after) this.#move(object, before, after);
      if (type !== 'DELETED' || object.metadata.uid === undefined) return;
      if (this.#dependents.has(object.metadata.uid)) this.queue.add(object.metadata.uid);
    });
  }

  protected override reconcile(uid: string): void {
    const { store } = this.context;
    for (const dependent of [...(this.#dependents.get(uid) ?? [])]) {
      const space = dependent.indexOf(' ');
      const kind = dependent.slice(0, space);
      const { namespace, name } = splitKey(dependent.slice(space + 1));
      const object = store.get(kind, namespace, name);
      if (object === undefined) continue;
      const owners = object.metadata.ownerReferences ?? [];
      if (owners.some((owner) => owner.uid !== uid && this.#exists(object, owner))) continue;
      if (kind === 'Pod') this.#terminate(object as Pod);
      else store.delete(kind, namespace, name);
    }
  }

  #exists(object: KubeObject, owner: OwnerReference): boolean {
    return this.context.store.get(owner.kind, object.metadata.namespace, owner.name)?.metadata.uid === owner.uid;
  }

  #move(object: KubeObject, before: OwnerReference[] = [], after: OwnerReference[] = []): void {
    const id = `${object.kind} ${objectKey(object)}`;
    for (const { uid } of before) {
      const set = this.#dependents.get(uid);
      set?.delete(id);
      if (set?.size === 0) this.#dependents.delete(uid);
    }
    for (const { uid } of after) {
      const set = this.#dependents.get(uid);
      if (set === undefined) this.#dependents.set(uid, new Set([id]));
      else set.add(id);
    }
  }
}

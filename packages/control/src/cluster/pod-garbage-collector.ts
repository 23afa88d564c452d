import type { Context } from '../core/context.ts';
import { Controller } from '../core/controller.ts';
import { splitKey } from '../core/keys.ts';

/** So long may a node's pods wait for it to come back (pkg/controller/podgc, quarantineTime). */
const quarantine = 40_000;

/** Deletes the pods of a node that has been deleted. Pods that name a node which was never there are left to a finding. */
export class PodGarbageCollector extends Controller {
  constructor(context: Context) {
    super(context);
    this.watch('Node', ({ type, object }) => {
      const { name } = object.metadata;
      const timer = `pods of deleted node ${name}`;
      if (type === 'DELETED') context.timers.set(timer, context.now() + quarantine, () => this.queue.add(name));
      else if (type === 'ADDED') context.timers.cancel(timer);
    });
  }

  protected override reconcile(node: string): void {
    const { store, pods } = this.context;
    if (store.get('Node', undefined, node) !== undefined) return;
    for (const key of [...pods.onNode(node)]) {
      const { namespace, name } = splitKey(key);
      store.delete('Pod', namespace, name);
    }
  }
}

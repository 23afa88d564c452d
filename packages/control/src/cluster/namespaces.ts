import type { Namespace, ObjectStore } from '@netsim/manifest';
import type { Context } from '../core/context.ts';
import { Controller } from '../core/controller.ts';

const always = ['default', 'kube-node-lease', 'kube-public', 'kube-system'];

/** Makes the namespaces that every cluster has and those that objects mention. */
export class Namespaces extends Controller {
  readonly #known = new Set<string>();

  constructor(context: Context) {
    super(context);
    for (const name of always) this.queue.add(name);
    this.watch('*', ({ type, object }) => {
      if (object.kind === 'Namespace') {
        if (type === 'DELETED') this.#known.delete(object.metadata.name);
        else this.queue.add(object.metadata.name);
        return;
      }
      const { namespace } = object.metadata;
      if (type === 'ADDED' && namespace !== undefined && !this.#known.has(namespace)) this.queue.add(namespace);
    });
  }

  protected override reconcile(name: string): void {
    this.#known.add(name);
    ensureNamespace(this.context.store, name);
  }
}

/** Puts a namespace, or completes one, with the label and the phase that the API server gives it. */
function ensureNamespace(store: ObjectStore, name: string): void {
  const given = store.get<Namespace>('Namespace', undefined, name);
  const label = 'kubernetes.io/metadata.name';
  if (given?.metadata.labels?.[label] === name && given.status?.phase !== undefined) return;
  store.put({
    apiVersion: 'v1',
    kind: 'Namespace',
    ...given,
    metadata: { ...given?.metadata, name, labels: { ...given?.metadata.labels, [label]: name } },
    spec: given?.spec ?? { finalizers: ['kubernetes'] },
    status: given?.status ?? { phase: 'Active' },
  } satisfies Namespace as Namespace);
}

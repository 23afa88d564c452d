import type { Namespace, ObjectStore, Pod } from '@netsim/manifest';
import type { Context } from '../core/context.ts';
import { Controller } from '../core/controller.ts';

const always = ['default', 'kube-node-lease', 'kube-public', 'kube-system'];

/**
 * Makes the namespaces that every cluster has and those that objects mention; with a namespace that is deleted goes
 * everything in it.
 */
export class Namespaces extends Controller {
  readonly #known = new Set<string>();
  readonly #terminate: (pod: Pod) => void;
  readonly #deleted = new Set<string>();

  constructor(context: Context, terminate: (pod: Pod) => void) {
    super(context);
    this.#terminate = terminate;
    for (const name of always) this.queue.add(name);
    this.watch('*', ({ type, object }) => {
      if (object.kind === 'Namespace') {
        if (type === 'DELETED') {
          this.#known.delete(object.metadata.name);
          this.#deleted.add(object.metadata.name);
        }
        this.queue.add(object.metadata.name);
        return;
      }
      const { namespace } = object.metadata;
      if (type === 'ADDED' && namespace !== undefined && !this.#known.has(namespace)) this.queue.add(namespace);
    });
  }

  protected override reconcile(name: string): void {
    if (this.#deleted.delete(name) && this.#isGone(name) && !always.includes(name)) {
      this.#empty(name);
      return;
    }
    this.#known.add(name);
    ensureNamespace(this.context.store, name);
  }

  #isGone(name: string): boolean {
    return this.context.store.get('Namespace', undefined, name) === undefined;
  }

  /** Workloads before their pods, so that nobody makes these anew. */
  #empty(namespace: string): void {
    const { store } = this.context;
    const kinds = store.kinds().filter((kind) => kind !== 'Pod' && kind !== 'Namespace');
    for (const kind of kinds) {
      for (const { metadata } of store.list(kind, namespace)) store.delete(kind, namespace, metadata.name);
    }
    for (const pod of store.list<Pod>('Pod', namespace)) this.#terminate(pod);
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

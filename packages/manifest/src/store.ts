import type { KubeObject } from './objects.ts';

export interface StoreEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: KubeObject;
  /** The object before, for MODIFIED. */
  readonly old?: KubeObject;
}
export type StoreListener = (event: StoreEvent) => void;

/**
 * The objects of a cluster, by kind, namespace and name, as in etcd. Objects are values: a change puts a new one,
 * nobody edits one in place. Listeners are told of each change at once, in the order they were added.
 */
export class ObjectStore {
  readonly #kinds = new Map<string, Map<string, KubeObject>>();
  readonly #namespaced = new Map<string, Map<string, Map<string, KubeObject>>>();
  /** How many objects had been created when each one was, by kind. */
  readonly #births = new Map<string, Map<string, number>>();
  #created = 0;
  readonly #listeners = new Map<string, Set<StoreListener>>();

  get<T extends KubeObject = KubeObject>(kind: string, namespace: string | undefined, name: string): T | undefined {
    return this.#kinds.get(kind)?.get(key(namespace, name)) as T | undefined;
  }

  /** All objects of a kind, in the order they were first put; of one namespace where it is given. */
  list<T extends KubeObject = KubeObject>(kind: string, namespace?: string): T[] {
    const all = namespace === undefined ? this.#kinds.get(kind) : this.#namespaced.get(kind)?.get(namespace);
    return all === undefined ? [] : ([...all.values()] as T[]);
  }

  /** How many objects have been created so far. */
  get created(): number {
    return this.#created;
  }

  /** The place of an object in the order of creation, from 1; undefined where it is not there. */
  birthOf({ kind, metadata }: Pick<KubeObject, 'kind' | 'metadata'>): number | undefined {
    return this.#births.get(kind)?.get(key(metadata.namespace, metadata.name));
  }

  kinds(): string[] {
    return [...this.#kinds.keys()].filter((kind) => this.#kinds.get(kind)!.size > 0);
  }

  /** Adds or replaces. Nothing is told to listeners where the very same object is put again. */
  put(object: KubeObject): void {
    const { kind, metadata } = object;
    const { namespace, name } = metadata;
    let ofKind = this.#kinds.get(kind);
    if (ofKind === undefined) {
      ofKind = new Map();
      this.#kinds.set(kind, ofKind);
    }
    const id = key(namespace, name);
    const old = ofKind.get(id);
    if (old === object) return;
    ofKind.set(id, object);
    if (old === undefined) this.#birthsOf(kind).set(id, ++this.#created);
    if (namespace !== undefined) {
      let spaces = this.#namespaced.get(kind);
      if (spaces === undefined) {
        spaces = new Map();
        this.#namespaced.set(kind, spaces);
      }
      let space = spaces.get(namespace);
      if (space === undefined) {
        space = new Map();
        spaces.set(namespace, space);
      }
      space.set(name, object);
    }
    this.#tell(old === undefined ? { type: 'ADDED', object } : { type: 'MODIFIED', object, old });
  }

  /** Removes; returns what was there. */
  delete(kind: string, namespace: string | undefined, name: string): KubeObject | undefined {
    const id = key(namespace, name);
    const object = this.#kinds.get(kind)?.get(id);
    if (object === undefined) return undefined;
    this.#kinds.get(kind)!.delete(id);
    this.#birthsOf(kind).delete(id);
    if (namespace !== undefined) this.#namespaced.get(kind)?.get(namespace)?.delete(name);
    this.#tell({ type: 'DELETED', object });
    return object;
  }

  /** Listens to changes of one kind, or of all with `*`. Returns a function that ends it. */
  watch(kind: string, listener: StoreListener): () => void {
    let set = this.#listeners.get(kind);
    if (set === undefined) {
      set = new Set();
      this.#listeners.set(kind, set);
    }
    set.add(listener);
    return () => set.delete(listener);
  }

  #birthsOf(kind: string): Map<string, number> {
    let births = this.#births.get(kind);
    if (births === undefined) {
      births = new Map();
      this.#births.set(kind, births);
    }
    return births;
  }

  #tell(event: StoreEvent): void {
    for (const listener of this.#listeners.get(event.object.kind) ?? []) listener(event);
    for (const listener of this.#listeners.get('*') ?? []) listener(event);
  }
}

function key(namespace: string | undefined, name: string): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

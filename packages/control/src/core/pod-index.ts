import type { LabelSelector, ObjectStore, Pod, StoreEvent } from '@netsim/manifest';
import { keyOf } from './keys.ts';
import { type Labels, matchesSelector, pair, requiredPairs } from './selector.ts';

const empty: ReadonlySet<string> = new Set();

/** Pods by label, by controller and by node, kept current from the store's events. */
export class PodIndex {
  readonly #store: ObjectStore;
  /** `namespace/key=value` to pod names. */
  readonly #byPair = new Map<string, Set<string>>();
  /** UID of the controlling owner to pod keys. */
  readonly #byController = new Map<string, Set<string>>();
  readonly #byNode = new Map<string, Set<string>>();
  readonly stop: () => void;

  constructor(store: ObjectStore) {
    this.#store = store;
    for (const pod of store.list<Pod>('Pod')) this.#apply(undefined, pod);
    this.stop = store.watch('Pod', (event: StoreEvent) => {
      const pod = event.object as Pod;
      if (event.type === 'DELETED') this.#apply(pod, undefined);
      else this.#apply(event.old as Pod | undefined, pod);
    });
  }

  /** Pods of the namespace that the selector matches, in the order they were labelled. */
  select(namespace: string, selector: LabelSelector): Pod[] {
    const pairs = requiredPairs(selector);
    if (pairs === undefined) {
      return this.#store.list<Pod>('Pod', namespace).filter((pod) => matchesSelector(selector, pod.metadata.labels));
    }
    const found: Pod[] = [];
    for (const each of pairs) {
      for (const name of this.#byPair.get(keyOf(namespace, each)) ?? empty) {
        const pod = this.#store.get<Pod>('Pod', namespace, name);
        if (pod !== undefined && matchesSelector(selector, pod.metadata.labels)) found.push(pod);
      }
    }
    return found;
  }

  /** Keys of the pods that the owner with this UID controls. */
  controlledBy(uid: string): ReadonlySet<string> {
    return this.#byController.get(uid) ?? empty;
  }

  /** Keys of the pods bound to the node. */
  onNode(node: string): ReadonlySet<string> {
    return this.#byNode.get(node) ?? empty;
  }

  #apply(old: Pod | undefined, pod: Pod | undefined): void {
    const { namespace, name } = (pod ?? old)!.metadata;
    const key = keyOf(namespace, name);
    const before = old?.metadata.labels;
    const after = pod?.metadata.labels;
    if (before !== after) {
      for (const each of pairsOf(before)) remove(this.#byPair, keyOf(namespace, each), name);
      for (const each of pairsOf(after)) add(this.#byPair, keyOf(namespace, each), name);
    }
    move(this.#byController, controllerUid(old), controllerUid(pod), key);
    move(this.#byNode, old?.spec.nodeName, pod?.spec.nodeName, key);
  }
}

/** The UID of the owner that controls an object. */
export function controllerUid(object: Pod | undefined): string | undefined {
  return object?.metadata.ownerReferences?.find((owner) => owner.controller === true)?.uid;
}

function pairsOf(labels: Labels | undefined): string[] {
  return labels === undefined ? [] : Object.keys(labels).map((key) => pair(key, labels[key]!));
}

function move(map: Map<string, Set<string>>, from: string | undefined, to: string | undefined, value: string): void {
  if (from === to) return;
  if (from !== undefined) remove(map, from, value);
  if (to !== undefined) add(map, to, value);
}

function add(map: Map<string, Set<string>>, key: string, value: string): void {
  const set = map.get(key);
  if (set === undefined) map.set(key, new Set([value]));
  else set.add(value);
}

function remove(map: Map<string, Set<string>>, key: string, value: string): void {
  const set = map.get(key);
  set?.delete(value);
  if (set?.size === 0) map.delete(key);
}

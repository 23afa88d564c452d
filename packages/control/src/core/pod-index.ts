import type { LabelSelector, ObjectStore, Pod, StoreEvent } from '@netsim/manifest';
import { keyOf } from './keys.ts';
import { controllerOf } from './owners.ts';
import { type Labels, matchesSelector, requiredLabel } from './selector.ts';

class Space {
  readonly pods = new Map<string, Pod>();
  /** Label key to value to the names of the pods that have it. */
  readonly byLabel = new Map<string, Map<string, Set<string>>>();
}

const empty: ReadonlySet<string> = new Set();

/** Pods by label, by controller and by node, kept current from the store's events. */
export class PodIndex {
  readonly #spaces = new Map<string, Space>();
  /** UID of the controlling owner to its pods by name: an owner and its pods share a namespace. */
  readonly #byController = new Map<string, Map<string, Pod>>();
  readonly #byNode = new Map<string, Set<string>>();
  readonly stop: () => void;

  constructor(store: ObjectStore) {
    for (const pod of store.list<Pod>('Pod')) this.#apply(undefined, pod);
    this.stop = store.watch('Pod', (event: StoreEvent) => {
      const pod = event.object as Pod;
      if (event.type === 'DELETED') this.#apply(pod, undefined);
      else this.#apply(event.old as Pod | undefined, pod);
    });
  }

  /** Pods of the namespace that the selector matches, in the order they were labelled. */
  select(namespace: string, selector: LabelSelector): Pod[] {
    const space = this.#spaces.get(namespace);
    const found: Pod[] = [];
    if (space === undefined) return found;
    const required = requiredLabel(selector);
    if (required === undefined) {
      for (const pod of space.pods.values()) if (matchesSelector(selector, pod.metadata.labels)) found.push(pod);
      return found;
    }
    const values = space.byLabel.get(required.key);
    for (const value of required.values) {
      for (const name of values?.get(value) ?? empty) {
        const pod = space.pods.get(name)!;
        if (matchesSelector(selector, pod.metadata.labels)) found.push(pod);
      }
    }
    return found;
  }

  /** The pods that the owner with this UID controls, as they are now. */
  controlledBy(uid: string): Pod[] {
    const pods = this.#byController.get(uid);
    return pods === undefined ? [] : [...pods.values()];
  }

  /** Keys of the pods bound to the node. */
  onNode(node: string): ReadonlySet<string> {
    return this.#byNode.get(node) ?? empty;
  }

  #apply(old: Pod | undefined, pod: Pod | undefined): void {
    const { namespace = 'default', name, labels } = (pod ?? old)!.metadata;
    let space = this.#spaces.get(namespace);
    if (space === undefined) {
      space = new Space();
      this.#spaces.set(namespace, space);
    }
    if (pod === undefined) space.pods.delete(name);
    else space.pods.set(name, pod);
    if (pod === undefined || labels !== old?.metadata.labels) {
      unlabel(space, old?.metadata.labels, name);
      if (pod !== undefined) label(space, labels, name);
    }
    this.#control(old, pod, name);
    const from = old?.spec.nodeName;
    const to = pod?.spec.nodeName;
    if (from !== to) move(this.#byNode, from, to, keyOf(namespace, name));
  }

  #control(old: Pod | undefined, pod: Pod | undefined, name: string): void {
    const before = old && controllerOf(old)?.uid;
    const after = pod && controllerOf(pod)?.uid;
    if (before !== undefined && before !== after) {
      const pods = this.#byController.get(before);
      pods?.delete(name);
      if (pods?.size === 0) this.#byController.delete(before);
    }
    if (pod === undefined || after === undefined) return;
    const pods = this.#byController.get(after);
    if (pods === undefined) this.#byController.set(after, new Map([[name, pod]]));
    else pods.set(name, pod);
  }
}

function label(space: Space, labels: Labels | undefined, name: string): void {
  for (const key in labels) {
    let values = space.byLabel.get(key);
    if (values === undefined) {
      values = new Map();
      space.byLabel.set(key, values);
    }
    add(values, labels[key]!, name);
  }
}

function unlabel(space: Space, labels: Labels | undefined, name: string): void {
  for (const key in labels) remove(space.byLabel.get(key), labels[key]!, name);
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

function remove(map: Map<string, Set<string>> | undefined, key: string, value: string): void {
  const set = map?.get(key);
  set?.delete(value);
  if (set?.size === 0) map?.delete(key);
}

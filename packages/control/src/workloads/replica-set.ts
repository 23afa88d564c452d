import type { Pod, ReplicaSet } from '@netsim/manifest';
import type { Context } from '../core/context.ts';
import { Controller } from '../core/controller.ts';
import { keyOf, objectKey, splitKey } from '../core/keys.ts';
import { controllerOf, withOwner, withoutOwner } from '../core/owners.ts';
import { matchesSelector } from '../core/selector.ts';
import { SelectorIndex } from '../core/selector-index.ts';
import { conditionOf, isReady, isTerminal } from '../kubelet/pod-status.ts';
import { podsToDelete } from './pod-ranking.ts';
import { podFromTemplate } from './pod-template.ts';

/**
 * The ReplicaSet controller: claims pods by selector (adopting orphans, releasing pods whose labels no longer match),
 * makes or deletes pods until their number is right, and reports the status.
 */
export class ReplicaSets extends Controller {
  readonly #selectors = new SelectorIndex();
  /** Replica sets that must look for orphans, because one appeared or their selector did. */
  readonly #claiming = new Set<string>();
  readonly #terminate: (pod: Pod) => void;
  #busy = false;

  constructor(context: Context, terminate: (pod: Pod) => void) {
    super(context);
    this.#terminate = terminate;
    this.watch('ReplicaSet', ({ type, object }) => {
      const set = object as ReplicaSet;
      const key = objectKey(set);
      const { namespace = 'default', name } = set.metadata;
      this.#selectors.set(namespace, name, type === 'DELETED' ? undefined : set.spec.selector);
      this.queue.add(key);
      if (type === 'ADDED') this.#claiming.add(key);
    });
    this.watch('Pod', ({ type, object, old }) => {
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

  /**
   * Works off the queue up to the first set that has pods to make or to delete: that takes the real controller long
   * enough for the deployment controller to go on with what it has heard so far.
   */
  override sync(): boolean {
    let any = false;
    for (const key of this.queue) {
      any = true;
      this.queue.delete(key);
      this.#busy = false;
      this.reconcile(key);
      if (this.#busy) break;
    }
    return any;
  }

  protected override reconcile(key: string): void {
    const { namespace = 'default', name } = splitKey(key);
    const set = this.context.store.get<ReplicaSet>('ReplicaSet', namespace, name);
    if (set === undefined) {
      this.#claiming.delete(key);
      return;
    }
    const pods = this.#claim(key, set).filter(isActive);
    if (set.metadata.deletionTimestamp === undefined) this.#manage(set, pods);
    this.#report(key);
  }

  /** The pods of the set, after adoption and release. */
  #claim(key: string, set: ReplicaSet): Pod[] {
    const { store, pods } = this.context;
    const { namespace = 'default', uid = '' } = set.metadata;
    if (this.#claiming.delete(key)) {
      for (const pod of pods.select(namespace, set.spec.selector)) {
        if (controllerOf(pod) === undefined && isActive(pod)) store.put(withOwner(pod, set));
      }
    }
    const claimed: Pod[] = [];
    for (const pod of pods.controlledBy(uid)) {
      if (matchesSelector(set.spec.selector, pod.metadata.labels)) claimed.push(pod);
      else if (pod.metadata.deletionTimestamp === undefined) store.put(withoutOwner(pod, uid));
    }
    return claimed;
  }

  #manage(set: ReplicaSet, pods: readonly Pod[]): void {
    const { store, now } = this.context;
    const surplus = pods.length - (set.spec.replicas ?? 1);
    if (surplus !== 0) this.#busy = true;
    for (let i = surplus; i < 0; i++) store.put(podFromTemplate(this.context, set, set.spec.template));
    if (surplus > 0) {
      for (const pod of podsToDelete(pods, this.#siblings(set, pods), surplus, now())) this.#terminate(pod);
    }
  }

  /** The active pods of all replica sets with the same owner: they count where nodes are compared for crowding. */
  #siblings(set: ReplicaSet, own: readonly Pod[]): readonly Pod[] {
    const owner = controllerOf(set);
    if (owner === undefined) return own;
    const { store, pods } = this.context;
    const { namespace = 'default' } = set.metadata;
    const all: Pod[] = [];
    for (const other of store.list<ReplicaSet>('ReplicaSet', namespace)) {
      if (controllerOf(other)?.uid !== owner.uid) continue;
      all.push(...pods.controlledBy(other.metadata.uid ?? '').filter(isActive));
    }
    return all;
  }

  #report(key: string): void {
    const { store, pods } = this.context;
    const { namespace = 'default', name } = splitKey(key);
    const set = store.get<ReplicaSet>('ReplicaSet', namespace, name)!;
    const template = set.spec.template.metadata?.labels ?? {};
    const count = { replicas: 0, fullyLabeledReplicas: 0, readyReplicas: 0, availableReplicas: 0 };
    let nextAvailable = Number.POSITIVE_INFINITY;
    const required = Object.keys(template);
    for (const pod of pods.controlledBy(set.metadata.uid ?? '')) {
      if (!isActive(pod)) continue;
      count.replicas++;
      const labels = pod.metadata.labels ?? {};
      if (required.every((each) => labels[each] === template[each])) count.fullyLabeledReplicas++;
      if (!isReady(pod)) continue;
      count.readyReplicas++;
      const at = availableAt(pod, set.spec.minReadySeconds ?? 0);
      if (at <= this.context.now()) count.availableReplicas++;
      else nextAvailable = Math.min(nextAvailable, at);
    }
    if (nextAvailable < Number.POSITIVE_INFINITY) {
      this.context.timers.set(`available ${key}`, nextAvailable, () => this.queue.add(key));
    } else this.context.timers.cancel(`available ${key}`);
    const status = { ...count, observedGeneration: set.metadata.generation ?? 1 };
    if (!sameCounts(set.status, status)) store.put({ ...set, status } as ReplicaSet);
  }

  #enqueueOwner(pod: Pod): void {
    const owner = controllerOf(pod);
    if (owner?.kind === 'ReplicaSet') this.queue.add(keyOf(pod.metadata.namespace, owner.name));
  }
}

/** Whether a pod counts among the replicas: it has neither ended nor been told to. */
function isActive(pod: Pod): boolean {
  return !isTerminal(pod) && pod.metadata.deletionTimestamp === undefined;
}

/** The virtual time at which a ready pod becomes available. */
function availableAt(pod: Pod, minReadySeconds: number): number {
  if (minReadySeconds === 0) return Number.NEGATIVE_INFINITY;
  const since = Date.parse(conditionOf(pod, 'Ready')?.lastTransitionTime ?? '');
  return (Number.isNaN(since) ? Number.POSITIVE_INFINITY : since) + minReadySeconds * 1000;
}

function matters(old: Pod, pod: Pod): boolean {
  return (
    old.metadata.labels !== pod.metadata.labels ||
    old.metadata.ownerReferences !== pod.metadata.ownerReferences ||
    old.metadata.deletionTimestamp !== pod.metadata.deletionTimestamp ||
    old.status?.phase !== pod.status?.phase ||
    isReady(old) !== isReady(pod)
  );
}

function sameCounts(a: ReplicaSet['status'], b: NonNullable<ReplicaSet['status']>): boolean {
  return (
    a !== undefined &&
    a.replicas === b.replicas &&
    (a.fullyLabeledReplicas ?? 0) === b.fullyLabeledReplicas &&
    (a.readyReplicas ?? 0) === b.readyReplicas &&
    (a.availableReplicas ?? 0) === b.availableReplicas &&
    a.observedGeneration === b.observedGeneration
  );
}

import type { KubeObject, LabelSelector, Pod, PodTemplate, ReplicaSet } from '@netsim/manifest';
import type { Context } from '../core/context.ts';
import { splitKey } from '../core/keys.ts';
import { controllerOf } from '../core/owners.ts';
import { isReady } from '../kubelet/pod-status.ts';
import { availableAt, isActive } from './pod-activity.ts';
import { PodOwner } from './pod-owner.ts';
import { podsToDelete } from './pod-ranking.ts';
import { podFromTemplate } from './pod-template.ts';

/** A ReplicaSet, or a ReplicationController, whose selector is a plain map. */
interface ReplicaOwner extends KubeObject {
  spec: {
    replicas?: number;
    minReadySeconds?: number;
    selector?: LabelSelector | Record<string, string>;
    template: PodTemplate;
  };
  status?: ReplicaSet['status'];
}

/**
 * The ReplicaSet controller: claims pods by selector (adopting orphans, releasing pods whose labels no longer match),
 * makes or deletes pods until their number is right, and reports the status. It serves ReplicationControllers as well,
 * as the real one does.
 */
export class ReplicaSets extends PodOwner<ReplicaOwner> {
  readonly #terminate: (pod: Pod) => void;
  #busy = false;

  constructor(context: Context, terminate: (pod: Pod) => void, kind: 'ReplicaSet' | 'ReplicationController') {
    super(context, kind, selectorOf);
    this.#terminate = terminate;
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
    const set = this.context.store.get<ReplicaOwner>(this.kind, namespace, name);
    if (set === undefined) return;
    const pods = this.claim(set, selectorOf(set)).filter(isActive);
    if (set.metadata.deletionTimestamp === undefined) this.#manage(set, pods);
    this.#report(key);
  }

  #manage(set: ReplicaOwner, pods: readonly Pod[]): void {
    const { store, now } = this.context;
    const surplus = pods.length - (set.spec.replicas ?? 1);
    if (surplus !== 0) this.#busy = true;
    for (let i = surplus; i < 0; i++) store.put(podFromTemplate(this.context, set, set.spec.template));
    if (surplus > 0) {
      for (const pod of podsToDelete(pods, this.#siblings(set, pods), surplus, now())) this.#terminate(pod);
    }
  }

  /** The active pods of all replica sets with the same owner: they count where nodes are compared for crowding. */
  #siblings(set: ReplicaOwner, own: readonly Pod[]): readonly Pod[] {
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
    const set = store.get<ReplicaOwner>(this.kind, namespace, name)!;
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
    if (!sameCounts(set.status, status)) store.put({ ...set, status } as ReplicaOwner);
  }
}

const selectors = new WeakMap<object, LabelSelector>();

/** The selector as ReplicaSets write it. A ReplicationController without one means its template's labels. */
function selectorOf({ kind, spec }: ReplicaOwner): LabelSelector {
  if (kind === 'ReplicaSet') return (spec.selector ?? {}) as LabelSelector;
  const labels = (spec.selector ?? spec.template.metadata?.labels ?? {}) as Record<string, string>;
  let selector = selectors.get(labels);
  if (selector === undefined) {
    selector = { matchLabels: labels };
    selectors.set(labels, selector);
  }
  return selector;
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

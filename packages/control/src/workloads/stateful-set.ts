import type { Pod } from '@netsim/manifest';
import type { Context } from '../core/context.ts';
import { splitKey } from '../core/keys.ts';
import { isReady, isTerminal } from '../kubelet/pod-status.ts';
import type { StatefulSet } from './kinds.ts';
import { availableAt } from './pod-activity.ts';
import { PodOwner } from './pod-owner.ts';
import { podFromTemplate } from './pod-template.ts';
import { isOfRevision, Revisions, revisionLabel } from './revisions.ts';
import { sameStatus } from './same-status.ts';

/**
 * The StatefulSet controller (pkg/controller/statefulset): pods with the names `web-0`, `web-1`, ... and the host names
 * of the governing service, made one after the other as each becomes ready, and ended in the other order. Volume claims
 * are not made.
 */
export class StatefulSets extends PodOwner<StatefulSet> {
  readonly #terminate: (pod: Pod) => void;
  readonly #revisions = new Revisions();

  constructor(context: Context, terminate: (pod: Pod) => void) {
    super(context, 'StatefulSet', ({ spec }) => spec.selector);
    this.#terminate = terminate;
    this.watch('StatefulSet', ({ type, object }) => {
      if (type === 'DELETED') this.#revisions.forget(object);
    });
  }

  protected override reconcile(key: string): void {
    const { namespace, name } = splitKey(key);
    const set = this.context.store.get<StatefulSet>('StatefulSet', namespace, name);
    if (set === undefined || set.metadata.uid === undefined) return;
    const pods = this.claim(set, set.spec.selector, (pod) => ordinalOf(set, pod) !== undefined);
    const byOrdinal = new Map<number, Pod>();
    for (const pod of pods) byOrdinal.set(ordinalOf(set, pod) ?? -1, pod);
    byOrdinal.delete(-1);
    const revision = this.#revisions.of(set, set.spec.template, pods, {
      prefix: `${name}-`,
      given: set.status?.updateRevision,
    });
    if (set.metadata.deletionTimestamp === undefined) this.#step(set, byOrdinal, revision);
    this.#report(key, revision);
  }

  /** Does the next thing; what it changes brings the set back. */
  #step(set: StatefulSet, pods: ReadonlyMap<number, Pod>, revision: string): void {
    const { start = 0 } = set.spec.ordinals ?? {};
    const end = start + (set.spec.replicas ?? 1);
    const parallel = set.spec.podManagementPolicy === 'Parallel';
    for (let ordinal = start; ordinal < end; ordinal++) {
      const pod = pods.get(ordinal);
      if (pod === undefined) {
        this.#create(set, ordinal, revision);
        if (!parallel) return;
        continue;
      }
      // A pod that has run to its end is made anew under its name.
      if (isTerminal(pod)) this.#terminate(pod);
      else if (parallel || this.#isAvailable(set, pod)) continue;
      if (!parallel) return;
    }
    const condemned = [...pods.keys()].filter((ordinal) => ordinal < start || ordinal >= end).sort((a, b) => b - a);
    for (const ordinal of condemned) {
      const pod = pods.get(ordinal)!;
      if (pod.metadata.deletionTimestamp === undefined) this.#terminate(pod);
      if (!parallel) return;
    }
    this.#update(set, pods, start, end, revision);
  }

  /** Deletes the pod with the highest ordinal that is of an older template, once all above it are well. */
  #update(set: StatefulSet, pods: ReadonlyMap<number, Pod>, start: number, end: number, revision: string): void {
    const { type = 'RollingUpdate', rollingUpdate } = set.spec.updateStrategy ?? {};
    if (type === 'OnDelete') return;
    const first = Math.max(start, start + (rollingUpdate?.partition ?? 0));
    for (let ordinal = end - 1; ordinal >= first; ordinal--) {
      const pod = pods.get(ordinal);
      if (pod === undefined) return;
      if (!isOfRevision(pod, revision) && pod.metadata.deletionTimestamp === undefined) {
        this.#terminate(pod);
        return;
      }
      if (!this.#isAvailable(set, pod)) return;
    }
  }

  #create(set: StatefulSet, ordinal: number, revision: string): void {
    const { serviceName } = set.spec;
    const partition = set.spec.updateStrategy?.rollingUpdate?.partition ?? 0;
    const { start = 0 } = set.spec.ordinals ?? {};
    const name = `${set.metadata.name}-${ordinal}`;
    // Pods below the partition are still made from the template of before.
    const old = ordinal < start + partition ? set.status?.currentRevision : undefined;
    const template = (old === undefined ? undefined : this.#revisions.template(set, old)) ?? set.spec.template;
    const labels = {
      'apps.kubernetes.io/pod-index': String(ordinal),
      [revisionLabel]: template === set.spec.template ? revision : old!,
      'statefulset.kubernetes.io/pod-name': name,
    };
    const spec = { ...template.spec, hostname: name, ...(serviceName ? { subdomain: serviceName } : {}) };
    const pod = podFromTemplate(this.context, set, template, { name, labels, spec });
    this.context.store.put(pod);
  }

  #isAvailable({ spec }: StatefulSet, pod: Pod): boolean {
    if (pod.metadata.deletionTimestamp !== undefined || !isReady(pod)) return false;
    return availableAt(pod, spec.minReadySeconds ?? 0) <= this.context.now();
  }

  #report(key: string, revision: string): void {
    const { store, pods, timers, now } = this.context;
    const { namespace, name } = splitKey(key);
    const set = store.get<StatefulSet>('StatefulSet', namespace, name)!;
    const all = pods.controlledBy(set.metadata.uid ?? '').filter((pod) => ordinalOf(set, pod) !== undefined);
    const minReadySeconds = set.spec.minReadySeconds ?? 0;
    const ready = all.filter(isReady);
    const updated = all.filter((pod) => isOfRevision(pod, revision));
    const wanted = set.spec.replicas ?? 1;
    const waiting = ready.map((pod) => availableAt(pod, minReadySeconds)).filter((at) => at > now());
    if (waiting.length > 0)
      timers.set(`available ${this.kind} ${key}`, Math.min(...waiting), () => this.queue.add(key));
    else timers.cancel(`available ${this.kind} ${key}`);
    // The update is complete when every pod there should be is of the new template and ready.
    const complete = updated.length === wanted && all.length === wanted && ready.length === wanted;
    const currentRevision = complete ? revision : (set.status?.currentRevision ?? revision);
    const status: NonNullable<StatefulSet['status']> = {
      observedGeneration: set.metadata.generation ?? 1,
      replicas: all.length,
      readyReplicas: ready.length,
      availableReplicas: ready.length - waiting.length,
      currentReplicas: all.filter((pod) => isOfRevision(pod, currentRevision)).length,
      updatedReplicas: updated.length,
      currentRevision,
      updateRevision: revision,
      collisionCount: set.status?.collisionCount ?? 0,
    };
    if (!sameStatus(set.status, status)) store.put({ ...set, status: { ...set.status, ...status } } as StatefulSet);
  }
}

/** The number in a pod's name; `undefined` where the pod cannot be the set's. */
function ordinalOf({ metadata }: StatefulSet, pod: Pod): number | undefined {
  const prefix = `${metadata.name}-`;
  const text = pod.metadata.name.startsWith(prefix) ? pod.metadata.name.slice(prefix.length) : '';
  return /^(0|[1-9][0-9]*)$/.test(text) ? Number(text) : undefined;
}

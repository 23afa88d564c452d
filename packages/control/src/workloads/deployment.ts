import type { Deployment, ReplicaSet } from '@netsim/manifest';
import type { Context } from '../core/context.ts';
import { Controller } from '../core/controller.ts';
import { keyOf, objectKey, splitKey } from '../core/keys.ts';
import { sameOrigin } from '../core/origin.ts';
import { controllerOf, controllerReference, withOwner, withoutOwner } from '../core/owners.ts';
import { matchesSelector } from '../core/selector.ts';
import { SelectorIndex } from '../core/selector-index.ts';
import { isTerminal } from '../kubelet/pod-status.ts';
import { deploymentStatus, progressDeadline, sameStatus } from './deployment-status.ts';
import { sameTemplate, templateHash, templateHashLabel } from './pod-template.ts';
import {
  annotatedNumber,
  byCreation,
  desiredAnnotation,
  isRollingUpdate,
  isSaturated,
  maxAnnotation,
  maxSurge,
  maxUnavailable,
  newReplicaSetSize,
  proportionalSizes,
  replicasOf,
  revisionAnnotation,
  totalAvailable,
  totalReplicas,
} from './rollout.ts';

interface Sets {
  /** The replica set whose template is the deployment's. */
  newest: ReplicaSet | undefined;
  /** The others, older first. */
  readonly old: ReplicaSet[];
}

/**
 * The Deployment controller: one replica set per template, scaled a step at a time (pkg/controller/deployment
 * rolling.go, recreate.go, sync.go). Each pass over a deployment takes one step; the replica sets' status brings it back.
 */
export class Deployments extends Controller {
  readonly #selectors = new SelectorIndex();
  /** Deployment UID to names of the replica sets it controls. */
  readonly #owned = new Map<string, Set<string>>();

  constructor(context: Context) {
    super(context);
    this.watch('Deployment', ({ type, object }) => {
      const deployment = object as Deployment;
      const { namespace = 'default', name } = deployment.metadata;
      this.#selectors.set(namespace, name, type === 'DELETED' ? undefined : deployment.spec.selector);
      this.queue.add(objectKey(deployment));
    });
    this.watch('ReplicaSet', ({ type, object, old }) => {
      if (old !== undefined) this.#own(old as ReplicaSet, false);
      this.#own(object as ReplicaSet, type !== 'DELETED');
    });
    this.watch('Pod', ({ type, object }) => {
      // A Recreate rollout waits for the last old pod to be gone.
      if (type !== 'DELETED') return;
      const owner = controllerOf(object);
      if (owner?.kind !== 'ReplicaSet') return;
      const set = context.store.get<ReplicaSet>('ReplicaSet', object.metadata.namespace, owner.name);
      if (set !== undefined) this.#enqueueOwner(set);
    });
  }

  protected override reconcile(key: string): void {
    const { namespace = 'default', name } = splitKey(key);
    const deployment = this.context.store.get<Deployment>('Deployment', namespace, name);
    if (deployment === undefined) {
      this.context.timers.cancel(`progress ${key}`);
      return;
    }
    const sets = this.#claim(deployment);
    if (deployment.metadata.deletionTimestamp === undefined) {
      this.#syncRevisions(deployment, sets);
      if (deployment.spec.paused === true || wasScaled(deployment, sets)) this.#scaleAll(deployment, sets);
      else if (isRollingUpdate(deployment)) this.#rollingUpdate(deployment, sets);
      else this.#recreate(deployment, sets);
      this.#cleanUp(deployment, sets);
    }
    this.#report(key, sets);
  }

  /** The deployment's replica sets, after adoption and release. */
  #claim(deployment: Deployment): Sets {
    const { store } = this.context;
    const { namespace = 'default', uid = '' } = deployment.metadata;
    const own: ReplicaSet[] = [];
    for (const name of [...(this.#owned.get(uid) ?? [])]) {
      const set = store.get<ReplicaSet>('ReplicaSet', namespace, name);
      if (set === undefined) continue;
      if (matchesSelector(deployment.spec.selector, set.metadata.labels)) own.push(set);
      else store.put(withoutOwner(set, uid));
    }
    for (const name of [...(this.#owned.get(orphansOf(namespace)) ?? [])]) {
      const set = store.get<ReplicaSet>('ReplicaSet', namespace, name);
      if (set === undefined || !matchesSelector(deployment.spec.selector, set.metadata.labels)) continue;
      const adopted = withOwner(set, deployment);
      store.put(adopted);
      own.push(adopted);
    }
    own.sort(byCreation);
    const newest = own.find((set) => sameTemplate(set.spec.template, deployment.spec.template));
    return { newest, old: own.filter((set) => set !== newest) };
  }

  /** Gives the newest replica set the highest revision, and makes the deployment say so. */
  #syncRevisions(deployment: Deployment, sets: Sets): void {
    const { newest } = sets;
    if (newest === undefined) return;
    const revision = Math.max(0, ...sets.old.map((set) => annotatedNumber(set, revisionAnnotation) ?? 0)) + 1;
    const current = annotatedNumber(newest, revisionAnnotation) ?? 0;
    if (current < revision) this.#update(sets, annotate(newest, { [revisionAnnotation]: String(revision) }));
    this.#setRevision(deployment, Math.max(revision, current));
  }

  #setRevision(deployment: Deployment, revision: number): void {
    const { store } = this.context;
    const { namespace, name, annotations } = deployment.metadata;
    if (annotations?.[revisionAnnotation] === String(revision)) return;
    const latest = store.get<Deployment>('Deployment', namespace, name)!;
    store.put(annotate(latest, { [revisionAnnotation]: String(revision) }));
  }

  #rollingUpdate(deployment: Deployment, sets: Sets): void {
    if (sets.newest === undefined) {
      this.#create(deployment, sets);
      return;
    }
    const { newest } = sets;
    const size =
      replicasOf(newest) > replicasOf(deployment)
        ? replicasOf(deployment)
        : newReplicaSetSize(deployment, [...sets.old, newest], replicasOf(newest));
    if (this.#resize(deployment, sets, newest, size)) return;
    const active = sets.old.filter((set) => replicasOf(set) > 0);
    if (active.length === 0) return;
    const minAvailable = replicasOf(deployment) - maxUnavailable(deployment);
    const newUnavailable = replicasOf(newest) - (newest.status?.availableReplicas ?? 0);
    const spare = totalReplicas([...active, newest]) - minAvailable - newUnavailable;
    if (spare <= 0) return;
    this.#dropUnhealthy(deployment, sets, spare);
    this.#dropOld(deployment, sets, minAvailable);
  }

  /** First the old replicas that serve nobody. */
  #dropUnhealthy(deployment: Deployment, sets: Sets, spare: number): void {
    let left = spare;
    for (const set of [...sets.old]) {
      const unhealthy = replicasOf(set) - (set.status?.availableReplicas ?? 0);
      if (left <= 0 || replicasOf(set) === 0 || unhealthy <= 0) continue;
      const drop = Math.min(left, unhealthy);
      left -= drop;
      this.#resize(deployment, sets, set, replicasOf(set) - drop);
    }
  }

  /** Then as many old replicas as may be missing. */
  #dropOld(deployment: Deployment, sets: Sets, minAvailable: number): void {
    let left = totalAvailable([...sets.old, sets.newest!]) - minAvailable;
    for (const set of [...sets.old]) {
      if (left <= 0) return;
      if (replicasOf(set) === 0) continue;
      const drop = Math.min(replicasOf(set), left);
      left -= drop;
      this.#resize(deployment, sets, set, replicasOf(set) - drop);
    }
  }

  #recreate(deployment: Deployment, sets: Sets): void {
    let scaledDown = false;
    for (const set of [...sets.old]) {
      if (replicasOf(set) > 0) scaledDown = this.#resize(deployment, sets, set, 0) || scaledDown;
    }
    if (scaledDown || sets.old.some((set) => this.#hasRunningPods(set))) return;
    const newest = sets.newest ?? this.#create(deployment, sets);
    this.#resize(deployment, sets, newest, replicasOf(deployment));
  }

  /** Scaling alone, with no rollout: while paused, or when the wanted number has changed. */
  #scaleAll(deployment: Deployment, sets: Sets): void {
    const { newest, old } = sets;
    const all = newest === undefined ? [...old] : [...old, newest];
    const active = all.filter((set) => replicasOf(set) > 0);
    if (active.length <= 1) {
      const only = active[0] ?? newest ?? old.at(-1);
      if (only !== undefined) this.#resize(deployment, sets, only, replicasOf(deployment));
      return;
    }
    if (isSaturated(deployment, newest)) {
      for (const set of active) if (set !== newest) this.#resize(deployment, sets, set, 0);
      return;
    }
    if (!isRollingUpdate(deployment)) return;
    for (const [set, size] of proportionalSizes(deployment, active)) this.#resize(deployment, sets, set, size);
  }

  /** Sets the size and the annotations that remember what the deployment wanted; true where the size changed. */
  #resize(deployment: Deployment, sets: Sets, set: ReplicaSet, size: number): boolean {
    const desired = String(replicasOf(deployment));
    const max = String(replicasOf(deployment) + maxSurge(deployment));
    const { annotations } = set.metadata;
    const sized = replicasOf(set) !== size;
    if (!sized && annotations?.[desiredAnnotation] === desired && annotations[maxAnnotation] === max) return false;
    // A replica set that neither grows nor shrinks in a rollout keeps its annotations until it is scaled.
    const annotated = annotate(set, { [desiredAnnotation]: desired, [maxAnnotation]: max });
    this.#update(sets, { ...annotated, spec: { ...annotated.spec, replicas: size } });
    return sized;
  }

  #create(deployment: Deployment, sets: Sets): ReplicaSet {
    const { store, names, time } = this.context;
    const { namespace = 'default', name } = deployment.metadata;
    let hash: string;
    let collisions = 0;
    do hash = templateHash(deployment.spec.template, collisions++);
    while (store.get('ReplicaSet', namespace, `${name}-${hash}`) !== undefined);
    const { template } = deployment.spec;
    const labels = { ...template.metadata?.labels, [templateHashLabel]: hash };
    const revision = Math.max(0, ...sets.old.map((set) => annotatedNumber(set, revisionAnnotation) ?? 0)) + 1;
    const size = newReplicaSetSize(deployment, sets.old, 0);
    const set: ReplicaSet = {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: {
        name: `${name}-${hash}`,
        namespace,
        uid: names.uid(`ReplicaSet ${namespace}/${name}-${hash}`),
        creationTimestamp: time(),
        generation: 1,
        labels,
        annotations: {
          ...copiedAnnotations(deployment),
          [desiredAnnotation]: String(replicasOf(deployment)),
          [maxAnnotation]: String(replicasOf(deployment) + maxSurge(deployment)),
          [revisionAnnotation]: String(revision),
        },
        ownerReferences: [controllerReference(deployment)],
      },
      spec: {
        replicas: size,
        ...(deployment.spec.minReadySeconds ? { minReadySeconds: deployment.spec.minReadySeconds } : {}),
        selector: {
          ...deployment.spec.selector,
          matchLabels: { ...deployment.spec.selector.matchLabels, [templateHashLabel]: hash },
        },
        template: { ...template, metadata: { ...template.metadata, labels } },
      },
      ...sameOrigin(deployment),
    };
    store.put(set);
    sets.newest = set;
    this.#setRevision(deployment, revision);
    return set;
  }

  /** Deletes old replica sets without pods beyond spec.revisionHistoryLimit, once the rollout is complete. */
  #cleanUp(deployment: Deployment, sets: Sets): void {
    const limit = deployment.spec.revisionHistoryLimit ?? 10;
    const { newest } = sets;
    if (newest === undefined || !isSaturated(deployment, newest)) return;
    const idle = sets.old.filter((set) => replicasOf(set) === 0 && (set.status?.replicas ?? 0) === 0);
    for (const set of idle.slice(0, Math.max(0, sets.old.length - limit))) {
      this.context.store.delete('ReplicaSet', set.metadata.namespace, set.metadata.name);
      sets.old.splice(sets.old.indexOf(set), 1);
    }
  }

  #report(key: string, sets: Sets): void {
    const { store, time, timers } = this.context;
    const { namespace = 'default', name } = splitKey(key);
    const deployment = store.get<Deployment>('Deployment', namespace, name)!;
    const all = sets.newest === undefined ? sets.old : [...sets.old, sets.newest];
    const status = deploymentStatus(deployment, all, sets.newest, time());
    const due = progressDeadline({ ...deployment, status });
    if (due === undefined) timers.cancel(`progress ${key}`);
    else timers.set(`progress ${key}`, due, () => this.queue.add(key));
    if (!sameStatus(deployment.status, status)) store.put({ ...deployment, status } as Deployment);
  }

  #update(sets: Sets, set: ReplicaSet): void {
    const { namespace, name } = set.metadata;
    this.context.store.put(set);
    if (sets.newest?.metadata.name === name && sets.newest.metadata.namespace === namespace) sets.newest = set;
    else
      sets.old.splice(
        sets.old.findIndex((each) => each.metadata.name === name),
        1,
        set,
      );
  }

  #hasRunningPods(set: ReplicaSet): boolean {
    if ((set.status?.replicas ?? 0) > 0) return true;
    return this.context.pods.controlledBy(set.metadata.uid ?? '').some((pod) => !isTerminal(pod));
  }

  #own(set: ReplicaSet, there: boolean): void {
    const { namespace = 'default', name, labels } = set.metadata;
    const owner = controllerOf(set);
    const uid = owner?.uid ?? orphansOf(namespace);
    const names = this.#owned.get(uid);
    if (!there) names?.delete(name);
    else if (names === undefined) this.#owned.set(uid, new Set([name]));
    else names.add(name);
    if (owner !== undefined) this.#enqueueOwner(set);
    else if (there) {
      for (const each of this.#selectors.matching(namespace, labels)) this.queue.add(keyOf(namespace, each));
    }
  }

  #enqueueOwner(set: ReplicaSet): void {
    const owner = controllerOf(set);
    if (owner?.kind === 'Deployment') this.queue.add(keyOf(set.metadata.namespace, owner.name));
  }
}

/** Key of the replica sets of a namespace that nobody controls. */
function orphansOf(namespace: string): string {
  return `orphans of ${namespace}`;
}

/** Whether the wanted number has changed since the active replica sets were sized. */
function wasScaled(deployment: Deployment, { newest, old }: Sets): boolean {
  const all = newest === undefined ? old : [...old, newest];
  return all.some((set) => {
    const desired = annotatedNumber(set, desiredAnnotation);
    return replicasOf(set) > 0 && desired !== undefined && desired !== replicasOf(deployment);
  });
}

/** A replica set carries the annotations of its deployment, but for those that are about the object itself. */
function copiedAnnotations({ metadata }: Deployment): Record<string, string> {
  const { annotations = {} } = metadata;
  const own = ['kubectl.kubernetes.io/last-applied-configuration', 'deprecated.deployment.rollback.to'];
  return Object.fromEntries(
    Object.entries(annotations).filter(([key]) => !own.includes(key) && !key.startsWith('deployment.kubernetes.io/')),
  );
}

function annotate<T extends Deployment | ReplicaSet>(object: T, annotations: Record<string, string>): T {
  return {
    ...object,
    metadata: { ...object.metadata, annotations: { ...object.metadata.annotations, ...annotations } },
  };
}

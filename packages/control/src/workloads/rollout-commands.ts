import type { Deployment, ObjectStore, PodTemplate, ReplicaSet } from '@netsim/manifest';
import { controllerOf } from '../core/owners.ts';
import { sameTemplate, templateHashLabel } from './pod-template.ts';
import { annotatedNumber, replicasOf, revisionAnnotation } from './rollout.ts';

/** What `kubectl rollout` does to a Deployment: each function puts it as it then is, and settling does the rest. */

/** One line of `kubectl rollout history`. */
export interface RolloutRevision {
  readonly revision: number;
  /** The annotation kubernetes.io/change-cause. */
  readonly cause: string | undefined;
  readonly template: PodTemplate;
}

/** How far a rollout is, in the words of `kubectl rollout status`. */
export interface RolloutStatus {
  readonly done: boolean;
  /** The rollout has run out of its time. */
  readonly failed: boolean;
  readonly message: string;
}

/** Thrown where `kubectl rollout` would refuse, with its message. */
export class RolloutError extends Error {
  override readonly name = 'RolloutError';
}

const changeCause = 'kubernetes.io/change-cause';

/** The revisions that can be gone back to, oldest first. */
export function rolloutHistory(store: ObjectStore, deployment: Deployment): RolloutRevision[] {
  const { namespace, uid } = deployment.metadata;
  return store
    .list<ReplicaSet>('ReplicaSet', namespace)
    .filter((set) => controllerOf(set)?.uid === uid)
    .map((set) => ({
      revision: annotatedNumber(set, revisionAnnotation) ?? 0,
      cause: set.metadata.annotations?.[changeCause],
      template: set.spec.template,
    }))
    .sort((a, b) => a.revision - b.revision);
}

/**
 * Goes back to a revision, or to the one before the present where none is given. False where the template is that one
 * already. Throws {@link RolloutError}.
 */
export function rolloutUndo(store: ObjectStore, deployment: Deployment, toRevision = 0): boolean {
  const history = rolloutHistory(store, deployment);
  const target = toRevision === 0 ? history.at(-2) : history.find(({ revision }) => revision === toRevision);
  if (target === undefined) {
    throw new RolloutError(
      toRevision === 0
        ? `no rollout history found for deployment ${JSON.stringify(deployment.metadata.name)}`
        : `unable to find specified revision ${toRevision} in history`,
    );
  }
  if (deployment.spec.paused === true) {
    throw new RolloutError('you cannot rollback a paused deployment; resume it first and try again');
  }
  if (sameTemplate(target.template, deployment.spec.template)) return false;
  const { [templateHashLabel]: _, ...labels } = target.template.metadata?.labels ?? {};
  const template = { ...target.template, metadata: { ...target.template.metadata, labels } };
  const { [changeCause]: __, ...annotations } = deployment.metadata.annotations ?? {};
  if (target.cause !== undefined) annotations[changeCause] = target.cause;
  store.put({
    ...deployment,
    metadata: { ...deployment.metadata, annotations },
    spec: { ...deployment.spec, template },
  } as Deployment);
  return true;
}

/** Holds a rollout where it is, or lets it go on. Throws {@link RolloutError} where it is held, or goes on, already. */
export function rolloutPause(store: ObjectStore, deployment: Deployment, paused: boolean): void {
  if ((deployment.spec.paused === true) === paused) {
    const { name } = deployment.metadata;
    throw new RolloutError(
      `deployments.apps ${JSON.stringify(name)} ${paused ? 'is already paused' : 'is not paused'}`,
    );
  }
  const { paused: _, ...spec } = deployment.spec;
  store.put({ ...deployment, spec: paused ? { ...spec, paused } : spec } as Deployment);
}

/** Replaces all pods by equal ones. `time`: RFC 3339. */
export function rolloutRestart(store: ObjectStore, deployment: Deployment, time: string): void {
  if (deployment.spec.paused === true) {
    throw new RolloutError("can't restart paused deployment (run rollout resume first)");
  }
  const { template } = deployment.spec;
  const annotations = { ...template.metadata?.annotations, 'kubectl.kubernetes.io/restartedAt': time };
  const restarted = { ...template, metadata: { ...template.metadata, annotations } };
  store.put({ ...deployment, spec: { ...deployment.spec, template: restarted } } as Deployment);
}

/** As DeploymentStatusViewer of kubectl says it. */
export function rolloutStatus(deployment: Deployment): RolloutStatus {
  const { name, generation = 1 } = deployment.metadata;
  const { status = {} } = deployment;
  const { updatedReplicas = 0, replicas = 0, availableReplicas = 0 } = status;
  const waiting = (message: string): RolloutStatus => ({ done: false, failed: false, message });
  if ((status.observedGeneration ?? 0) < generation) {
    return waiting('Waiting for deployment spec update to be observed...');
  }
  const progressing = status.conditions?.find(({ type }) => type === 'Progressing');
  if (progressing?.reason === 'ProgressDeadlineExceeded') {
    return { done: true, failed: true, message: `deployment ${JSON.stringify(name)} exceeded its progress deadline` };
  }
  const prefix = `Waiting for deployment ${JSON.stringify(name)} rollout to finish:`;
  const wanted = replicasOf(deployment);
  if (updatedReplicas < wanted) {
    return waiting(`${prefix} ${updatedReplicas} out of ${wanted} new replicas have been updated...`);
  }
  if (replicas > updatedReplicas) {
    return waiting(`${prefix} ${replicas - updatedReplicas} old replicas are pending termination...`);
  }
  if (availableReplicas < updatedReplicas) {
    return waiting(`${prefix} ${availableReplicas} of ${updatedReplicas} updated replicas are available...`);
  }
  return { done: true, failed: false, message: `deployment ${JSON.stringify(name)} successfully rolled out` };
}

import type { Condition, Deployment, ReplicaSet } from '@netsim/manifest';
import { maxUnavailable, replicasOf, totalAvailable, totalReplicas } from './rollout.ts';

/** The status of a deployment from its replica sets, as calculateStatus of sync.go does. */
export function deploymentStatus(
  deployment: Deployment,
  all: readonly ReplicaSet[],
  newest: ReplicaSet | undefined,
  time: string,
): NonNullable<Deployment['status']> {
  const sum = (of: (status: NonNullable<ReplicaSet['status']>) => number | undefined) =>
    all.reduce((total, { status }) => total + (of(status ?? {}) ?? 0), 0);
  const available = totalAvailable(all);
  const status = {
    observedGeneration: deployment.metadata.generation ?? 1,
    replicas: sum(({ replicas }) => replicas),
    updatedReplicas: newest?.status?.replicas ?? 0,
    readyReplicas: sum(({ readyReplicas }) => readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, totalReplicas(all) - available),
  };
  const complete =
    status.updatedReplicas === replicasOf(deployment) &&
    status.replicas === replicasOf(deployment) &&
    available === replicasOf(deployment);
  const conditions = withCondition(
    withCondition(deployment.status?.conditions ?? [], availability(deployment, available), time),
    progress(deployment, newest, complete),
    time,
  );
  return { ...status, conditions };
}

export function sameStatus(a: Deployment['status'], b: NonNullable<Deployment['status']>): boolean {
  if (a === undefined) return false;
  const fields = ['replicas', 'updatedReplicas', 'readyReplicas', 'availableReplicas', 'unavailableReplicas'] as const;
  return (
    fields.every((field) => (a[field] ?? 0) === b[field]) &&
    a.observedGeneration === b.observedGeneration &&
    a.conditions === b.conditions
  );
}

function availability(deployment: Deployment, available: number): Condition {
  return available >= replicasOf(deployment) - maxUnavailable(deployment)
    ? {
        type: 'Available',
        status: 'True',
        reason: 'MinimumReplicasAvailable',
        message: 'Deployment has minimum availability.',
      }
    : {
        type: 'Available',
        status: 'False',
        reason: 'MinimumReplicasUnavailable',
        message: 'Deployment does not have minimum availability.',
      };
}

function progress(deployment: Deployment, newest: ReplicaSet | undefined, complete: boolean): Condition {
  if (deployment.spec.paused === true) {
    return { type: 'Progressing', status: 'Unknown', reason: 'DeploymentPaused', message: 'Deployment is paused' };
  }
  const set = newest === undefined ? '' : `ReplicaSet "${newest.metadata.name}" `;
  return complete
    ? {
        type: 'Progressing',
        status: 'True',
        reason: 'NewReplicaSetAvailable',
        message: `${set}has successfully progressed.`,
      }
    : { type: 'Progressing', status: 'True', reason: 'ReplicaSetUpdated', message: `${set}is progressing.` };
}

function withCondition(conditions: Condition[], next: Condition, time: string): Condition[] {
  const old = conditions.find(({ type }) => type === next.type);
  if (old?.status === next.status && old.reason === next.reason && old.message === next.message) return conditions;
  const since = old?.status === next.status ? (old.lastTransitionTime ?? time) : time;
  const made = { ...next, lastTransitionTime: since };
  return old === undefined ? [...conditions, made] : conditions.map((each) => (each === old ? made : each));
}

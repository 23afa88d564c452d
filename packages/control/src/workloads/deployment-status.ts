import type { Condition, Deployment, ReplicaSet } from '@netsim/manifest';
import { maxUnavailable, replicasOf, totalAvailable, totalReplicas } from './rollout.ts';

/** A condition that remembers when there was last any progress; the API has the field, other objects have not. */
interface DeploymentCondition extends Condition {
  lastUpdateTime?: string;
}

type Status = NonNullable<Deployment['status']>;

/** The status of a deployment from its replica sets, as calculateStatus of sync.go and progress.go make it. */
export function deploymentStatus(
  deployment: Deployment,
  all: readonly ReplicaSet[],
  newest: ReplicaSet | undefined,
  time: string,
): Status {
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
  const conditions = withCondition(deployment.status?.conditions ?? [], availability(deployment, available), time);
  return { ...status, conditions: withProgress(deployment, conditions, status, newest, time) };
}

/** The virtual time (ms) at which a rollout that does not move has failed; nothing where it is complete or has no limit. */
export function progressDeadline({ spec, status }: Deployment & WithDeadline): number | undefined {
  const seconds = spec.progressDeadlineSeconds ?? 600;
  const progressing: DeploymentCondition | undefined = status?.conditions?.find(({ type }) => type === 'Progressing');
  if (progressing?.reason !== 'ReplicaSetUpdated' || seconds >= noDeadline) return undefined;
  const since = Date.parse(progressing.lastUpdateTime ?? progressing.lastTransitionTime ?? '');
  return Number.isNaN(since) ? undefined : since + seconds * 1000;
}

interface WithDeadline {
  spec: { progressDeadlineSeconds?: number };
}

/** The largest number of the field's type means that there is no deadline. */
const noDeadline = 2 ** 31 - 1;

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

function withProgress(
  deployment: Deployment,
  conditions: Condition[],
  status: Status,
  newest: ReplicaSet | undefined,
  time: string,
): Condition[] {
  const old: DeploymentCondition | undefined = conditions.find(({ type }) => type === 'Progressing');
  const set = newest === undefined ? '' : `ReplicaSet "${newest.metadata.name}" `;
  const say = (is: string, reason: string, message: string) =>
    withCondition(conditions, { type: 'Progressing', status: is, reason, message }, time);
  if (deployment.spec.paused === true) return say('Unknown', 'DeploymentPaused', 'Deployment is paused');
  const wanted = replicasOf(deployment);
  const { updatedReplicas, replicas, availableReplicas } = status;
  if (updatedReplicas === wanted && replicas === wanted && availableReplicas === wanted) {
    return say('True', 'NewReplicaSetAvailable', `${set}has successfully progressed.`);
  }
  // What was complete stays so while single pods come and go; another replica set is another rollout.
  const ofThisSet = old?.message?.startsWith(set) === true;
  if (old?.reason === 'NewReplicaSetAvailable' && ofThisSet && replicas === updatedReplicas) return conditions;
  const moved = hasMoved(deployment.status, status);
  if (ofThisSet && !moved && (old.reason === 'ReplicaSetUpdated' || old.reason === 'ProgressDeadlineExceeded')) {
    const due = progressDeadline({ ...deployment, status: { conditions } });
    if (due === undefined || due > Date.parse(time)) return conditions;
    return say('False', 'ProgressDeadlineExceeded', `${set}has timed out progressing.`);
  }
  const next: DeploymentCondition = {
    type: 'Progressing',
    status: 'True',
    reason: 'ReplicaSetUpdated',
    message: `${set}is progressing.`,
    lastUpdateTime: time,
  };
  return withCondition(conditions, next, time);
}

/** DeploymentProgressing of deployment_util.go: more new pods, fewer old ones, more ready or available ones. */
function hasMoved(before: Deployment['status'], now: Status): boolean {
  const count = (status: Status, field: 'updatedReplicas' | 'readyReplicas' | 'availableReplicas' | 'replicas') =>
    status[field] ?? 0;
  const old = before ?? {};
  return (
    count(now, 'updatedReplicas') > count(old, 'updatedReplicas') ||
    count(now, 'replicas') - count(now, 'updatedReplicas') < count(old, 'replicas') - count(old, 'updatedReplicas') ||
    count(now, 'readyReplicas') > count(old, 'readyReplicas') ||
    count(now, 'availableReplicas') > count(old, 'availableReplicas')
  );
}

function withCondition(conditions: Condition[], next: DeploymentCondition, time: string): Condition[] {
  const old: DeploymentCondition | undefined = conditions.find(({ type }) => type === next.type);
  const same = old?.status === next.status && old.reason === next.reason && old.message === next.message;
  if (same && (next.lastUpdateTime === undefined || next.lastUpdateTime === old.lastUpdateTime)) return conditions;
  const since = old?.status === next.status ? (old.lastTransitionTime ?? time) : time;
  const made: DeploymentCondition = { ...next, lastUpdateTime: time, lastTransitionTime: since };
  return old === undefined ? [...conditions, made] : conditions.map((each) => (each === old ? made : each));
}

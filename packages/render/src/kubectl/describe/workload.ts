import type { Condition, Deployment, Pod, ReplicaSet } from '@netsim/manifest';
import { longDate } from '../age.ts';
import { formatSelector } from '../format.ts';
import { describePodTemplate } from './containers.ts';
import { controllerOf } from './pod.ts';
import type { Related } from './related.ts';
import { DescribeWriter } from './writer.ts';

const REVISION = 'deployment.kubernetes.io/revision';

export function describeDeployment(deployment: Deployment, { store }: Related): string {
  const w = new DescribeWriter();
  const { metadata, spec, status = {} } = deployment;
  w.line(0, 'Name:', metadata.name);
  w.line(0, 'Namespace:', metadata.namespace ?? '');
  w.line(0, 'CreationTimestamp:', longDate(metadata.creationTimestamp));
  w.labels('', 'Labels', metadata.labels);
  w.annotations('', 'Annotations', metadata.annotations);
  w.line(0, 'Selector:', formatSelector(spec.selector));
  const counts = [
    `${spec.replicas ?? 1} desired`,
    `${status.updatedReplicas ?? 0} updated`,
    `${status.replicas ?? 0} total`,
    `${status.availableReplicas ?? 0} available`,
    `${status.unavailableReplicas ?? 0} unavailable`,
  ];
  w.line(0, 'Replicas:', counts.join(' | '));
  const type = spec.strategy?.type ?? 'RollingUpdate';
  w.line(0, 'StrategyType:', type);
  w.line(0, 'MinReadySeconds:', spec.minReadySeconds ?? 0);
  if (type === 'RollingUpdate') {
    const { maxUnavailable = '25%', maxSurge = '25%' } = spec.strategy?.rollingUpdate ?? {};
    w.line(0, 'RollingUpdateStrategy:', `${maxUnavailable} max unavailable, ${maxSurge} max surge`);
  }
  describePodTemplate(w, spec.template);
  describeConditions(w, status.conditions);

  const owned = store
    .list<ReplicaSet>('ReplicaSet', metadata.namespace)
    .filter((set) => controllerOf(set) === `Deployment/${metadata.name}`);
  const newest = newReplicaSet(owned, deployment);
  const text = (sets: readonly ReplicaSet[]) =>
    sets
      .map(({ metadata: { name }, spec: { replicas = 1 }, status: own }) => {
        return `${name} (${own?.replicas ?? 0}/${replicas} replicas created)`;
      })
      .join(', ');
  w.line(0, 'OldReplicaSets:', text(owned.filter((set) => set !== newest)) || '<none>');
  w.line(0, 'NewReplicaSet:', newest === undefined ? '<none>' : text([newest]));
  w.events();
  return w.toString();
}

/** The set of the deployment's own revision; the highest one where the deployment names none. */
function newReplicaSet(sets: readonly ReplicaSet[], { metadata }: Deployment): ReplicaSet | undefined {
  const revision = (annotations: Record<string, string> | undefined) => Number(annotations?.[REVISION] ?? 0);
  const own = metadata.annotations?.[REVISION];
  if (own !== undefined) {
    const match = sets.find((set) => set.metadata.annotations?.[REVISION] === own);
    if (match !== undefined) return match;
  }
  return [...sets].sort((a, b) => revision(b.metadata.annotations) - revision(a.metadata.annotations))[0];
}

export function describeReplicaSet(set: ReplicaSet, related: Related): string {
  const w = new DescribeWriter();
  const { metadata, spec, status = {} } = set;
  w.line(0, 'Name:', metadata.name);
  w.line(0, 'Namespace:', metadata.namespace ?? '');
  w.line(0, 'Selector:', formatSelector(spec.selector));
  w.labels('', 'Labels', metadata.labels);
  w.annotations('', 'Annotations', metadata.annotations);
  const controller = controllerOf(set);
  if (controller !== undefined) w.line(0, 'Controlled By:', controller);
  w.line(0, 'Replicas:', `${status.replicas ?? 0} current / ${spec.replicas ?? 1} desired`);
  w.line(0, 'Pods Status:', podPhases(set, related));
  describePodTemplate(w, spec.template);
  describeConditions(w, (status as { conditions?: Condition[] }).conditions);
  w.events();
  return w.toString();
}

function podPhases({ metadata }: ReplicaSet, { store }: Related): string {
  const pods = store
    .list<Pod>('Pod', metadata.namespace)
    .filter(({ metadata: { ownerReferences = [] } }) =>
      ownerReferences.some(
        ({ controller, kind, name }) => controller === true && kind === 'ReplicaSet' && name === metadata.name,
      ),
    );
  const of = (phase: string) => pods.filter(({ status }) => (status?.phase ?? 'Pending') === phase).length;
  return `${of('Running')} Running / ${of('Pending')} Waiting / ${of('Succeeded')} Succeeded / ${of('Failed')} Failed`;
}

function describeConditions(w: DescribeWriter, conditions: readonly Condition[] | undefined): void {
  if (conditions === undefined || conditions.length === 0) return;
  w.line(0, 'Conditions:');
  w.line(1, 'Type', 'Status', 'Reason');
  w.line(1, '----', '------', '------');
  for (const { type, status, reason = '' } of conditions) w.line(1, `${type} `, status, reason);
}

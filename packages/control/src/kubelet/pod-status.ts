import type { Condition, Pod, PodStatus } from '@netsim/manifest';

/** Whether a pod has run to its end and will not come back. */
export function isTerminal(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

export function conditionOf(pod: Pod, type: string): Condition | undefined {
  return pod.status?.conditions?.find((condition) => condition.type === type);
}

/** The condition Ready is True: what puts a pod into endpoints. */
export function isReady(pod: Pod): boolean {
  return conditionOf(pod, 'Ready')?.status === 'True';
}

/** All addresses of a pod, first the primary one. */
export function podIPs(pod: Pod): string[] {
  const { podIP, podIPs: list } = pod.status ?? {};
  if (list !== undefined && list.length > 0) return list.map(({ ip }) => ip);
  return podIP ? [podIP] : [];
}

/** The status with a condition set; the very same status where it says so already. */
export function withCondition(status: PodStatus, condition: Condition): PodStatus {
  const conditions = status.conditions ?? [];
  const at = conditions.findIndex(({ type }) => type === condition.type);
  const old = conditions[at];
  if (old !== undefined && sameCondition(old, condition)) return status;
  const next = old !== undefined && old.status === condition.status ? keepTime(old, condition) : condition;
  if (at < 0) return { ...status, conditions: [...conditions, next] };
  return { ...status, conditions: conditions.map((each, i) => (i === at ? next : each)) };
}

function sameCondition(a: Condition, b: Condition): boolean {
  return a.status === b.status && a.reason === b.reason && a.message === b.message;
}

function keepTime(old: Condition, condition: Condition): Condition {
  return old.lastTransitionTime === undefined
    ? condition
    : { ...condition, lastTransitionTime: old.lastTransitionTime };
}

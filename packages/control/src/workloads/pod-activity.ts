import type { Pod } from '@netsim/manifest';
import { conditionOf, isReady, isTerminal } from '../kubelet/pod-status.ts';

/** Whether a pod counts among the replicas: it has neither ended nor been told to. */
export function isActive(pod: Pod): boolean {
  return !isTerminal(pod) && pod.metadata.deletionTimestamp === undefined;
}

/** The virtual time (ms) at which a ready pod becomes available. */
export function availableAt(pod: Pod, minReadySeconds: number): number {
  if (minReadySeconds === 0) return Number.NEGATIVE_INFINITY;
  const since = Date.parse(conditionOf(pod, 'Ready')?.lastTransitionTime ?? '');
  return (Number.isNaN(since) ? Number.POSITIVE_INFINITY : since) + minReadySeconds * 1000;
}

/** Whether a change of a pod is news for the controller that owns it. */
export function matters(old: Pod, pod: Pod): boolean {
  return (
    old.metadata.labels !== pod.metadata.labels ||
    old.metadata.ownerReferences !== pod.metadata.ownerReferences ||
    old.metadata.deletionTimestamp !== pod.metadata.deletionTimestamp ||
    old.status?.phase !== pod.status?.phase ||
    isReady(old) !== isReady(pod)
  );
}

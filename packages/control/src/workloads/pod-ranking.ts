import type { Pod } from '@netsim/manifest';
import { conditionOf, isReady } from '../kubelet/pod-status.ts';

/**
 * The pods that a replica set with too many gives up first, as ActivePodsWithRanks of controller_utils.go sorts them:
 * not assigned, pending, not ready, cheap to delete, crowded on a node, ready only lately, often restarted, young.
 */
export function podsToDelete(pods: readonly Pod[], siblings: readonly Pod[], count: number, now: number): Pod[] {
  if (count >= pods.length) return [...pods];
  const perNode = new Map<string, number>();
  for (const { spec } of siblings) {
    if (spec.nodeName) perNode.set(spec.nodeName, (perNode.get(spec.nodeName) ?? 0) + 1);
  }
  const ranks: Rank[] = pods.map((pod) => rankOf(pod, perNode.get(pod.spec.nodeName ?? '') ?? 0, now));
  return ranks
    .sort(compare)
    .slice(0, count)
    .map(({ pod }) => pod);
}

interface Rank {
  readonly pod: Pod;
  /** Smaller goes first, field by field. */
  readonly order: readonly number[];
}

function rankOf(pod: Pod, crowd: number, now: number): Rank {
  const ready = isReady(pod);
  const restarts = (pod.status?.containerStatuses ?? []).reduce(
    (most, { restartCount = 0 }) => Math.max(most, restartCount),
    0,
  );
  const order = [
    pod.spec.nodeName ? 1 : 0,
    pod.status?.phase === 'Running' ? 2 : pod.status?.phase === 'Unknown' ? 1 : 0,
    ready ? 1 : 0,
    deletionCost(pod),
    -crowd,
    ready ? ageBucket(conditionOf(pod, 'Ready')?.lastTransitionTime, now) : 0,
    -restarts,
    ageBucket(pod.metadata.creationTimestamp, now),
  ];
  return { pod, order };
}

function compare(a: Rank, b: Rank): number {
  for (let i = 0; i < a.order.length; i++) {
    if (a.order[i] !== b.order[i]) return a.order[i]! - b.order[i]!;
  }
  const [x, y] = [a.pod.metadata.uid ?? '', b.pod.metadata.uid ?? ''];
  return x < y ? -1 : x > y ? 1 : 0;
}

function deletionCost(pod: Pod): number {
  const text = pod.metadata.annotations?.['controller.kubernetes.io/pod-deletion-cost'];
  return text !== undefined && /^(0|-?[1-9][0-9]*)$/.test(text) ? Number(text) : 0;
}

/** Ages are compared by their power of two (LogarithmicScaleDown); an unknown time counts as the youngest. */
function ageBucket(time: string | undefined, now: number): number {
  const at = time === undefined ? Number.NaN : Date.parse(time);
  if (Number.isNaN(at)) return -1;
  return Math.floor(Math.log2(Math.max(now - at, 0) * 1e6 + 1));
}

import type { Condition, Node, Pod } from '@netsim/manifest';
import type { Context } from '../core/context.ts';
import { Controller } from '../core/controller.ts';
import { splitKey } from '../core/keys.ts';
import type { Stopped } from '../core/machines.ts';
import { notReadyTaint, type Taint, unreachableTaint } from '../core/taints.ts';
import { withCondition } from '../kubelet/pod-status.ts';

/** --node-monitor-grace-period since 1.32: so long may a kubelet be silent. */
const gracePeriod = 50_000;
/** --node-eviction-rate 0.1: a zone loses the pods of one node in ten seconds. */
const evictionPause = 10_000;
/** --secondary-node-eviction-rate 0.01, in large zones that are mostly gone. */
const slowEvictionPause = 100_000;
/** --unhealthy-zone-threshold and --large-cluster-size-threshold. */
const unhealthyShare = 0.55;
const largeZone = 50;

type ZoneState = 'Normal' | 'PartialDisruption' | 'FullDisruption';

/** Conditions that keep new pods away, with the taint that does it. */
const conditionTaints: readonly { type: string; status: string; key: string }[] = [
  { type: 'Ready', status: 'False', key: notReadyTaint },
  { type: 'Ready', status: 'Unknown', key: unreachableTaint },
  { type: 'MemoryPressure', status: 'True', key: 'node.kubernetes.io/memory-pressure' },
  { type: 'DiskPressure', status: 'True', key: 'node.kubernetes.io/disk-pressure' },
  { type: 'NetworkUnavailable', status: 'True', key: 'node.kubernetes.io/network-unavailable' },
  { type: 'PIDPressure', status: 'True', key: 'node.kubernetes.io/pid-pressure' },
];
const unschedulableKey = 'node.kubernetes.io/unschedulable';
const managedKeys = new Set([...conditionTaints.map(({ key }) => key), unschedulableKey]);

/**
 * The node lifecycle controller: a node whose kubelet is silent becomes Unknown, nodes get the taints of their
 * conditions, and the pods of a node that is lost are no longer ready (pkg/controller/nodelifecycle).
 */
export class NodeLifecycle extends Controller {
  /** Nodes that were ready a moment ago and are not now: their pods must hear of it. */
  readonly #lost = new Set<string>();
  /** When the next node of a zone may get the taint that evicts. */
  readonly #nextEviction = new Map<string, number>();

  constructor(context: Context) {
    super(context);
    this.watch('Node', ({ type, object, old }) => {
      const node = object as Node;
      const { name } = node.metadata;
      if (type === 'DELETED') {
        context.machines.start(name);
        context.timers.cancel(silenceOf(name));
        return;
      }
      const before = old as Node | undefined;
      const sameSpec =
        before?.spec?.unschedulable === node.spec?.unschedulable && before?.spec?.taints === node.spec?.taints;
      if (before !== undefined && before.status?.conditions === node.status?.conditions && sameSpec) return;
      this.queue.add(name);
      if (before === undefined || readiness(before) === readiness(node)) return;
      if (readiness(before) === 'True') this.#lost.add(name);
      // The zone as a whole may have come to another state.
      for (const other of context.store.list<Node>('Node')) {
        if (readiness(other) !== 'True') this.queue.add(other.metadata.name);
      }
    });
  }

  /** The kubelet, or the whole machine, stops: from now on nothing is heard of it. */
  stopNode(name: string, what: Stopped): void {
    const { machines, timers, now } = this.context;
    const silent = !machines.kubeletRuns(name);
    machines.stop(name, what);
    if (!silent) timers.set(silenceOf(name), now() + gracePeriod, () => this.#markUnknown(name));
  }

  /** The kubelet is back and reports that its node is ready. */
  startNode(name: string): void {
    const { machines, timers, store } = this.context;
    machines.start(name);
    timers.cancel(silenceOf(name));
    const node = store.get<Node>('Node', undefined, name);
    if (node === undefined) return;
    const conditions = healthyConditions(this.context.time());
    store.put(withConditions(node, conditions));
  }

  protected override reconcile(name: string): void {
    const { store } = this.context;
    const node = store.get<Node>('Node', undefined, name);
    if (node === undefined) return;
    if (this.#lost.delete(name) && readiness(node) !== 'True') this.#markPodsNotReady(name);
    const scheduling = this.#withSchedulingTaints(node, node.spec?.taints ?? []);
    const taints = this.#withEvictingTaint(node, scheduling);
    if (sameTaints(node.spec?.taints ?? [], taints)) return;
    const { taints: _, ...spec } = node.spec ?? {};
    store.put({ ...node, spec: taints.length === 0 ? spec : { ...spec, taints } } as Node);
  }

  #markUnknown(name: string): void {
    const { store, machines, time } = this.context;
    const node = store.get<Node>('Node', undefined, name);
    if (node === undefined || machines.kubeletRuns(name)) return;
    const conditions = healthyConditions(time()).map(({ type, lastTransitionTime }) => ({
      type,
      status: 'Unknown',
      lastTransitionTime: lastTransitionTime!,
      reason: 'NodeStatusUnknown',
      message: 'Kubelet stopped posting node status.',
    }));
    store.put(withConditions(node, conditions));
  }

  /** Only the condition Ready: what the containers are is not known. */
  #markPodsNotReady(name: string): void {
    const { store, pods, time } = this.context;
    for (const key of [...pods.onNode(name)]) {
      const { namespace, name: podName } = splitKey(key);
      const pod = store.get<Pod>('Pod', namespace, podName);
      const ready = pod?.status?.conditions?.find(({ type }) => type === 'Ready');
      if (pod?.status === undefined || ready?.status !== 'True') continue;
      const status = withCondition(pod.status, { ...ready, status: 'False', lastTransitionTime: time() });
      store.put({ ...pod, status } as Pod);
    }
  }

  #withSchedulingTaints(node: Node, taints: readonly Taint[]): readonly Taint[] {
    const conditions = new Map((node.status?.conditions ?? []).map(({ type, status }) => [type, status]));
    const wanted = conditionTaints.filter(({ type, status }) => conditions.get(type) === status).map(({ key }) => key);
    if (node.spec?.unschedulable === true) wanted.push(unschedulableKey);
    const kept = taints.filter(
      ({ key, effect }) => effect !== 'NoSchedule' || !managedKeys.has(key) || wanted.includes(key),
    );
    const missing = wanted.filter((key) => !kept.some((each) => each.key === key && each.effect === 'NoSchedule'));
    return [...kept, ...missing.map((key) => ({ key, effect: 'NoSchedule', timeAdded: this.context.time() }))];
  }

  /** The taint that evicts, where the state of the zone lets it be given now. */
  #withEvictingTaint(node: Node, taints: readonly Taint[]): readonly Taint[] {
    const { now, timers, time } = this.context;
    const { name } = node.metadata;
    const wanted = { True: undefined, False: notReadyTaint, Unknown: unreachableTaint }[readiness(node)];
    const isEvicting = ({ key, effect }: Taint) =>
      effect === 'NoExecute' && (key === notReadyTaint || key === unreachableTaint);
    const others = taints.filter((taint) => !isEvicting(taint));
    timers.cancel(evictionOf(name));
    if (wanted === undefined) return others;
    const has = taints.find((taint) => isEvicting(taint) && taint.key === wanted);
    const zones = this.#zones();
    // Where nobody reports it is more likely that this controller is cut off: everybody keeps their pods.
    if ([...zones.values()].every(({ state }) => state === 'FullDisruption')) return others;
    if (has !== undefined) return [...others, has];
    const zone = zones.get(zoneOf(node))!;
    if (zone.state === 'PartialDisruption' && zone.size <= largeZone) return others;
    const from = this.#nextEviction.get(zoneOf(node)) ?? 0;
    if (from > now()) {
      timers.set(evictionOf(name), from, () => this.queue.add(name));
      return others;
    }
    const pause = zone.state === 'PartialDisruption' ? slowEvictionPause : evictionPause;
    this.#nextEviction.set(zoneOf(node), now() + pause);
    return [...others, { key: wanted, effect: 'NoExecute', timeAdded: time() }];
  }

  #zones(): Map<string, { state: ZoneState; size: number }> {
    const counts = new Map<string, { size: number; lost: number }>();
    for (const node of this.context.store.list<Node>('Node')) {
      const zone = zoneOf(node);
      const count = counts.get(zone) ?? { size: 0, lost: 0 };
      count.size++;
      if (readiness(node) !== 'True') count.lost++;
      counts.set(zone, count);
    }
    return new Map([...counts].map(([zone, { size, lost }]) => [zone, { size, state: zoneState(size, lost) }]));
  }
}

function zoneState(size: number, lost: number): ZoneState {
  if (lost === size) return 'FullDisruption';
  return lost > 2 && lost / size >= unhealthyShare ? 'PartialDisruption' : 'Normal';
}

function zoneOf({ metadata }: Node): string {
  const { labels = {} } = metadata;
  return `${labels['topology.kubernetes.io/region'] ?? ''}/${labels['topology.kubernetes.io/zone'] ?? ''}`;
}

/** The status of a node's condition Ready; a node that has none yet is taken for ready. */
export function readiness(node: Node): 'True' | 'False' | 'Unknown' {
  const status = node.status?.conditions?.find(({ type }) => type === 'Ready')?.status;
  return status === 'False' || status === 'Unknown' ? status : 'True';
}

/** What a kubelet reports that has no trouble. */
export function healthyConditions(lastTransitionTime: string): Condition[] {
  const ok = (type: string, status: string, reason: string, message: string): Condition => ({
    type,
    status,
    lastTransitionTime,
    reason,
    message,
  });
  return [
    ok('MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
    ok('DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
    ok('PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
    ok('Ready', 'True', 'KubeletReady', 'kubelet is posting ready status'),
  ];
}

/** The node with these conditions in the place of those of their types; one that is as it was keeps its time. */
function withConditions(node: Node, next: readonly Condition[]): Node {
  const given = node.status?.conditions ?? [];
  const types = new Set(next.map(({ type }) => type));
  const merged = next.map((condition) => {
    const old = given.find(({ type }) => type === condition.type);
    const same = old?.status === condition.status && old.lastTransitionTime !== undefined;
    return same ? { ...condition, lastTransitionTime: old.lastTransitionTime! } : condition;
  });
  const conditions = [...given.filter(({ type }) => !types.has(type)), ...merged];
  return { ...node, status: { ...node.status, conditions } };
}

function sameTaints(a: readonly Taint[], b: readonly Taint[]): boolean {
  return a.length === b.length && a.every((taint, i) => taint === b[i]);
}

function silenceOf(node: string): string {
  return `silence of ${node}`;
}

function evictionOf(node: string): string {
  return `evicting taint of ${node}`;
}

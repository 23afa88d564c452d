import type { Condition, Node, Pod } from '@netsim/manifest';
import type { Context } from '../core/context.ts';
import { Controller } from '../core/controller.ts';
import { objectKey, splitKey } from '../core/keys.ts';
import { timestamp } from '../core/timestamp.ts';
import { isTerminal, withCondition } from '../kubelet/pod-status.ts';
import { type Refusal, refusalOf, unschedulableMessage } from './filters.ts';
import { HostPorts } from './host-ports.ts';

/**
 * Binds pods to nodes: of those that can take the pod, the one with the fewest pods, in the order of the nodes where
 * they are equal. An approximation of kube-scheduler's scores, with its filters and its words.
 */
export class Scheduler extends Controller {
  readonly #ports = new HostPorts();
  /** Pods that count against a node. */
  readonly #load = new Map<string, number>();
  /** Keys of pods that no node could take; they are tried again when something changes that could help. */
  readonly #unschedulable = new Set<string>();
  #nodes: Node[] | undefined;

  constructor(context: Context) {
    super(context);
    this.watch('Pod', ({ type, object, old }) => {
      const before = type === 'DELETED' ? (object as Pod) : (old as Pod | undefined);
      const pod = type === 'DELETED' ? undefined : (object as Pod);
      this.#account(before, pod);
      if (pod !== undefined && needsNode(pod)) {
        // The condition that this scheduler writes itself is no news.
        if (before === undefined || before.spec !== pod.spec) this.queue.add(objectKey(pod));
      } else if (before !== undefined) this.#unschedulable.delete(objectKey(before));
    });
    this.watch('Node', () => {
      this.#nodes = undefined;
      this.#retry();
    });
  }

  protected override reconcile(key: string): void {
    const { store, now } = this.context;
    const { namespace, name } = splitKey(key);
    const pod = store.get<Pod>('Pod', namespace, name);
    if (pod === undefined || !needsNode(pod)) return;
    this.#nodes ??= store.list<Node>('Node');
    const refusals: Refusal[] = [];
    let best: string | undefined;
    let fewest = Number.POSITIVE_INFINITY;
    for (const node of this.#nodes) {
      const candidate = node.metadata.name;
      const load = this.#load.get(candidate) ?? 0;
      if (load >= fewest) continue;
      const refusal = refusalOf(pod, node, (each) => this.#ports.taken(candidate, each));
      if (refusal !== undefined) refusals.push(refusal);
      else {
        best = candidate;
        fewest = load;
      }
    }
    if (best !== undefined) {
      this.#unschedulable.delete(key);
      store.put({ ...pod, spec: { ...pod.spec, nodeName: best }, status: scheduled(pod, timestamp(now())) } as Pod);
      return;
    }
    this.#unschedulable.add(key);
    const status = withCondition(
      { phase: 'Pending', ...pod.status },
      {
        type: 'PodScheduled',
        status: 'False',
        reason: 'Unschedulable',
        message: unschedulableMessage(refusals),
        lastProbeTime: null,
        lastTransitionTime: timestamp(now()),
      },
    );
    if (status !== pod.status) store.put({ ...pod, status } as Pod);
  }

  #account(before: Pod | undefined, after: Pod | undefined): void {
    const from = before === undefined || isTerminal(before) ? undefined : before.spec.nodeName;
    const to = after === undefined || isTerminal(after) ? undefined : after.spec.nodeName;
    if (from === to) return;
    if (from !== undefined) {
      this.#load.set(from, (this.#load.get(from) ?? 0) - 1);
      this.#ports.remove(from, before!);
      this.#retry();
    }
    if (to !== undefined) {
      this.#load.set(to, (this.#load.get(to) ?? 0) + 1);
      this.#ports.add(to, after!);
    }
  }

  #retry(): void {
    for (const key of this.#unschedulable) this.queue.add(key);
  }
}

/** A pod with no node that still wants to run. A running one without node is a dump's oddity and stays as it is. */
function needsNode(pod: Pod): boolean {
  if (pod.spec.nodeName || pod.metadata.deletionTimestamp !== undefined) return false;
  const phase = pod.status?.phase;
  return (phase === undefined || phase === 'Pending') && pod.status?.podIP === undefined;
}

function scheduled(pod: Pod, time: string): Pod['status'] {
  const condition: Condition = { type: 'PodScheduled', status: 'True', lastProbeTime: null, lastTransitionTime: time };
  return withCondition({ phase: 'Pending', ...pod.status }, condition);
}

import type { Condition, Node, Pod, PodStatus } from '@netsim/manifest';
import { admittedMetadata, admittedSpec } from '../cluster/admission.ts';
import type { Context } from '../core/context.ts';
import { Controller } from '../core/controller.ts';
import { objectKey, splitKey } from '../core/keys.ts';
import { withDefaultTolerations } from '../core/taints.ts';
import { conditionOf, isTerminal, withCondition } from '../kubelet/pod-status.ts';
import { type Refusal, refusalOf, unschedulableMessage } from './filters.ts';
import { HostPorts } from './host-ports.ts';

/**
 * Binds pods to nodes: of those that can take the pod, the one with the fewest pods, in the order of the nodes where
 * they are equal. An approximation of kube-scheduler's scores, with its filters and its words.
 */
export class Scheduler extends Controller {
  readonly #ports = new HostPorts();
  /** How many pods count against a node. */
  readonly #loads = new Map<string, { pods: number }>();
  /** Keys of pods that no node could take; they are tried again when something changes that could help. */
  readonly #unschedulable = new Set<string>();
  #common: { readonly time: string; readonly status: PodStatus } = { time: '', status: {} };
  #nodes: { readonly node: Node; readonly load: { readonly pods: number } }[] | undefined;

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
    const { store, time } = this.context;
    const { namespace, name } = splitKey(key);
    const pod = store.get<Pod>('Pod', namespace, name);
    if (pod === undefined || !needsNode(pod)) return;
    this.#nodes ??= store.list<Node>('Node').map((node) => ({ node, load: this.#loadOf(node.metadata.name) }));
    const refusals: Refusal[] = [];
    let best: string | undefined;
    let fewest = Number.POSITIVE_INFINITY;
    for (const { node, load } of this.#nodes) {
      if (load.pods >= fewest) continue;
      const refusal = refusalOf(pod, node, this.#ports);
      if (refusal !== undefined) refusals.push(refusal);
      else {
        best = node.metadata.name;
        fewest = load.pods;
      }
    }
    if (best !== undefined) {
      this.#unschedulable.delete(key);
      const metadata = admittedMetadata(this.context, pod);
      const spec: Pod['spec'] =
        pod.metadata.uid === undefined
          ? { ...pod.spec, tolerations: withDefaultTolerations(pod.spec), nodeName: best }
          : { ...pod.spec, nodeName: best };
      store.put({ ...pod, metadata, spec, status: this.#scheduled(pod) } as Pod);
      return;
    }
    this.#unschedulable.add(key);
    const status = withCondition(pendingStatus(pod), {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message: unschedulableMessage(refusals),
      lastProbeTime: null,
      lastTransitionTime: time(),
    });
    if (status === pod.status) return;
    const metadata = admittedMetadata(this.context, pod);
    store.put({ ...pod, metadata, spec: admittedSpec(pod), status } as Pod);
  }

  /** The status of a pod that has got its node; pods with nothing else to say share one. */
  #scheduled(pod: Pod): PodStatus {
    const time = this.context.time();
    if (this.#common.time !== time) this.#common = { time, status: withCondition({ phase: 'Pending' }, bound(time)) };
    if (pod.status === undefined || Object.keys(pod.status).join() === 'phase') return this.#common.status;
    return withCondition(pendingStatus(pod), bound(time));
  }

  #account(before: Pod | undefined, after: Pod | undefined): void {
    const from = before === undefined || isTerminal(before) ? undefined : before.spec.nodeName;
    const to = after === undefined || isTerminal(after) ? undefined : after.spec.nodeName;
    if (from === to) return;
    if (from !== undefined) {
      this.#loadOf(from).pods--;
      this.#ports.remove(from, before!);
      this.#retry();
    }
    if (to !== undefined) {
      this.#loadOf(to).pods++;
      this.#ports.add(to, after!);
    }
  }

  #loadOf(node: string): { pods: number } {
    let load = this.#loads.get(node);
    if (load === undefined) {
      load = { pods: 0 };
      this.#loads.set(node, load);
    }
    return load;
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

/**
 * The phase of a pod that is not running yet. One whose manifest gives a readiness and no phase gets none: a phase
 * beside it would say that a kubelet has reported both.
 */
function pendingStatus(pod: Pod): PodStatus {
  if (pod.status === undefined) return { phase: 'Pending' };
  if (pod.status.phase !== undefined) return pod.status;
  return conditionOf(pod, 'Ready') === undefined ? { phase: 'Pending', ...pod.status } : pod.status;
}

function bound(time: string): Condition {
  return { type: 'PodScheduled', status: 'True', lastProbeTime: null, lastTransitionTime: time };
}

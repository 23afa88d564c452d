import type { Node, Pod } from '@netsim/manifest';
import type { Context } from '../core/context.ts';
import { Controller } from '../core/controller.ts';
import { objectKey, splitKey } from '../core/keys.ts';
import { tolerationFor } from '../core/taints.ts';
import { isTerminal, withCondition } from '../kubelet/pod-status.ts';

/**
 * Deletes the pods that do not bear a NoExecute taint of their node, or bear it only so long (pkg/controller/tainteviction).
 */
export class TaintEviction extends Controller {
  readonly #terminate: (pod: Pod) => void;
  /** When a pod's time began to run, by key. */
  readonly #since = new Map<string, number>();
  /** Nodes that evict. */
  readonly #evicting = new Set<string>();

  constructor(context: Context, terminate: (pod: Pod) => void) {
    super(context);
    this.#terminate = terminate;
    this.watch('Node', ({ type, object, old }) => {
      const { name } = object.metadata;
      if (type === 'MODIFIED' && (object as Node).spec?.taints === (old as Node).spec?.taints) return;
      if (type !== 'DELETED' && isEvicting(object as Node)) this.#evicting.add(name);
      else this.#evicting.delete(name);
      if (isEvicting(object as Node) || (old !== undefined && isEvicting(old as Node))) {
        for (const key of context.pods.onNode(name)) this.queue.add(key);
      }
    });
    this.watch('Pod', ({ type, object, old }) => {
      if (this.#evicting.size + this.#since.size === 0) return;
      const pod = object as Pod;
      const before = old as Pod | undefined;
      const gone = type === 'DELETED' || pod.metadata.deletionTimestamp !== undefined;
      if (gone) {
        this.#cancel(objectKey(pod));
        return;
      }
      const { nodeName, tolerations } = pod.spec;
      if (!nodeName || (before?.spec.nodeName === nodeName && before.spec.tolerations === tolerations)) return;
      if (this.#evicting.has(nodeName)) this.queue.add(objectKey(pod));
    });
  }

  protected override reconcile(key: string): void {
    const { store, now, timers } = this.context;
    const { namespace, name } = splitKey(key);
    const pod = store.get<Pod>('Pod', namespace, name);
    if (pod === undefined || pod.metadata.deletionTimestamp !== undefined || isTerminal(pod)) return;
    const seconds = this.#secondsLeft(pod);
    if (seconds === undefined) {
      this.#cancel(key);
      return;
    }
    const since = this.#since.get(key) ?? now();
    const due = since + seconds * 1000;
    if (due <= now()) {
      this.#evict(pod, key);
      return;
    }
    this.#since.set(key, since);
    timers.set(timerOf(key), due, () => this.queue.add(key));
  }

  /** How long the pod bears the taints of its node, from their beginning; `undefined` for ever. */
  #secondsLeft(pod: Pod): number | undefined {
    const node = this.context.store.get<Node>('Node', undefined, pod.spec.nodeName ?? '');
    let least: number | undefined;
    for (const taint of node?.spec?.taints ?? []) {
      if (taint.effect !== 'NoExecute') continue;
      const toleration = tolerationFor(pod, taint);
      if (toleration === undefined) return 0;
      const { tolerationSeconds } = toleration;
      if (tolerationSeconds !== undefined) least = Math.min(least ?? tolerationSeconds, Math.max(0, tolerationSeconds));
    }
    return least;
  }

  #evict(pod: Pod, key: string): void {
    const { store, time } = this.context;
    this.#cancel(key);
    const status = withCondition(pod.status ?? {}, {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'DeletionByTaintManager',
      message: 'Taint manager: deleting due to NoExecute taint',
      lastProbeTime: null,
      lastTransitionTime: time(),
    });
    const doomed = { ...pod, status } as Pod;
    store.put(doomed);
    this.#terminate(doomed);
  }

  #cancel(key: string): void {
    if (this.#since.delete(key)) this.context.timers.cancel(timerOf(key));
  }
}

function isEvicting(node: Node): boolean {
  return node.spec?.taints?.some(({ effect }) => effect === 'NoExecute') === true;
}

function timerOf(key: string): string {
  return `evict ${key}`;
}

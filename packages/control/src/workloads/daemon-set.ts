import type { Node, Pod, PodSpec } from '@netsim/manifest';
import type { Context } from '../core/context.ts';
import { objectKey, splitKey } from '../core/keys.ts';
import type { Toleration } from '../core/taints.ts';
import { isReady, isTerminal } from '../kubelet/pod-status.ts';
import { canRunDaemon, type WithAffinity } from '../scheduler/filters.ts';
import type { DaemonSet } from './kinds.ts';
import { availableAt } from './pod-activity.ts';
import { PodOwner } from './pod-owner.ts';
import { podFromTemplate } from './pod-template.ts';
import { isOfRevision, Revisions, revisionLabel } from './revisions.ts';
import { scaled } from './rollout.ts';
import { sameStatus } from './same-status.ts';

/**
 * The DaemonSet controller (pkg/controller/daemon): one pod on every node that its selector and its tolerations allow,
 * bound there by affinity; replaced one after the other when the template changes.
 */
export class DaemonSets extends PodOwner<DaemonSet> {
  readonly #terminate: (pod: Pod) => void;
  readonly #revisions = new Revisions();

  constructor(context: Context, terminate: (pod: Pod) => void) {
    super(context, 'DaemonSet', ({ spec }) => spec.selector);
    this.#terminate = terminate;
    this.watch('DaemonSet', ({ type, object }) => {
      if (type === 'DELETED') this.#revisions.forget(object);
    });
    this.watch('Node', ({ type, object, old }) => {
      const [node, before] = [object as Node, old as Node | undefined];
      const same = before?.metadata.labels === node.metadata.labels && before?.spec === node.spec;
      if (type === 'MODIFIED' && same) return;
      for (const set of context.store.list('DaemonSet')) this.queue.add(objectKey(set));
    });
  }

  protected override reconcile(key: string): void {
    const { store } = this.context;
    const { namespace, name } = splitKey(key);
    const set = store.get<DaemonSet>('DaemonSet', namespace, name);
    if (set === undefined || set.metadata.uid === undefined) return;
    const pods = this.claim(set, set.spec.selector);
    const revision = this.#revisions.of(set, set.spec.template, pods, { prefix: '', given: undefined });
    const byNode = new Map<string, Pod[]>();
    for (const pod of pods) {
      const node = nodeOf(pod);
      const list = byNode.get(node);
      if (list === undefined) byNode.set(node, [pod]);
      else list.push(pod);
    }
    const nodes = store.list<Node>('Node');
    const wanted = nodes.filter((node) => canRunDaemon(daemonSpec(set, node.metadata.name), node));
    if (set.metadata.deletionTimestamp === undefined) {
      this.#place(set, nodes, new Set(wanted), byNode, revision);
      this.#update(set, wanted, byNode, revision);
    }
    this.#report(key, nodes, wanted, revision);
  }

  #place(
    set: DaemonSet,
    nodes: readonly Node[],
    wanted: ReadonlySet<Node>,
    byNode: ReadonlyMap<string, Pod[]>,
    revision: string,
  ): void {
    for (const node of nodes) {
      const [first, ...more] = byNode.get(node.metadata.name) ?? [];
      for (const pod of more) this.#end(pod);
      if (first !== undefined && (isTerminal(first) || !(wanted.has(node) || staysOn(first, node)))) this.#end(first);
      if (first !== undefined || !wanted.has(node)) continue;
      const labels = { [revisionLabel]: revision, 'pod-template-generation': String(set.metadata.generation ?? 1) };
      const spec = daemonSpec(set, node.metadata.name);
      this.context.store.put(podFromTemplate(this.context, set, set.spec.template, { labels, spec }));
    }
  }

  /** Ends pods of an older template, as long as enough nodes have one that is available. */
  #update(set: DaemonSet, wanted: readonly Node[], byNode: ReadonlyMap<string, Pod[]>, revision: string): void {
    const { type = 'RollingUpdate', rollingUpdate } = set.spec.updateStrategy ?? {};
    if (type === 'OnDelete') return;
    const mayMiss = Math.max(1, scaled(rollingUpdate?.maxUnavailable ?? 1, wanted.length, Math.ceil));
    let missing = 0;
    const old: Pod[] = [];
    for (const node of wanted) {
      const [pod] = byNode.get(node.metadata.name) ?? [];
      const available = pod !== undefined && this.#isAvailable(set, pod);
      if (!available) missing++;
      if (pod === undefined || pod.metadata.deletionTimestamp !== undefined || isOfRevision(pod, revision)) continue;
      // One that serves nobody can go at any time.
      if (available) old.push(pod);
      else this.#end(pod);
    }
    for (const pod of old.slice(0, Math.max(0, mayMiss - missing))) this.#end(pod);
  }

  #end(pod: Pod): void {
    if (pod.metadata.deletionTimestamp === undefined) this.#terminate(pod);
  }

  #isAvailable({ spec }: DaemonSet, pod: Pod): boolean {
    if (pod.metadata.deletionTimestamp !== undefined || !isReady(pod)) return false;
    return availableAt(pod, spec.minReadySeconds ?? 0) <= this.context.now();
  }

  #report(key: string, nodes: readonly Node[], wanted: readonly Node[], revision: string): void {
    const { store, pods, timers, now } = this.context;
    const { namespace, name } = splitKey(key);
    const set = store.get<DaemonSet>('DaemonSet', namespace, name)!;
    const places = new Set(wanted.map(({ metadata }) => metadata.name));
    const all = pods.controlledBy(set.metadata.uid ?? '').filter((pod) => pod.metadata.deletionTimestamp === undefined);
    const placed = all.filter((pod) => places.has(nodeOf(pod)));
    const ready = placed.filter(isReady);
    const waiting = ready.map((pod) => availableAt(pod, set.spec.minReadySeconds ?? 0)).filter((at) => at > now());
    if (waiting.length > 0)
      timers.set(`available ${this.kind} ${key}`, Math.min(...waiting), () => this.queue.add(key));
    else timers.cancel(`available ${this.kind} ${key}`);
    const known = new Set(nodes.map(({ metadata }) => metadata.name));
    const status: NonNullable<DaemonSet['status']> = {
      observedGeneration: set.metadata.generation ?? 1,
      desiredNumberScheduled: wanted.length,
      currentNumberScheduled: placed.length,
      numberMisscheduled: all.filter((pod) => known.has(nodeOf(pod)) && !places.has(nodeOf(pod))).length,
      numberReady: ready.length,
      numberAvailable: ready.length - waiting.length,
      numberUnavailable: wanted.length - ready.length + waiting.length,
      updatedNumberScheduled: placed.filter((pod) => isOfRevision(pod, revision)).length,
    };
    if (!sameStatus(set.status, status)) store.put({ ...set, status: { ...set.status, ...status } } as DaemonSet);
  }
}

/** A pod that runs already stays on a node that takes no new ones, but not on one that evicts it. */
function staysOn(pod: Pod, node: Node): boolean {
  const taints = node.spec?.taints?.filter(({ effect }) => effect === 'NoExecute') ?? [];
  return canRunDaemon(pod.spec, { ...node, spec: { ...node.spec, taints } });
}

/** The node that a daemon's pod is for, bound there yet or not. */
function nodeOf({ spec }: Pod): string {
  if (spec.nodeName) return spec.nodeName;
  const { affinity }: PodSpec & WithAffinity = spec;
  const terms = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  return terms?.[0]?.matchFields?.find(({ key }) => key === 'metadata.name')?.values?.[0] ?? '';
}

/** The template's specification for one node: bound by affinity to its name, with what daemons tolerate. */
function daemonSpec(set: DaemonSet, node: string): PodSpec {
  const { spec } = set.spec.template;
  const { affinity = {} }: PodSpec & WithAffinity = spec;
  const matchFields = [{ key: 'metadata.name', operator: 'In', values: [node] }];
  const given = affinity.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [{}];
  const nodeSelectorTerms = given.map((term) => ({ ...term, matchFields }));
  const nodeAffinity = {
    ...affinity.nodeAffinity,
    requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms },
  };
  const tolerations = [...(spec.tolerations ?? []), ...daemonTolerations(spec)];
  const made: PodSpec & WithAffinity = { ...spec, affinity: { ...affinity, nodeAffinity }, tolerations };
  return made;
}

/** As AddOrUpdateDaemonPodTolerations of daemonset_util.go: a lost, busy or cordoned node keeps its daemons. */
function daemonTolerations(spec: PodSpec): Toleration[] {
  const added = (name: string, effect: string) => ({ key: `node.kubernetes.io/${name}`, operator: 'Exists', effect });
  const all = [
    added('not-ready', 'NoExecute'),
    added('unreachable', 'NoExecute'),
    added('disk-pressure', 'NoSchedule'),
    added('memory-pressure', 'NoSchedule'),
    added('pid-pressure', 'NoSchedule'),
    added('unschedulable', 'NoSchedule'),
  ];
  return spec.hostNetwork === true ? [...all, added('network-unavailable', 'NoSchedule')] : all;
}

import { matchesOperator, type Node, type Pod, type PodSpec } from '@netsim/manifest';
import { matchesLabels } from '../core/selector.ts';
import { type Taint, tolerationFor } from '../core/taints.ts';
import type { HostPorts } from './host-ports.ts';

/**
 * Why a node cannot take a pod, in the words of kube-scheduler's filter plugins, in their order. `resolvable` where
 * evicting other pods could help.
 */
export interface Refusal {
  readonly reason: string;
  readonly resolvable: boolean;
}

const unschedulable: Refusal = { reason: 'node(s) were unschedulable', resolvable: false };
const untolerated: Refusal = { reason: 'node(s) had untolerated taint(s)', resolvable: false };
const affinity: Refusal = { reason: "node(s) didn't match Pod's node affinity/selector", resolvable: false };
const ports: Refusal = { reason: "node(s) didn't have free ports for the requested pod ports", resolvable: true };

/** Checks NodeUnschedulable, TaintToleration, NodeAffinity and NodePorts. `undefined` where the node can take the pod. */
export function refusalOf(pod: Pod, node: Node, hostPorts: HostPorts): Refusal | undefined {
  if (node.spec?.unschedulable === true && tolerationFor(pod, unschedulableTaint) === undefined) return unschedulable;
  if (!toleratesTaints(pod, node)) return untolerated;
  if (pod.spec.nodeSelector !== undefined && !matchesLabels(pod.spec.nodeSelector, node.metadata.labels)) {
    return affinity;
  }
  if (!matchesRequiredAffinity(pod, node)) return affinity;
  if (hostPorts.taken(node.metadata.name, pod)) return ports;
  return undefined;
}

/** Whether a daemon's pod with this specification may run on the node: its name, labels and taints, not its free ports. */
export function canRunDaemon(spec: PodSpec, node: Node): boolean {
  const pod: Pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: '' }, spec };
  if (spec.nodeName && spec.nodeName !== node.metadata.name) return false;
  if (!toleratesTaints(pod, node)) return false;
  if (spec.nodeSelector !== undefined && !matchesLabels(spec.nodeSelector, node.metadata.labels)) return false;
  return matchesRequiredAffinity(pod, node);
}

const unschedulableTaint: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

/** Whether a pod tolerates all taints of a node that keep pods away (NoSchedule and NoExecute). */
function toleratesTaints(pod: Pod, node: Node): boolean {
  const taints = node.spec?.taints;
  if (taints === undefined) return true;
  return taints.every((taint) => taint.effect === 'PreferNoSchedule' || tolerationFor(pod, taint) !== undefined);
}

interface NodeSelectorTerm {
  matchExpressions?: Requirement[];
  matchFields?: Requirement[];
}
interface Requirement {
  key: string;
  operator: string;
  values?: string[];
}
/** The part of a pod's specification that only scheduling reads. */
export interface WithAffinity {
  affinity?: {
    nodeAffinity?: { requiredDuringSchedulingIgnoredDuringExecution?: { nodeSelectorTerms?: NodeSelectorTerm[] } };
  };
}

function matchesRequiredAffinity(pod: Pod, node: Node): boolean {
  const spec: Pod['spec'] & WithAffinity = pod.spec;
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  if (terms === undefined) return true;
  return terms.some(({ matchExpressions = [], matchFields = [] }) => {
    if (matchExpressions.length + matchFields.length === 0) return false;
    const fields: Record<string, string> = { 'metadata.name': node.metadata.name };
    const labels = node.metadata.labels ?? {};
    return (
      matchExpressions.every((requirement) => satisfies(requirement, labels)) &&
      matchFields.every((requirement) => satisfies(requirement, fields))
    );
  });
}

function satisfies({ key, operator, values = [] }: Requirement, labels: Record<string, string>): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'Gt':
      return isInteger(value) && isInteger(values[0]) && BigInt(value) > BigInt(values[0]);
    case 'Lt':
      return isInteger(value) && isInteger(values[0]) && BigInt(value) < BigInt(values[0]);
    default:
      return matchesOperator(operator, value, values);
  }
}

/** kube-scheduler takes what is no whole number for no match. */
function isInteger(text: string | undefined): text is string {
  return text !== undefined && /^-?\d+$/.test(text);
}

/**
 * The `Unschedulable` message of kube-scheduler: how many nodes refused for which reason (sorted), and what preemption
 * would have done.
 */
export function unschedulableMessage(refusals: readonly Refusal[]): string {
  if (refusals.length === 0) return 'no nodes available to schedule pods';
  const total = refusals.length;
  const resolvable = refusals.filter((refusal) => refusal.resolvable).length;
  const helpless = total - resolvable;
  const preemption: string[] = [];
  if (resolvable > 0) preemption.push(`${resolvable} No preemption victims found for incoming pod`);
  if (helpless > 0) preemption.push(`${helpless} Preemption is not helpful for scheduling`);
  const reasons = count(refusals.map(({ reason }) => reason));
  return (
    `0/${total} nodes are available: ${reasons}. no new claims to deallocate, ` +
    `preemption: 0/${total} nodes are available: ${preemption.sort().join(', ')}.`
  );
}

function count(reasons: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts]
    .map(([reason, times]) => `${times} ${reason}`)
    .sort()
    .join(', ');
}

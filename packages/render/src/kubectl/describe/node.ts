import type { Condition, Namespace, Node, Pod } from '@netsim/manifest';
import { ageOf, longDate } from '../age.ts';
import { nodeRoles } from '../columns.ts';
import { inOrder } from '../table.ts';
import { formatMilli, parseMilli } from './quantity.ts';
import type { Related } from './related.ts';
import { DescribeWriter } from './writer.ts';

export function describeNode(node: Node, related: Related): string {
  const w = new DescribeWriter();
  const { metadata, spec = {}, status = {} } = node;
  w.line(0, 'Name:', metadata.name);
  w.line(0, 'Roles:', nodeRoles(node).join(',') || '<none>');
  w.labels('', 'Labels', metadata.labels);
  w.annotations('', 'Annotations', metadata.annotations);
  w.line(0, 'CreationTimestamp:', longDate(metadata.creationTimestamp));
  const taints = (spec.taints ?? []).map(({ key, value, effect }) => `${key}${value ? `=${value}` : ''}:${effect}`);
  w.list('', 'Taints', taints.sort());
  w.line(0, 'Unschedulable:', spec.unschedulable === true);
  w.line(0, 'Lease:', `Failed to get lease: leases.coordination.k8s.io ${JSON.stringify(metadata.name)} not found`);
  const conditions = (status.conditions ?? []) as (Condition & { lastHeartbeatTime?: string | null })[];
  if (conditions.length > 0) {
    w.line(0, 'Conditions:');
    w.line(1, 'Type', 'Status', 'LastHeartbeatTime', 'LastTransitionTime', 'Reason', 'Message');
    w.line(1, '----', '------', '-----------------', '------------------', '------', '-------');
    for (const c of conditions) {
      const times = [longDate(c.lastHeartbeatTime), longDate(c.lastTransitionTime)] as const;
      w.line(1, `${c.type} `, `${c.status} `, `${times[0]} `, `${times[1]} `, `${c.reason ?? ''} `, c.message ?? '');
    }
  }
  w.line(0, 'Addresses:');
  for (const { type, address } of status.addresses ?? []) w.line(1, `${type}:`, address);
  for (const [title, list] of [
    ['Capacity', status.capacity],
    ['Allocatable', status.allocatable],
  ] as const) {
    const names = Object.keys(list ?? {}).sort();
    if (names.length > 0) w.line(0, `${title}:`);
    for (const name of names) w.line(1, `${name}:`, list![name]!);
  }
  const info = status.nodeInfo ?? {};
  w.line(0, 'System Info:');
  for (const [title, field] of [
    ['Machine ID', 'machineID'],
    ['System UUID', 'systemUUID'],
    ['Boot ID', 'bootID'],
    ['Kernel Version', 'kernelVersion'],
    ['OS Image', 'osImage'],
    ['Operating System', 'operatingSystem'],
    ['Architecture', 'architecture'],
    ['Container Runtime Version', 'containerRuntimeVersion'],
    ['Kubelet Version', 'kubeletVersion'],
    ['Kube-Proxy Version', 'kubeProxyVersion'],
  ] as const) {
    w.line(1, `${title}:`, info[field] ?? '');
  }
  if (spec.podCIDR) w.line(0, 'PodCIDR:', spec.podCIDR);
  if ((spec.podCIDRs ?? []).length > 0) w.line(0, 'PodCIDRs:', spec.podCIDRs!.join(','));
  if (spec.providerID) w.line(0, 'ProviderID:', spec.providerID);
  describePods(w, node, related);
  w.events();
  return w.toString();
}

const shown = [
  ['cpu', 'requests'],
  ['cpu', 'limits'],
  ['memory', 'requests'],
  ['memory', 'limits'],
] as const;

function describePods(w: DescribeWriter, node: Node, { store, now }: Related): void {
  const pods = inOrder(
    store
      .list<Pod>('Pod')
      .filter(({ spec, status }) => spec.nodeName === node.metadata.name && !isTerminated(status?.phase)),
  );
  w.line(0, 'Non-terminated Pods:', `(${pods.length} in total)`);
  w.line(1, 'Namespace', 'Name', '', 'CPU Requests', 'CPU Limits', 'Memory Requests', 'Memory Limits', 'Age');
  w.line(1, '---------', '----', '', '------------', '----------', '---------------', '-------------', '---');
  for (const pod of pods) {
    const cells = shown.map(([name, which]) => share(sumOf([pod], name, which), node, name, NOT_A_SHARE));
    const { namespace = '', name, creationTimestamp } = pod.metadata;
    w.line(1, namespace, name, '', ...cells, ageOf(creationTimestamp, now));
  }
  w.line(0, 'Allocated resources:');
  w.line(1, '(Total limits may be over 100 percent, i.e., overcommitted.)');
  w.line(1, 'Resource', 'Requests', 'Limits');
  w.line(1, '--------', '--------', '------');
  for (const name of ['cpu', 'memory', 'ephemeral-storage'] as const) {
    const [requests, limits] = [sumOf(pods, name, 'requests'), sumOf(pods, name, 'limits')];
    w.line(1, name, share(requests, node, name, '0'), share(limits, node, name, '0'));
  }
}

function isTerminated(phase: string | undefined): boolean {
  return phase === 'Succeeded' || phase === 'Failed';
}

type Resources = Partial<Record<'requests' | 'limits', Record<string, string | number>>>;

/** Thousandths of the unit that the pods' containers ask for. */
function sumOf(pods: readonly Pod[], name: string, which: 'requests' | 'limits'): number {
  let sum = 0;
  for (const { spec } of pods) {
    for (const container of spec.containers) {
      const resources = (container as { resources?: Resources }).resources ?? {};
      const quantity = resources[which]?.[name] ?? (which === 'requests' ? resources.limits?.[name] : undefined);
      if (quantity !== undefined) sum += parseMilli(quantity);
    }
  }
  return sum;
}

/** What kubectl prints for a share of nothing: a division by zero, as Go makes an integer of it. */
const NOT_A_SHARE = '-9223372036854775808';

function share(amount: number, { status }: Node, name: string, ofNothing: string): string {
  const total = parseMilli(status?.allocatable?.[name] ?? status?.capacity?.[name] ?? 0);
  return `${formatMilli(amount)} (${total === 0 ? ofNothing : Math.trunc((amount / total) * 100)}%)`;
}

export function describeNamespace({ metadata, status }: Namespace): string {
  const w = new DescribeWriter();
  w.line(0, 'Name:', metadata.name);
  w.labels('', 'Labels', metadata.labels);
  w.annotations('', 'Annotations', metadata.annotations);
  w.line(0, 'Status:', status?.phase ?? 'Active');
  w.line(0, '');
  w.line(0, 'No resource quota.');
  w.line(0, '');
  w.line(0, 'No LimitRange resource.');
  return w.toString();
}

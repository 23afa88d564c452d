import { type Finding, type KubeObject, type Node, nearest, type ObjectStore, type Pod } from '@netsim/manifest';
import { formatPrefix, prefixContains, tryParseIp } from '@netsim/wire';
import type { ClusterConfig } from '../config.ts';
import { controllerOf } from '../core/owners.ts';
import { configFaultsOf } from '../kubelet/config-faults-of.ts';
import { podBlocks } from '../kubelet/pod-ipam.ts';
import { conditionOf, isTerminal, podIPs } from '../kubelet/pod-status.ts';
import { addressesClash, hostPortsOf } from '../scheduler/host-ports.ts';
import { findingAt, listOf, nameOf } from './finding-at.ts';

/** What is wrong with nodes and pods: addresses, and places to run. */
export function podFindings(store: ObjectStore, config: ClusterConfig): Finding[] {
  const pods = store.list<Pod>('Pod').filter((pod) => !isTerminal(pod));
  return [
    ...nodeFindings(store, config),
    ...duplicates(pods),
    ...hostPortClashes(pods),
    ...outsideOf(pods, config),
    ...unknownNodes(store, pods),
    ...unschedulable(store, pods),
    ...withoutAddress(store, pods),
    ...unconfigured(store, pods),
  ];
}

function nodeFindings(store: ObjectStore, config: ClusterConfig): Finding[] {
  const without = store.list<Node>('Node').filter((node) => podBlocks(node).length === 0);
  const ranges = config.podCIDRs.map(formatPrefix).join(', ');
  const sizes = config.podCIDRs.map(({ address }) => `/${config.nodeMaskSize[typeof address === 'number' ? 4 : 6]}`);
  const findings = without.map((node) =>
    findingAt(node, ['metadata', 'name'], {
      severity: 'error',
      code: 'pod-cidr-too-small',
      message: `${nameOf(node)}: the pod network ${ranges} has no block of ${sizes.join(', ')} left for it; its pods get no address`,
      suggestion: 'a larger podSubnet, or smaller blocks for the nodes',
    }),
  );
  const owners = new Map<string, Node>();
  for (const node of store.list<Node>('Node')) {
    for (const { address } of node.status?.addresses?.filter(({ type }) => type === 'InternalIP') ?? []) {
      const other = owners.get(address);
      if (other === undefined) owners.set(address, node);
      else {
        const message = `${nameOf(node)}: its address ${address} is that of ${nameOf(other)} too`;
        findings.push(
          findingAt(node, ['status', 'addresses'], { severity: 'error', code: 'duplicate-node-ip', message }),
        );
      }
    }
  }
  return findings;
}

function duplicates(pods: readonly Pod[]): Finding[] {
  const holders = new Map<string, Pod>();
  const findings: Finding[] = [];
  for (const pod of pods) {
    if (pod.spec.hostNetwork === true) continue;
    for (const ip of podIPs(pod)) {
      const holder = holders.get(ip);
      if (holder === undefined) holders.set(ip, pod);
      else {
        findings.push(
          findingAt(pod, ['status', 'podIP'], {
            severity: 'error',
            code: 'duplicate-pod-ip',
            message: `${nameOf(pod)}: its address ${ip} is that of ${nameOf(holder)} too; packets reach only one of them`,
          }),
        );
      }
    }
  }
  return findings;
}

/** Pods that were put on a node by name, past the scheduler, where another has their host port already. */
function hostPortClashes(pods: readonly Pod[]): Finding[] {
  const findings: Finding[] = [];
  const holders = new Map<string, { pod: Pod; address: string }[]>();
  for (const pod of pods) {
    const { nodeName } = pod.spec;
    if (!nodeName) continue;
    for (const { key, address, path } of hostPortsOf(pod)) {
      const place = `${nodeName} ${key}`;
      const others = holders.get(place) ?? [];
      const clash = others.find((each) => each.pod !== pod && addressesClash(each.address, address));
      if (clash !== undefined) {
        const [protocol, port] = key.split('/');
        findings.push(
          findingAt(pod, path, {
            severity: 'error',
            code: 'host-port-clash',
            message: `${nameOf(pod)}: host port ${port} (${protocol}) of node "${nodeName}" is that of ${nameOf(clash.pod)} already`,
            suggestion: 'leave nodeName out, and the scheduler finds a node with a free port',
          }),
        );
      }
      holders.set(place, [...others, { pod, address }]);
    }
  }
  return findings;
}

/** One finding for all pods whose addresses the pod network does not have: a dump brings either none or many. */
function outsideOf(pods: readonly Pod[], config: ClusterConfig): Finding[] {
  const outside = pods.filter((pod) => {
    if (pod.spec.hostNetwork === true) return false;
    return podIPs(pod).some((text) => {
      const ip = tryParseIp(text);
      return ip === undefined || !config.podCIDRs.some((prefix) => prefixContains(prefix, ip));
    });
  });
  const first = outside[0];
  if (first === undefined) return [];
  const ranges = config.podCIDRs.map(formatPrefix).join(', ');
  const more = outside.length > 1 ? ` (and ${outside.length - 1} other pods)` : '';
  return [
    findingAt(first, ['status', 'podIP'], {
      severity: 'warning',
      code: 'pod-ip-out-of-range',
      message: `${nameOf(first)}: its address ${podIPs(first).join(', ')} is outside the pod network ${ranges}${more}`,
      suggestion: "give the cluster's podSubnet with a kubeadm ClusterConfiguration or a kind Cluster",
    }),
  ];
}

function unknownNodes(store: ObjectStore, pods: readonly Pod[]): Finding[] {
  const nodes = store.list<Node>('Node').map(({ metadata }) => metadata.name);
  const known = new Set(nodes);
  return grouped(
    store,
    pods.filter(({ spec }) => spec.nodeName && !known.has(spec.nodeName)),
    ({ spec }) => spec.nodeName!,
  ).map(({ object, pod, inTemplate, count }) => {
    const near = nearest(pod.spec.nodeName!, nodes);
    return findingAt(object, inTemplate ? ['spec', 'template', 'spec', 'nodeName'] : ['spec', 'nodeName'], {
      severity: 'warning',
      code: 'unknown-node',
      message: `${nameOf(object)}: ${count}there is no node "${pod.spec.nodeName}"; the nodes are ${listOf(nodes)}`,
      suggestion: near === undefined ? undefined : `did you mean "${near}"?`,
    });
  });
}

function unschedulable(store: ObjectStore, pods: readonly Pod[]): Finding[] {
  const reason = (pod: Pod) => {
    const condition = conditionOf(pod, 'PodScheduled');
    return condition?.status === 'False' && condition.reason === 'Unschedulable'
      ? (condition.message ?? '')
      : undefined;
  };
  return grouped(
    store,
    pods.filter((pod) => !pod.spec.nodeName && reason(pod) !== undefined),
    (pod) => reason(pod)!,
  ).map(({ object, pod, inTemplate, count }) => {
    const field = pod.spec.nodeSelector === undefined ? [] : ['nodeSelector'];
    return findingAt(object, [...(inTemplate ? ['spec', 'template', 'spec'] : ['spec']), ...field], {
      severity: 'warning',
      code: 'unschedulable',
      message: `${nameOf(object)}: ${count}no node can take the pod: ${reason(pod)}`,
    });
  });
}

/** Pods of which containers are not started, because a ConfigMap or Secret is missing, or a key in one. */
function unconfigured(store: ObjectStore, pods: readonly Pod[]): Finding[] {
  const faults = new Map(pods.map((pod) => [pod, configFaultsOf(store, pod)[0]]));
  const fault = (pod: Pod) => faults.get(pod);
  return grouped(
    store,
    pods.filter((pod) => fault(pod) !== undefined),
    (pod) => fault(pod)!.message,
  ).map(({ object, pod, inTemplate, count }) => {
    const { container, path, message, suggestion } = fault(pod)!;
    const [, ...rest] = path;
    const what = container === undefined ? 'the pod' : `container "${container}"`;
    const at =
      object.kind === 'CronJob' ? ['spec', 'jobTemplate', 'spec', 'template', 'spec'] : ['spec', 'template', 'spec'];
    return findingAt(object, inTemplate ? [...at, ...rest] : path, {
      severity: 'warning',
      code: 'config-not-found',
      message: `${nameOf(object)}: ${count}${what} is never started: ${message}`,
      suggestion,
    });
  });
}

/** Pods that wait for an address, told once per node. */
function withoutAddress(store: ObjectStore, pods: readonly Pod[]): Finding[] {
  const byNode = new Map<string, Pod[]>();
  for (const pod of pods) {
    if (conditionOf(pod, 'PodReadyToStartContainers')?.reason !== 'FailedCreatePodSandBox') continue;
    const { nodeName = '' } = pod.spec;
    const list = byNode.get(nodeName);
    if (list === undefined) byNode.set(nodeName, [pod]);
    else list.push(pod);
  }
  const findings: Finding[] = [];
  for (const [name, waiting] of byNode) {
    const node = store.get<Node>('Node', undefined, name);
    if (node === undefined || podBlocks(node).length === 0) continue;
    const blocks = podBlocks(node).map(formatPrefix).join(', ');
    findings.push(
      findingAt(node, ['spec', 'podCIDR'], {
        severity: 'error',
        code: 'pod-cidr-too-small',
        message: `${nameOf(node)}: pod CIDR ${blocks} has no address left for ${waiting.length} of its pods: ${listOf(waiting.map(({ metadata }) => metadata.name))}`,
      }),
    );
  }
  return findings;
}

interface Group {
  /** The workload that made the pods, or the pod itself. */
  readonly object: KubeObject;
  readonly inTemplate: boolean;
  readonly pod: Pod;
  /** `3 pods: `, or nothing for one. */
  readonly count: string;
}

/** Pods of one workload with one trouble are told of once. */
function grouped(store: ObjectStore, pods: readonly Pod[], trouble: (pod: Pod) => string): Group[] {
  const groups = new Map<string, { object: KubeObject; pod: Pod; count: number }>();
  for (const pod of pods) {
    const object = workloadOf(store, pod);
    const { namespace, name } = object.metadata;
    const key = `${object.kind} ${namespace}/${name} ${trouble(pod)}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { object, pod, count: 1 });
    else group.count++;
  }
  return [...groups.values()].map(({ object, pod, count }) => ({
    object,
    pod,
    inTemplate: object.kind !== 'Pod',
    count: count > 1 ? `${count} pods: ` : '',
  }));
}

/** The object that a user wrote and that led to the pod. */
function workloadOf(store: ObjectStore, pod: Pod): KubeObject {
  let object: KubeObject = pod;
  for (let owner = controllerOf(object); owner !== undefined; owner = controllerOf(object)) {
    const next = store.get(owner.kind, object.metadata.namespace, owner.name);
    if (next === undefined || next === object) break;
    object = next;
  }
  return object;
}

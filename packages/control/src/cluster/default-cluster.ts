import type { Node } from '@netsim/manifest';
import { parseIp, parsePrefix } from '@netsim/wire';
import type { ClusterConfig } from '../config.ts';

/** What a plain `kubeadm init` decides, with the pod network of flannel. */
export function defaultClusterConfig(): ClusterConfig {
  return {
    podCIDRs: [parsePrefix('10.244.0.0/16')],
    nodeMaskSize: { 4: 24, 6: 64 },
    serviceCIDRs: [parsePrefix('10.96.0.0/12')],
    nodePortRange: { from: 30000, to: 32767 },
    clusterDomain: 'cluster.local',
    clusterDNS: [parseIp('10.96.0.10')],
    seed: 1,
  };
}

/** The control-plane node and the three workers of a cluster whose manifests name no node. */
export function defaultNodes(): Node[] {
  return [
    makeNode('m-k8s', ['192.168.1.10'], 'control-plane'),
    makeNode('w1-k8s', ['192.168.1.101'], 'worker'),
    makeNode('w2-k8s', ['192.168.1.102'], 'worker'),
    makeNode('w3-k8s', ['192.168.1.103'], 'worker'),
  ];
}

/** A node as kubeadm joins it; a control-plane node is labelled and tainted. */
export function makeNode(name: string, addresses: readonly string[], role: 'control-plane' | 'worker'): Node {
  const labels: Record<string, string> = {
    'beta.kubernetes.io/arch': 'amd64',
    'beta.kubernetes.io/os': 'linux',
    'kubernetes.io/arch': 'amd64',
    'kubernetes.io/hostname': name,
    'kubernetes.io/os': 'linux',
  };
  if (role === 'control-plane') {
    labels['node-role.kubernetes.io/control-plane'] = '';
    labels['node.kubernetes.io/exclude-from-external-load-balancers'] = '';
  }
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels },
    spec: role === 'worker' ? {} : { taints: [{ key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }] },
    status: {
      addresses: [
        ...addresses.map((address) => ({ type: 'InternalIP', address })),
        { type: 'Hostname', address: name },
      ],
    },
  };
}

/** Whether a node carries the control plane: by role label, or the name of the role before 1.20. */
export function isControlPlane(node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  return 'node-role.kubernetes.io/control-plane' in labels || 'node-role.kubernetes.io/master' in labels;
}

/** The node's own addresses (InternalIP), in the order of its status. */
export function internalIPs(node: Node): string[] {
  return (node.status?.addresses ?? []).filter(({ type }) => type === 'InternalIP').map(({ address }) => address);
}

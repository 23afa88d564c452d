import { nodeInfo, type PodInfo } from '@netsim/cni';
import type { Node } from '@netsim/manifest';
import { formatPrefix } from '@netsim/wire';

/** Whether two states of a node are the same to the network. */
export function sameNode(a: Node, b: Node): boolean {
  const text = (node: Node): string => {
    const { name, addresses, podCIDRs } = nodeInfo(node);
    return JSON.stringify([
      name,
      addresses.map(String),
      podCIDRs.map(formatPrefix),
      node.metadata.labels?.['topology.kubernetes.io/zone'],
    ]);
  };
  return a === b || text(a) === text(b);
}

function sameHostPorts(a: PodInfo['hostPorts'], b: PodInfo['hostPorts']): boolean {
  return (
    a.length === b.length &&
    a.every((port, i) => {
      const other = b[i]!;
      return (
        port.protocol === other.protocol &&
        port.hostPort === other.hostPort &&
        port.containerPort === other.containerPort &&
        port.hostIP === other.hostIP
      );
    })
  );
}

/** Whether two states of a pod are the same to the network. */
export function samePod(a: PodInfo | undefined, b: PodInfo | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.node === b.node &&
    a.hostNetwork === b.hostNetwork &&
    sameHostPorts(a.hostPorts, b.hostPorts) &&
    a.ips.length === b.ips.length &&
    a.ips.every((ip, index) => ip === b.ips[index])
  );
}

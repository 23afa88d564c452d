import type { Node, Pod } from '@netsim/manifest';
import type { Family, Ip, Prefix } from '@netsim/wire';
import { familyOf, tryParseIp, tryParsePrefix } from '@netsim/wire';

/** What the network needs to know of a node. */
export interface NodeInfo {
  readonly name: string;
  /** Its own addresses, the primary one of each family first. */
  readonly addresses: readonly Ip[];
  /** Blocks its pods get their addresses from, at most one of each family. */
  readonly podCIDRs: readonly Prefix[];
}

/** What the network needs to know of a pod. */
export interface PodInfo {
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly ips: readonly Ip[];
  readonly hostNetwork: boolean;
  /** Ports of the node that the runtime asks the plugins to send to the pod; none with hostNetwork. */
  readonly hostPorts: readonly HostPort[];
}

/** One entry of `ports` with a `hostPort`. */
export interface HostPort {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly hostPort: number;
  readonly containerPort: number;
  /** The node's address that it is for; absent: all of them. */
  readonly hostIP?: Ip;
}

/** Reads `status.addresses` (InternalIP) and `spec.podCIDRs`. What is no address is left out: others report it. */
export function nodeInfo(node: Node): NodeInfo {
  const addresses = (node.status?.addresses ?? [])
    .filter((entry) => entry.type === 'InternalIP')
    .map((entry) => tryParseIp(entry.address))
    .filter((ip) => ip !== undefined);
  const cidrs = node.spec?.podCIDRs ?? (node.spec?.podCIDR === undefined ? [] : [node.spec.podCIDR]);
  const podCIDRs = cidrs.map(tryParsePrefix).filter((prefix) => prefix !== undefined);
  return { name: node.metadata.name, addresses, podCIDRs };
}

/** Reads a pod; `undefined` for one that has no node or no address yet, or whose sandbox is gone. */
export function podInfo(pod: Pod): PodInfo | undefined {
  const { status } = pod;
  const node = pod.spec.nodeName;
  if (node === undefined || node === '' || status?.phase === 'Succeeded' || status?.phase === 'Failed')
    return undefined;
  const texts = status?.podIPs?.map((entry) => entry.ip) ?? (status?.podIP === undefined ? [] : [status.podIP]);
  const ips = texts.map(tryParseIp).filter((ip) => ip !== undefined);
  if (ips.length === 0) return undefined;
  const namespace = pod.metadata.namespace ?? 'default';
  const hostNetwork = pod.spec.hostNetwork === true;
  const hostPorts = hostNetwork ? [] : hostPortsOf(pod);
  return { namespace, name: pod.metadata.name, node, ips, hostNetwork, hostPorts };
}

function hostPortsOf({ spec }: Pod): HostPort[] {
  const found: HostPort[] = [];
  for (const { ports = [] } of spec.containers) {
    for (const { hostPort, containerPort, protocol, hostIP } of ports) {
      if (hostPort === undefined || hostPort === 0) continue;
      const ip = hostIP === undefined ? undefined : tryParseIp(hostIP);
      found.push({
        protocol: protocolNames[protocol ?? 'TCP'],
        hostPort,
        containerPort,
        ...(ip !== undefined && { hostIP: ip }),
      });
    }
  }
  return found;
}

const protocolNames = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' } as const;

export function ofFamily(ips: readonly Ip[], family: Family): Ip | undefined {
  return ips.find((ip) => familyOf(ip) === family);
}

export function prefixOfFamily(prefixes: readonly Prefix[], family: Family): Prefix | undefined {
  return prefixes.find((prefix) => familyOf(prefix.address) === family);
}

import { parseIp, parsePrefix } from '@netsim/wire';
import type { NodeInfo, PodInfo } from '../src/index.ts';

/** Nodes 192.168.1.101, .102, ... (and fd00:1::101, ...) with pod blocks 10.244.N.0/24 (and fd00:10:244:N::/64). */
export function clusterNodes(count: number, stack: 'v4' | 'v6' | 'dual' = 'v4'): NodeInfo[] {
  return Array.from({ length: count }, (_, i) => {
    const four = { address: parseIp(`192.168.1.${101 + i}`), cidr: parsePrefix(`10.244.${i + 1}.0/24`) };
    const six = { address: parseIp(`fd00:1::${101 + i}`), cidr: parsePrefix(`fd00:10:244:${i + 1}::/64`) };
    const used = stack === 'v4' ? [four] : stack === 'v6' ? [six] : [four, six];
    return {
      name: `w${i + 1}-k8s`,
      addresses: used.map((entry) => entry.address),
      podCIDRs: used.map((entry) => entry.cidr),
    };
  });
}

export function pod(name: string, node: string, ...ips: string[]): PodInfo {
  return { namespace: 'default', name, node, ips: ips.map(parseIp), hostNetwork: false, hostPorts: [] };
}

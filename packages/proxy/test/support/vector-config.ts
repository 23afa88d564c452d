import { parseIp, parsePrefix } from '@netsim/wire';
import type { LocalDetector, NodeProxyConfig, ProxyMode } from '../../src/index.ts';
import { nodeProxyConfig } from '../../src/index.ts';

/** A kube-proxy's configuration as the vectors hold it; what a mode does not have is left out there. */
export interface VectorConfig {
  readonly ipFamily: 'IPv4' | 'IPv6';
  readonly nodeName: string;
  readonly nodeIP: string;
  readonly masqueradeAll: boolean;
  readonly masqueradeMark: string;
  readonly detectLocal: { readonly implemented: boolean; readonly ifLocal?: readonly string[] };
  readonly nodePortAddresses: string;
  readonly nodePortMatchAll: boolean;
  readonly interfaceAddrs: readonly string[];
  readonly topologyLabels: Readonly<Record<string, string>> | null;
  readonly localhostNodePorts?: boolean;
  readonly conntrackTCPLiberal?: boolean;
  readonly hasRandomFully?: boolean;
  readonly nfacctCounters?: readonly string[] | null;
  readonly largeClusterEndpointsThreshold?: number;
  readonly serviceCIDRs?: string;
}

export function configOf(config: VectorConfig, mode: ProxyMode): NodeProxyConfig {
  const family = config.ipFamily === 'IPv4' ? 4 : 6;
  const zone = config.topologyLabels?.['topology.kubernetes.io/zone'];
  const blocks = config.nodePortAddresses.slice(1, -1).split(' ');
  return nodeProxyConfig({
    mode,
    family,
    nodeName: config.nodeName,
    nodeIP: parseIp(config.nodeIP),
    nodeAddresses: config.interfaceAddrs.filter((text) => text !== '<nil>').map((text) => parseIp(text.split('/')[0]!)),
    ...(zone !== undefined && { zone }),
    masqueradeAll: config.masqueradeAll,
    masqueradeBit: Math.log2(Number(config.masqueradeMark)),
    detectLocal: detector(config.detectLocal.ifLocal),
    localhostNodePorts: config.localhostNodePorts ?? false,
    nodePortAddresses: config.nodePortMatchAll ? [] : blocks.map(parsePrefix),
    conntrackTCPLiberal: config.conntrackTCPLiberal ?? false,
    randomFully: config.hasRandomFully ?? true,
    nfacctCounters: config.nfacctCounters ?? [],
    largeClusterThreshold: config.largeClusterEndpointsThreshold ?? 1000,
    serviceCIDRs: (config.serviceCIDRs ?? '')
      .split(',')
      .filter((text) => text !== '')
      .map(parsePrefix),
  });
}

/** `-s 10.0.0.0/8`, `-i veth+`, or in nft's words `ip saddr 10.0.0.0/8`, `iifname veth*`. */
function detector(ifLocal: readonly string[] | undefined): LocalDetector {
  if (ifLocal === undefined) return { kind: 'none' };
  const value = ifLocal.at(-1)!;
  return ifLocal[0] === '-i' || ifLocal[0] === 'iifname'
    ? { kind: 'interface', name: value.replace(/\*$/, '+') }
    : { kind: 'cidr', prefix: parsePrefix(value) };
}

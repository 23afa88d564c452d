import type { EndpointSlice, Service } from '@netsim/manifest';
import { parseIp, parsePrefix } from '@netsim/wire';
import type { LocalDetector, NodeProxyConfig } from '../../src/index.ts';
import type { Probe } from './probe-node.ts';

/** One sync of kube-proxy as the vectors hold it. */
export interface IptablesCase {
  readonly id: string;
  readonly origin: string;
  readonly previous?: string | null;
  readonly config: {
    readonly ipFamily: 'IPv4' | 'IPv6';
    readonly nodeName: string;
    readonly nodeIP: string;
    readonly masqueradeAll: boolean;
    readonly masqueradeMark: string;
    readonly detectLocal: { readonly implemented: boolean; readonly ifLocal?: readonly string[] };
    readonly localhostNodePorts: boolean;
    readonly conntrackTCPLiberal: boolean;
    readonly hasRandomFully: boolean;
    readonly nodePortAddresses: string;
    readonly nodePortMatchAll: boolean;
    readonly nfacctCounters: readonly string[] | null;
    readonly interfaceAddrs: readonly string[];
    readonly largeClusterEndpointsThreshold: number;
    readonly topologyLabels: Readonly<Record<string, string>> | null;
  };
  readonly objects: { readonly services: Service[] | null; readonly endpointSlices: EndpointSlice[] | null };
  readonly sync: { readonly full: boolean; readonly updatedServices: string[]; readonly largeClusterMode?: boolean };
  readonly expect: {
    readonly canonical: string;
    readonly probes?: readonly Probe[];
    readonly iptablesSave?: { readonly nft: string; readonly legacy: string };
  };
}

export function configOf({ config }: IptablesCase): NodeProxyConfig {
  const family = config.ipFamily === 'IPv4' ? 4 : 6;
  const zone = config.topologyLabels?.['topology.kubernetes.io/zone'];
  const blocks = config.nodePortAddresses.slice(1, -1).split(' ');
  return {
    family,
    nodeName: config.nodeName,
    nodeIP: parseIp(config.nodeIP),
    nodeAddresses: config.interfaceAddrs.filter((text) => text !== '<nil>').map((text) => parseIp(text.split('/')[0]!)),
    ...(zone !== undefined && { zone }),
    masqueradeAll: config.masqueradeAll,
    masqueradeBit: Math.log2(Number(config.masqueradeMark)),
    detectLocal: detector(config.detectLocal.ifLocal),
    localhostNodePorts: config.localhostNodePorts,
    nodePortAddresses: config.nodePortMatchAll ? [] : blocks.map(parsePrefix),
    conntrackTCPLiberal: config.conntrackTCPLiberal,
    randomFully: config.hasRandomFully,
    nfacctCounters: config.nfacctCounters ?? [],
    largeClusterThreshold: config.largeClusterEndpointsThreshold,
  };
}

function detector(ifLocal: readonly string[] | undefined): LocalDetector {
  if (ifLocal === undefined) return { kind: 'none' };
  return ifLocal[0] === '-i'
    ? { kind: 'interface', name: ifLocal[1]! }
    : { kind: 'cidr', prefix: parsePrefix(ifLocal[1]!) };
}

import type { Family, Ip, Prefix } from '@netsim/wire';

/** How kube-proxy tells traffic of local pods from other traffic (`detectLocalMode`). */
export type LocalDetector =
  | { readonly kind: 'none' }
  /** ClusterCIDR and NodeCIDR: by source address. */
  | { readonly kind: 'cidr'; readonly prefix: Prefix }
  /** BridgeInterface and InterfaceNamePrefix (then with a trailing `+`): by the interface it came in on. */
  | { readonly kind: 'interface'; readonly name: string };

/** How kube-proxy has services done by the kernel. */
export type ProxyMode = 'iptables' | 'nftables' | 'ipvs';

/** What one kube-proxy of one family is told, by its configuration and by its node. */
export interface NodeProxyConfig {
  readonly mode: ProxyMode;
  /** Version whose rules are written (`1.36`); the newest known where absent. Only nftables mode differs between versions. */
  readonly kubernetesVersion?: string;
  readonly family: Family;
  readonly nodeName: string;
  /** Primary address of the node in this family. */
  readonly nodeIP?: Ip;
  /** All addresses on the node's interfaces; asked only where `nodePortAddresses` is not everything. */
  readonly nodeAddresses: readonly Ip[];
  /** Label `topology.kubernetes.io/zone` of the node. */
  readonly zone?: string;
  readonly masqueradeAll: boolean;
  /** Bit of the packet mark that asks for masquerade; 14 means 0x4000. */
  readonly masqueradeBit: number;
  readonly detectLocal: LocalDetector;
  /** NodePorts on 127.0.0.1 too (IPv4 only). False already where `nodePortAddresses` leaves out loopback. */
  readonly localhostNodePorts: boolean;
  /** Blocks whose addresses take NodePort traffic; empty, or a /0: every local address. */
  readonly nodePortAddresses: readonly Prefix[];
  /** Where cluster IPs come from (ServiceCIDR objects). nftables mode drops what goes to such an address without a service. */
  readonly serviceCIDRs: readonly Prefix[];
  /** `net.netfilter.nf_conntrack_tcp_be_liberal` is set: then INVALID packets are not dropped. */
  readonly conntrackTCPLiberal: boolean;
  /** iptables knows `--random-fully`, which it does since 1.6.2. */
  readonly randomFully: boolean;
  /** nfacct counters that the kernel let kube-proxy make: `ct_state_invalid_dropped_pkts`, `localhost_nps_accepted_pkts`. */
  readonly nfacctCounters: readonly string[];
  /** With more endpoints than this, rules get no endpoint comments. */
  readonly largeClusterThreshold: number;
}

/** kube-proxy's defaults, for a node. The nfacct counters are left out: few kernels have them built in. */
export function nodeProxyConfig(
  node: Pick<NodeProxyConfig, 'nodeName' | 'family'> & Partial<NodeProxyConfig>,
): NodeProxyConfig {
  return {
    mode: 'iptables',
    nodeAddresses: [],
    serviceCIDRs: [],
    masqueradeAll: false,
    masqueradeBit: 14,
    detectLocal: { kind: 'none' },
    localhostNodePorts: node.family === 4,
    nodePortAddresses: [],
    conntrackTCPLiberal: false,
    randomFully: true,
    nfacctCounters: [],
    largeClusterThreshold: 1000,
    ...node,
  };
}

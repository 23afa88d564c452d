import type { Prefix } from '@netsim/wire';
import { parsePrefix } from '@netsim/wire';

/** What a CNI plugin is told, whatever file it was told in. */
export type CniConfig = FlannelConfig | BridgeConfig;

interface BridgePluginOptions {
  /** Name of the Linux bridge; `cni0` unless told otherwise. */
  readonly bridge: string;
  /** Sets the hairpin flag on bridge ports: a pod that is sent back to itself is answered. */
  readonly hairpinMode: boolean;
  readonly promiscMode: boolean;
  /** MTU of pod interfaces; absent: that of the node, less the encapsulation. */
  readonly mtu?: number;
  /** The portmap plugin behind the bridge in the list of plugins; absent where the list has none, and host ports do nothing. */
  readonly portmap?: PortmapConfig;
}

/** The portmap plugin with its iptables backend. */
export interface PortmapConfig {
  /** Name of the network in the configuration list. */
  readonly network: string;
  readonly snat: boolean;
  /** Bit of the packet's mark that asks for masquerade. */
  readonly markMasqBit: number;
}

/** flannel, as its `net-conf.json` and `cni-conf.json` say. */
export interface FlannelConfig extends BridgePluginOptions {
  readonly plugin: 'flannel';
  readonly backend: 'vxlan' | 'host-gw';
  /** `Network` and `IPv6Network`: the pod addresses of the whole cluster, at most one of each family. */
  readonly networks: readonly Prefix[];
  /** VXLAN network identifier, and UDP port of the encapsulation (flannel on Linux: 1 and 8472, the kernel's default). */
  readonly vni: number;
  readonly port: number;
  readonly learning: boolean;
  /** VXLAN only between nodes of different subnets; plain routes inside one. */
  readonly directRouting: boolean;
  /** Pods get a default route by the bridge, as the delegate of `kube-flannel.yml` says. */
  readonly isDefaultGateway: boolean;
  /** flanneld's `--ip-masq`. */
  readonly ipMasq: boolean;
  /** flanneld's `--iptables-forward-rules`, default true. */
  readonly forwardRules: boolean;
}

/** The plain bridge plugin with host-local addresses, and static routes between the nodes. */
export interface BridgeConfig extends BridgePluginOptions {
  readonly plugin: 'bridge';
  readonly networks: readonly Prefix[];
  readonly isGateway: boolean;
  readonly isDefaultGateway: boolean;
  /** `routes` of its IPAM section: what a pod is told besides its own subnet. */
  readonly routes: readonly Prefix[];
}

export const DEFAULT_NETWORK: Prefix = parsePrefix('10.244.0.0/16');

/** flannel as its own `kube-flannel.yml` installs it. */
export function defaultCniConfig(networks: readonly Prefix[] = [DEFAULT_NETWORK]): FlannelConfig {
  return {
    plugin: 'flannel',
    backend: 'vxlan',
    networks,
    vni: 1,
    port: 8472,
    learning: false,
    directRouting: false,
    isDefaultGateway: true,
    ipMasq: true,
    forwardRules: true,
    bridge: 'cni0',
    hairpinMode: true,
    promiscMode: false,
    portmap: { network: 'cbr0', snat: true, markMasqBit: 13 },
  };
}

/** The network that the nodes are plugged into, and who else is on it. */
export interface UnderlayConfig {
  /** Name of the Ethernet segment. */
  readonly segment: string;
  /** Interface of a node. */
  readonly uplink: string;
  readonly mtu: number;
  /** Prefix length of a node's address, per family. */
  readonly prefixLength: { readonly 4: number; readonly 6: number };
  /** Netns of the router that owns the default route. */
  readonly router: string;
  /** Interface of the router towards the rest of the world; what is sent there has left the cluster's network. */
  readonly wan: string;
  /** Segment behind it. */
  readonly world: string;
  /** Netns of a machine on the nodes' network that is no node. */
  readonly external: string;
  /** Its host number in the nodes' subnet, unless a node has that address. */
  readonly externalHost: number;
}

export const defaultUnderlay: UnderlayConfig = {
  segment: 'nodes',
  uplink: 'eth0',
  mtu: 1500,
  prefixLength: { 4: 24, 6: 64 },
  router: 'router',
  wan: 'wan0',
  world: 'internet',
  external: 'external',
  externalHost: 200,
};

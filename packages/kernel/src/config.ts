import type { Ip, Mac, Prefix } from '@netsim/wire';
import type { VirtualServiceConfig } from './ipvs/service.ts';
import type { Ruleset } from './netfilter/iptables/rule.ts';
import type { NftRuleset } from './netfilter/nftables/ruleset.ts';

/**
 * A network namespace as plain data: what `ip link`, `ip addr`, `ip route`, `ip rule`, `ip neigh`, `bridge fdb` and `sysctl`
 * would be told. CNI plugins produce it, the kernel loads it, the lab applies the same to real namespaces.
 */
export interface NetnsConfig {
  /** Unique in its world: `w1-k8s` for a node, `w1-k8s/default/pod-a` for a pod. */
  readonly name: string;
  /** Name of the machine it lives on (a node or an outside host), as a trace shows it. */
  readonly machine: string;
  /** As a trace shows it: `host` for the machine's own, `default/pod-a` for a pod. */
  readonly label: string;
  /** Only what differs from the Linux defaults of a fresh netns: `net.ipv4.ip_forward: 1`, ... */
  readonly sysctls?: Readonly<Record<string, number>>;
  readonly links: readonly LinkConfig[];
  readonly addresses: readonly AddressConfig[];
  readonly routes: readonly RouteConfig[];
  readonly rules?: readonly FibRuleConfig[];
  readonly neighbours?: readonly NeighbourConfig[];
  readonly fdb?: readonly FdbConfig[];
}

interface LinkBase {
  readonly name: string;
  readonly mac?: Mac;
  /** Default 1500; 65536 for lo. */
  readonly mtu?: number;
  /** Bridge that this device is a port of. */
  readonly master?: string;
  /** Bridge port flag: may send a frame back out of the port it came in by. */
  readonly hairpin?: boolean;
  /** Default true. */
  readonly up?: boolean;
}
export type LinkConfig =
  | (LinkBase & {
      readonly kind: 'veth' /** The other end; it lives in netns `peer.netns`. Given at one end only. */;
      readonly peer: { readonly netns: string; readonly name: string; readonly mac?: Mac; readonly mtu?: number };
    })
  | (LinkBase & { readonly kind: 'bridge' })
  | (LinkBase & {
      readonly kind: 'vxlan';
      readonly vni: number;
      readonly local?: Ip;
      readonly dev?: string /** UDP port, Linux default 8472. */;
      readonly port?: number /** Learn remote addresses from received frames; flannel says nolearning. */;
      readonly learning: boolean;
      readonly remote?: Ip;
    })
  | (LinkBase & { readonly kind: 'dummy' })
  | (LinkBase & {
      readonly kind: 'physical' /** Name of the shared Ethernet segment it is plugged into. */;
      readonly segment: string;
    });

export interface AddressConfig {
  readonly dev: string;
  readonly address: Ip;
  readonly prefixLength: number;
  /** Default `global` (`host` on lo, `link` for fe80::/10). */
  readonly scope?: 'global' | 'link' | 'host';
}

export interface RouteConfig {
  /** Absent means the default route. */
  readonly destination?: Prefix;
  /** Family of a default route without `via`. */
  readonly family?: 4 | 6;
  readonly type?: 'unicast' | 'blackhole' | 'unreachable' | 'prohibit' | 'throw';
  readonly via?: Ip;
  readonly dev?: string;
  /** Preferred source address. */
  readonly src?: Ip;
  readonly metric?: number;
  /** Default: table main (254). */
  readonly table?: number;
  /** The gateway is on the link, whatever the addresses say. */
  readonly onlink?: boolean;
  readonly scope?: 'global' | 'link' | 'host';
}

export interface FibRuleConfig {
  readonly priority: number;
  readonly family?: 4 | 6;
  readonly from?: Prefix;
  readonly to?: Prefix;
  readonly fwmark?: { readonly value: number; readonly mask: number };
  readonly iif?: string;
  readonly table: number;
}

export interface NeighbourConfig {
  readonly dev: string;
  readonly ip: Ip;
  readonly mac: Mac;
  readonly state?: 'permanent' | 'reachable' | 'noarp';
}

/** `bridge fdb append MAC dev DEV [dst IP]`: for a vxlan device the VTEP behind a MAC, for a bridge port a static entry. */
export interface FdbConfig {
  readonly dev: string;
  readonly mac: Mac;
  readonly dst?: Ip;
}

/** A program that listens in a netns. */
export interface ListenerConfig {
  readonly netns: string;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  /** Absent: every address of the netns. */
  readonly address?: Ip;
  readonly port: number;
  /** Name shown by `ss -tlnp` and in a trace. */
  readonly program: string;
}

/**
 * Everything that a world is made of. `ipsets` and `virtualServices` are made first, then `rulesets` are loaded as
 * `iptables-restore` would, then `nftRulesets` as `nft -f`.
 */
export interface WorldPlan {
  readonly netns: readonly NetnsConfig[];
  readonly rulesets: readonly { readonly netns: string; readonly ruleset: Ruleset }[];
  readonly nftRulesets?: readonly { readonly netns: string; readonly ruleset: NftRuleset }[];
  /** Sets as `ipset restore` reads them; made before the rules that name them. */
  readonly ipsets?: readonly { readonly netns: string; readonly text: string }[];
  /** Virtual services as `ipvsadm -R` makes them. */
  readonly virtualServices?: readonly { readonly netns: string; readonly services: readonly VirtualServiceConfig[] }[];
  readonly listeners: readonly ListenerConfig[];
}

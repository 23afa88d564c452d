import type { Step } from '@netsim/trace';
import type { Ip } from '@netsim/wire';
import type { Hook } from '../hook.ts';
import type { Device } from '../net/device.ts';
import type { RandomSource } from '../random.ts';
import type { Skb } from '../skb.ts';
import type { AddressType, RejectWith } from './iptables/rule.ts';

/** What netfilter asks of the network namespace it belongs to. Implemented by Netns. */
export interface NetfilterHost {
  readonly name: string;
  readonly machine: string;
  readonly label: string;
  /** Virtual time in milliseconds. */
  now(): number;
  readonly random: RandomSource;
  /** Value of a sysctl in this netns (`net.netfilter.nf_conntrack_max`, ...), or its Linux default. */
  sysctl(name: string): number;
  /** Moves on whenever a sysctl is set. */
  readonly sysctlGeneration: number;
  /** Moves on whenever an address or a route comes or goes. */
  readonly fibGeneration: number;
  /** Moves on whenever no packet is under way any more, but for those that wait for a neighbour. */
  readonly rests: number;
  /** Type of an address by the FIB (Linux: inet_addr_type, inet_dev_addr_type). */
  addressType(ip: Ip, dev?: Device | null): AddressType;
  /** Source address that MASQUERADE uses on a device towards a destination (Linux: inet_select_addr). */
  masqueradeAddress(out: Device, destination: Ip): Ip | undefined;
  /** First address of a device, for REDIRECT on PREROUTING (127.0.0.1 / ::1 on OUTPUT). */
  deviceAddress(dev: Device, family: 4 | 6): Ip | undefined;
  /** Would a packet back to `skb.src` leave by `skb.dev`? For `-m rpfilter`. */
  reversePathOk(skb: Skb, options: { loose: boolean; validmark: boolean; acceptLocal: boolean }): boolean;
  /** The virtual service that IPVS has sent a request for to its server; null for other packets. For `-m ipvs`. */
  virtualServiceOf(skb: Skb): { readonly protocol: number; readonly address: Ip; readonly port: number } | null;
  /** Answers a packet for the REJECT target. The packet itself is then dropped by netfilter. */
  reject(skb: Skb, how: RejectWith, hook: Hook): void;
  /** Line for the kernel log (LOG target). */
  log(line: string): void;
  /** Null when nobody listens: then no step object is ever made. */
  readonly tracer: Tracer | null;
}

/** Who listens to what happens in a world. */
export interface Tracer {
  /** `where` is the netns (its `machine` and `label` name the hop). The packet must not be kept: it is changed later. */
  step(where: { readonly name: string; readonly machine: string; readonly label: string }, skb: Skb, step: Step): void;
}

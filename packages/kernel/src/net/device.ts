import type { Ip, Mac } from '@netsim/wire';
import type { Skb } from '../skb.ts';
import type { BridgePort } from './bridge.ts';
import type { Dst } from './dst.ts';
import type { Neighbour } from './neighbour.ts';
import type { Netns } from './netns.ts';

export type DeviceKind = 'loopback' | 'veth' | 'bridge' | 'vxlan' | 'dummy' | 'physical';

/** An address of a device (Linux: in_ifaddr, inet6_ifaddr). */
export interface InterfaceAddress {
  readonly address: Ip;
  readonly prefixLength: number;
  readonly scope: 'global' | 'link' | 'host';
  /** IPv4: in the same subnet as an earlier address of the device, so that it is not chosen as a source. */
  secondary: boolean;
}

/** A network device of a netns (Linux: struct net_device). */
export abstract class Device {
  abstract readonly kind: DeviceKind;
  readonly name: string;
  readonly ifindex: number;
  readonly netns: Netns;
  mac: Mac;
  mtu: number;
  up = false;
  /** Port of a bridge that it is enslaved to. */
  port: BridgePort | null = null;
  /** IPv4 addresses, then IPv6 ones, each in the order they were added. */
  readonly addresses: InterfaceAddress[] = [];
  readonly neighbours = new Map<Ip, Neighbour>();
  /** Addresses that a program answers ARP and neighbour solicitations for on this device, though nobody here has them (MetalLB's speaker). */
  readonly announced = new Set<Ip>();
  /** No link-layer addresses to resolve (Linux: IFF_NOARP). */
  readonly noArp: boolean = false;
  /** Input routes already decided, by destination; each entry also holds for one source (Linux: the route caches). */
  readonly inputRoutes = new Map<Ip, Dst>();
  /** Sources that passed fib_validate_source on this device. */
  readonly validSources = new Set<Ip>();
  /** FIB generation that both caches belong to. */
  inputGeneration = -1;

  constructor(netns: Netns, name: string, mac: Mac, mtu: number) {
    this.netns = netns;
    this.name = name;
    this.ifindex = netns.nextIfindex();
    this.mac = mac;
    this.mtu = mtu;
  }

  /** Puts a frame on the wire (Linux: ndo_start_xmit). */
  abstract xmit(skb: Skb): void;

  /** A carrier at the other end? */
  get carrier(): boolean {
    return this.up;
  }
}

/** Sends a frame out of a device: link state, length and taps are looked at here (Linux: dev_queue_xmit). */
export function devQueueXmit(dev: Device, skb: Skb): void {
  skb.dev = dev;
  if (!dev.up) {
    dev.netns.drop(skb, 'DEV_READY', `${dev.name} is down`);
    return;
  }
  const world = dev.netns.world;
  if (world.frameListener !== null) world.frameListener(dev.netns, dev, 'out', skb);
  dev.xmit(skb);
}

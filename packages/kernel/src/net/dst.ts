import type { Ip } from '@netsim/wire';
import type { Errno } from '../socket/errno.ts';
import type { Device } from './device.ts';
import type { Route } from './fib.ts';
import type { Neighbour } from './neighbour.ts';

export const DstKind = { UNICAST: 0, LOCAL: 1, BROADCAST: 2, MULTICAST: 3, ERROR: 4 } as const;
export type DstKind = (typeof DstKind)[keyof typeof DstKind];

/**
 * The decision for one destination, kept by whoever asked for it (a socket, a device's input cache) until the FIB's
 * generation moves on (Linux: struct dst_entry, rtable).
 */
export class Dst {
  readonly kind: DstKind;
  /** Device to leave by; the loopback device for a local destination of a local sender. */
  readonly dev: Device;
  /** Gateway, or undefined where the destination itself is on the link. */
  readonly gateway: Ip | undefined;
  /** Source address to use for a packet that has none. */
  readonly src: Ip | undefined;
  /** For kind ERROR. */
  readonly error: Errno | '';
  /** Largest packet; lowered by a path MTU that was learned. */
  readonly mtu: number;
  readonly route: Route | null;
  /** Generation of the FIB that it belongs to. */
  readonly generation: number;
  /** Neighbour of the gateway, or of the destination that this entry is for. */
  neigh: Neighbour | null = null;

  constructor(
    kind: DstKind,
    dev: Device,
    gateway: Ip | undefined,
    src: Ip | undefined,
    error: Errno | '',
    mtu: number,
    route: Route | null,
    generation: number,
  ) {
    this.kind = kind;
    this.dev = dev;
    this.gateway = gateway;
    this.src = src;
    this.error = error;
    this.mtu = mtu;
    this.route = route;
    this.generation = generation;
  }
}

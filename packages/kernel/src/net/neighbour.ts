import { BROADCAST_MAC, formatIp, type Ip, type Mac } from '@netsim/wire';
import type { Timer } from '../clock.ts';
import type { Skb } from '../skb.ts';
import { arpSolicit } from './arp.ts';
import { type Device, devQueueXmit } from './device.ts';
import type { Dst } from './dst.ts';
import { neighbourFailed } from './icmp.ts';
import { ndSolicit } from './ndisc.ts';

/** States of a neighbour entry, in Linux's numbering (include/uapi/linux/neighbour.h). */
export const Nud = {
  NONE: 0,
  INCOMPLETE: 0x01,
  REACHABLE: 0x02,
  STALE: 0x04,
  DELAY: 0x08,
  PROBE: 0x10,
  FAILED: 0x20,
  NOARP: 0x40,
  PERMANENT: 0x80,
} as const;
const names: Record<number, string> = {
  0: 'NONE',
  1: 'INCOMPLETE',
  2: 'REACHABLE',
  4: 'STALE',
  8: 'DELAY',
  16: 'PROBE',
  32: 'FAILED',
  64: 'NOARP',
  128: 'PERMANENT',
};
export function nudName(state: number): string {
  return names[state] ?? String(state);
}

/** Milliseconds; Linux's defaults (Linux draws reachable_time at random between half and one and a half of its base). */
const REACHABLE_TIME = 30_000;
const DELAY_PROBE_TIME = 5_000;
const RETRANS_TIME = 1_000;
const PROBES = 3;
/** Packets kept while an address is looked up (Linux keeps by bytes, unres_qlen_bytes; a hundred full packets). */
const QUEUE_LENGTH = 101;

const LASTING = Nud.PERMANENT | Nud.NOARP;

/** What a device knows of an address on its link (Linux: struct neighbour). */
export class Neighbour {
  readonly dev: Device;
  readonly ip: Ip;
  mac: Mac = '';
  state: number = Nud.NONE;
  /** Removed from the table: whoever still holds it must look again. */
  dead = false;
  confirmed = 0;
  probes = 0;
  queue: Skb[] | null = null;
  timer: Timer | null = null;

  constructor(dev: Device, ip: Ip) {
    this.dev = dev;
    this.ip = ip;
  }

  /** State as it would be shown now: REACHABLE grows STALE with time. */
  currentState(): number {
    if (this.state === Nud.REACHABLE && this.dev.netns.world.clock.now - this.confirmed > REACHABLE_TIME)
      this.state = Nud.STALE;
    return this.state;
  }

  /** The address was told (by an ARP reply, an advertisement, or a user). */
  update(mac: Mac, state: number): void {
    this.mac = mac;
    this.state = state;
    this.confirmed = this.dev.netns.world.clock.now;
    this.probes = 0;
    this.timer?.cancel();
    this.timer = null;
    const queue = this.queue;
    if (queue === null) return;
    this.queue = null;
    for (const skb of queue) {
      skb.dstMac = mac;
      skb.srcMac = this.dev.mac;
      devQueueXmit(this.dev, skb);
    }
  }

  /** Takes it out of use; what waits for it is dropped. */
  destroy(): void {
    this.dead = true;
    this.timer?.cancel();
    this.timer = null;
    const queue = this.queue;
    this.queue = null;
    if (queue !== null) for (const skb of queue) this.dev.netns.drop(skb, 'NEIGH_FAILED', 'neighbour entry removed');
  }

  /** Starts or goes on asking for the address; called where it is not usable as it is. */
  resolve(skb: Skb): void {
    const { dev } = this;
    const { world } = dev.netns;
    const state = this.currentState();
    if (state === Nud.STALE || state === Nud.DELAY || state === Nud.PROBE) {
      if (state === Nud.STALE) {
        this.state = Nud.DELAY;
        this.timer = world.clock.schedule(world.clock.now + DELAY_PROBE_TIME, () => this.#probe());
      }
      skb.dstMac = this.mac;
      skb.srcMac = dev.mac;
      devQueueXmit(dev, skb);
      return;
    }
    if (this.queue === null) this.queue = [];
    if (this.queue.length >= QUEUE_LENGTH) dev.netns.drop(this.queue.shift()!, 'NEIGH_QUEUEFULL');
    if (skb.ct !== null) skb.ct.kept = true;
    this.queue.push(skb);
    if (world.tracer !== null && skb.trackId !== 0) {
      dev.netns.step(skb, { kind: 'neighbor', action: 'solicited', device: dev.name, ip: formatIp(this.ip) });
    }
    if (state === Nud.INCOMPLETE) return;
    this.state = Nud.INCOMPLETE;
    this.probes = 0;
    this.#solicit();
  }

  #solicit(): void {
    this.probes++;
    const { clock } = this.dev.netns.world;
    this.timer = clock.schedule(clock.now + RETRANS_TIME, () => this.#unanswered());
    const unicast = this.state === Nud.PROBE ? this.mac : BROADCAST_MAC;
    const waiting = this.queue !== null && this.queue.length > 0 ? this.queue[0]! : null;
    if (typeof this.ip === 'number') arpSolicit(this.dev, this.ip, unicast, waiting);
    else ndSolicit(this.dev, this.ip, this.state === Nud.PROBE ? this.mac : '', waiting);
  }

  #unanswered(): void {
    this.timer = null;
    if (this.probes < PROBES) {
      this.#solicit();
      return;
    }
    this.state = Nud.FAILED;
    const queue = this.queue;
    this.queue = null;
    if (queue !== null) for (const skb of queue) neighbourFailed(this, skb);
  }

  #probe(): void {
    this.timer = null;
    this.state = Nud.PROBE;
    this.probes = 0;
    this.#solicit();
  }
}

/** The entry for an address, made where there is none. */
export function neighbourOf(dev: Device, ip: Ip): Neighbour {
  let neigh = dev.neighbours.get(ip);
  if (neigh === undefined) {
    neigh = new Neighbour(dev, ip);
    if (dev.noArp) neigh.update(dev.mac, Nud.NOARP);
    dev.neighbours.set(ip, neigh);
  }
  return neigh;
}

/** Hands a routed packet to its neighbour (Linux: neigh_output). */
export function neighOutput(dst: Dst, skb: Skb): void {
  let neigh = dst.neigh;
  if (neigh === null || neigh.dead) {
    neigh = neighbourOf(dst.dev, dst.gateway ?? skb.dst);
    dst.neigh = neigh;
  }
  const { dev } = neigh;
  const usable =
    (neigh.state & LASTING) !== 0 ||
    (neigh.state === Nud.REACHABLE && dev.netns.world.clock.now - neigh.confirmed <= REACHABLE_TIME);
  if (!usable) {
    neigh.resolve(skb);
    return;
  }
  skb.dstMac = neigh.mac;
  skb.srcMac = dev.mac;
  if (dev.netns.world.tracer !== null && skb.trackId !== 0 && !dev.noArp) {
    dev.netns.step(skb, {
      kind: 'neighbor',
      action: 'resolved',
      device: dev.name,
      ip: formatIp(neigh.ip),
      mac: neigh.mac,
    });
  }
  devQueueXmit(dev, skb);
}

import { EtherType, type Ip, IpProto, type Mac } from '@netsim/wire';
import { cloneSkb, type Skb, scrubSkb } from '../skb.ts';
import type { World } from '../world.ts';
import { isGroupMac, packetTypeFor } from './ethernet.ts';
import type { Physical } from './physical.ts';

/** The network card of a machine that does not exist yet. */
export interface LazyPort {
  readonly segment: string;
  readonly mac: Mac;
  readonly addresses: readonly Ip[];
}

/** A shared Ethernet: a switch that learns, with the network cards plugged into it. */
export class Segment {
  readonly name: string;
  readonly #world: World;
  readonly ports: Physical[] = [];
  readonly #learned = new Map<Mac, Physical>();
  /** Machines not built yet, by MAC and by address; calling one builds it. */
  readonly #lazyMacs = new Map<Mac, () => void>();
  readonly #lazyAddresses = new Map<Ip, () => void>();

  constructor(world: World, name: string) {
    this.#world = world;
    this.name = name;
  }

  plug(port: Physical): void {
    this.ports.push(port);
  }

  unplug(port: Physical): void {
    const at = this.ports.indexOf(port);
    if (at >= 0) this.ports.splice(at, 1);
    for (const [mac, learned] of this.#learned) if (learned === port) this.#learned.delete(mac);
  }

  addLazy(port: LazyPort, materialize: () => void): void {
    this.#lazyMacs.set(port.mac, materialize);
    for (const address of port.addresses) this.#lazyAddresses.set(address, materialize);
  }

  removeLazy(port: LazyPort): void {
    this.#lazyMacs.delete(port.mac);
    for (const address of port.addresses) this.#lazyAddresses.delete(address);
  }

  transmit(from: Physical, skb: Skb): void {
    scrubSkb(skb, true);
    if (this.#learned.get(skb.srcMac) !== from) this.#learned.set(skb.srcMac, from);
    let to = this.#learned.get(skb.dstMac);
    if (to !== undefined) {
      if (to === from) from.netns.drop(skb, 'NOT_SPECIFIED', 'the switch knows this address on the same port');
      else this.#arrive(to, skb);
      return;
    }
    if (this.#lazyMacs.size > 0) {
      this.#lazyMacs.get(skb.dstMac)?.();
      const target = askedFor(skb);
      if (target !== undefined) this.#lazyAddresses.get(target)?.();
    }
    if (!isGroupMac(skb.dstMac)) {
      to = this.ports.find((port) => port.mac === skb.dstMac);
      if (to !== undefined && to !== from) {
        this.#arrive(to, skb);
        return;
      }
    }
    this.#flood(from, skb);
  }

  #flood(from: Physical, skb: Skb): void {
    skb.flooded = true;
    let last: Physical | null = null;
    for (const port of this.ports) {
      if (port === from || !port.up) continue;
      if (last !== null) this.#arrive(last, cloneSkb(skb));
      last = port;
    }
    if (last !== null) this.#arrive(last, skb);
    else if (skb.trackId !== 0) from.netns.drop(skb, 'OTHERHOST', `nobody else on segment ${this.name}`);
  }

  #arrive(port: Physical, skb: Skb): void {
    if (!port.up) {
      port.netns.drop(skb, 'DEV_READY', `${port.name} is down`);
      return;
    }
    skb.pktType = packetTypeFor(port, skb);
    this.#world.enqueue(port, skb);
  }
}

/** The address that an ARP request or a neighbour solicitation asks for. */
function askedFor(skb: Skb): Ip | undefined {
  if (skb.etherType === EtherType.ARP) return skb.arpOp === 1 ? skb.dst : undefined;
  return skb.protocol === IpProto.ICMPV6 && skb.icmpType === 135 ? skb.ndTarget : undefined;
}

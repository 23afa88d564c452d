import type { Mac } from '@netsim/wire';
import { type Skb, scrubSkb } from '../skb.ts';
import { Device } from './device.ts';
import { packetTypeFor } from './ethernet.ts';
import { packetLength } from './length.ts';
import type { Netns } from './netns.ts';

/** Bytes over the MTU that a frame may have for its headers (Linux: hard_header_len + VLAN_HLEN in is_skb_forwardable). */
export const FRAME_SLACK = 4;

/** One end of a pair: what is sent here arrives at the other end (Linux: drivers/net/veth.c). */
export class Veth extends Device {
  readonly kind = 'veth';
  peer: Veth | null = null;

  constructor(netns: Netns, name: string, mac: Mac, mtu: number) {
    super(netns, name, mac, mtu);
  }

  override get carrier(): boolean {
    return this.up && this.peer?.up === true;
  }

  xmit(skb: Skb): void {
    const { peer } = this;
    if (peer === null || !peer.up) {
      this.netns.drop(skb, 'DEV_READY', `the other end of ${this.name} is down`);
      return;
    }
    if (packetLength(skb) > peer.mtu + FRAME_SLACK) {
      this.netns.drop(
        skb,
        'PKT_TOO_BIG',
        `${packetLength(skb)} bytes, mtu ${peer.mtu} at the other end of ${this.name}`,
      );
      return;
    }
    scrubSkb(skb, peer.netns !== this.netns);
    skb.pktType = packetTypeFor(peer, skb);
    this.netns.world.enqueue(peer, skb);
  }
}

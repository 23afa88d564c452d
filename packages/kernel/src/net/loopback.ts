import type { Skb } from '../skb.ts';
import { Device } from './device.ts';
import type { Netns } from './netns.ts';

/** `lo`: what is sent comes in again, with its conntrack entry and route (Linux: drivers/net/loopback.c). */
export class Loopback extends Device {
  readonly kind = 'loopback';
  override readonly noArp = true;

  constructor(netns: Netns) {
    super(netns, 'lo', '00:00:00:00:00:00', 65536);
  }

  xmit(skb: Skb): void {
    skb.pktType = 0;
    this.netns.world.enqueue(this, skb);
  }
}

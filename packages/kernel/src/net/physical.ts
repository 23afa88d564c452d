import type { Mac } from '@netsim/wire';
import type { Skb } from '../skb.ts';
import { Device } from './device.ts';
import type { Netns } from './netns.ts';
import type { Segment } from './segment.ts';

/** A network card, plugged into a segment. */
export class Physical extends Device {
  readonly kind = 'physical';
  readonly segment: Segment;

  constructor(netns: Netns, name: string, mac: Mac, mtu: number, segment: Segment) {
    super(netns, name, mac, mtu);
    this.segment = segment;
  }

  xmit(skb: Skb): void {
    this.segment.transmit(this, skb);
  }
}

import type { Skb } from '../skb.ts';
import { Device } from './device.ts';

/** A device that swallows what it is given (Linux: drivers/net/dummy.c). */
export class Dummy extends Device {
  readonly kind = 'dummy';
  override readonly noArp = true;

  xmit(skb: Skb): void {
    this.netns.drop(skb, 'NOT_SPECIFIED', `${this.name} is a dummy device`);
  }
}

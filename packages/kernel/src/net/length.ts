import { l3Length } from '../frame.ts';
import type { Skb } from '../skb.ts';

/** Length of a packet from its IP header on, in bytes; reckoned once and kept in `skb.length`. */
export function packetLength(skb: Skb): number {
  if (skb.length === 0) skb.length = l3Length(skb);
  return skb.length;
}

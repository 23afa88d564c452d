import { BROADCAST_MAC, type Mac } from '@netsim/wire';
import { PacketType, type Skb } from '../skb.ts';
import type { Device } from './device.ts';

/** The group bit of a MAC address: multicast or broadcast. */
export function isGroupMac(mac: Mac): boolean {
  const digit = mac.charCodeAt(1);
  // Odd second hex digit: 1 3 5 7 9 b d f.
  return digit < 58 ? (digit & 1) === 1 : (digit & 1) === 0;
}

/** Linux: eth_type_trans. */
export function packetTypeFor(dev: Device, skb: Skb): PacketType {
  const { dstMac } = skb;
  if (dstMac === dev.mac) return PacketType.HOST;
  if (dstMac === BROADCAST_MAC) return PacketType.BROADCAST;
  return isGroupMac(dstMac) ? PacketType.MULTICAST : PacketType.OTHERHOST;
}

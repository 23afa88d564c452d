import type { Skb } from '../skb.ts';

/**
 * The part of a packet that tells its connection from others between the same addresses: source and destination port, or for
 * ICMP the identifier and type * 256 + code (Linux: nf_ct_get_tuple).
 */
export function tupleSport(skb: Skb): number {
  switch (skb.protocol) {
    case 6:
    case 17:
    case 33:
    case 132:
    case 136:
    case 1:
    case 58:
      return skb.sport;
    default:
      return 0;
  }
}

export function tupleDport(skb: Skb): number {
  switch (skb.protocol) {
    case 6:
    case 17:
    case 33:
    case 132:
    case 136:
      return skb.dport;
    case 1:
    case 58:
      return (skb.icmpType << 8) | skb.icmpCode;
    default:
      return 0;
  }
}

/** The ICMP type that answers a type, or -1 for one that has no answer. */
export function invertIcmpType(protocol: number, type: number): number {
  if (protocol === 1) {
    switch (type) {
      case 8:
        return 0;
      case 0:
        return 8;
      case 13:
        return 14;
      case 14:
        return 13;
      case 15:
        return 16;
      case 16:
        return 15;
      case 17:
        return 18;
      case 18:
        return 17;
      default:
        return -1;
    }
  }
  switch (type) {
    case 128:
      return 129;
    case 129:
      return 128;
    case 139:
      return 140;
    case 140:
      return 139;
    default:
      return -1;
  }
}

/** Types that may begin an exchange. */
export function icmpMayStart(protocol: number, type: number): boolean {
  return protocol === 1 ? type === 8 || type === 13 || type === 15 || type === 17 : type === 128 || type === 139;
}

/** An error that quotes a packet (Linux: icmp_is_err, icmpv6's types below 128). */
export function isIcmpErrorType(protocol: number, type: number): boolean {
  return protocol === 1 ? type === 3 || type === 4 || type === 5 || type === 11 || type === 12 : type < 128;
}

/** ICMPv6 messages of the link itself, which are never tracked: neighbour discovery and multicast listeners. */
export function isUntrackedIcmp6(type: number): boolean {
  return (type >= 130 && type <= 137) || type === 143;
}

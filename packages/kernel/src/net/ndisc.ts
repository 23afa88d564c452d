import { EtherType, type Ip, IpProto, type Ipv6, type Mac, prefixOf } from '@netsim/wire';
import { Skb } from '../skb.ts';
import { type Device, devQueueXmit, type InterfaceAddress } from './device.ts';
import { ipLocalOutTo } from './ip-output.ts';
import { Nud, neighbourOf } from './neighbour.ts';

const NdType = { SOLICITATION: 135, ADVERTISEMENT: 136 } as const;
const SOLICITED_NODE = 0xff02_0000_0000_0000_0000_0001_ff00_0000n;

export function isMulticast6(ip: Ip): boolean {
  return typeof ip === 'bigint' && ip >> 120n === 0xffn;
}
export function isLinkLocal6(ip: Ip): boolean {
  return typeof ip === 'bigint' && ip >> 118n === 0x3fan;
}

/** Solicited-node multicast address of an address (RFC 4291, 2.7.1). */
function solicitedNode(ip: Ipv6): Ipv6 {
  return SOLICITED_NODE | (ip & 0xff_ffffn);
}

/** The MAC of an IPv6 multicast address (RFC 2464, 7). */
function multicastMac6(ip: Ipv6): Mac {
  const low = (ip & 0xffff_ffffn).toString(16).padStart(8, '0');
  return `33:33:${low.slice(0, 2)}:${low.slice(2, 4)}:${low.slice(4, 6)}:${low.slice(6, 8)}`;
}

function ndPacket(type: number, target: Ip, src: Ip, dst: Ip, mac: Mac): Skb {
  const skb = new Skb();
  skb.etherType = EtherType.IPV6;
  skb.protocol = IpProto.ICMPV6;
  skb.ttl = 255;
  skb.src = src;
  skb.dst = dst;
  skb.icmpType = type;
  skb.ndTarget = target;
  skb.arpSenderMac = mac;
  return skb;
}

/** Asks who has an address; by unicast where `to` is a MAC (Linux: ndisc_solicit). */
export function ndSolicit(dev: Device, target: Ipv6, to: Mac, waiting: Skb | null): void {
  const { netns } = dev;
  let src: Ip | undefined;
  if (waiting !== null && typeof waiting.src === 'bigint' && dev.addresses.some((a) => a.address === waiting.src))
    src = waiting.src;
  src ??= netns.selectAddress(dev, target, 'link') ?? 0n;
  const unicast = to !== '';
  const dst = unicast ? target : solicitedNode(target);
  const skb = ndPacket(NdType.SOLICITATION, target, src, dst, src === 0n ? '' : dev.mac);
  ipLocalOutTo(netns, dev, skb, unicast ? to : multicastMac6(dst));
}

/** The address itself, or on a router the subnet's anycast address (Linux: ipv6_chk_acast_addr). */
function isMine(dev: Device, { address, prefixLength }: InterfaceAddress, target: Ipv6): boolean {
  if (address === target) return true;
  if (typeof address !== 'bigint' || prefixLength >= 127 || !dev.netns.forwarding6(dev)) return false;
  return prefixOf(address, prefixLength).address === target;
}

/** Handles a solicitation or advertisement that the IP layer delivered (Linux: ndisc_recv_ns, ndisc_recv_na). */
export function ndReceive(dev: Device, skb: Skb): void {
  const { netns } = dev;
  const target = skb.ndTarget;
  if (typeof target !== 'bigint' || skb.ttl !== 255) return;
  if (skb.icmpType === NdType.SOLICITATION) {
    if (!dev.announced.has(target) && !dev.addresses.some((entry) => isMine(dev, entry, target))) return;
    let mac = skb.srcMac;
    if (skb.src !== 0n && skb.arpSenderMac !== '') {
      mac = skb.arpSenderMac;
      const neigh = neighbourOf(dev, skb.src);
      if (
        (neigh.state & (Nud.PERMANENT | Nud.NOARP)) === 0 &&
        (neigh.mac !== mac || (neigh.currentState() & (Nud.REACHABLE | Nud.DELAY | Nud.PROBE)) === 0)
      ) {
        neigh.update(mac, Nud.STALE);
      }
    }
    ipLocalOutTo(netns, dev, ndPacket(NdType.ADVERTISEMENT, target, target, skb.src, dev.mac), mac);
    return;
  }
  const neigh = dev.neighbours.get(target);
  if (neigh === undefined || (neigh.state & (Nud.PERMANENT | Nud.NOARP)) !== 0) return;
  neigh.update(skb.arpSenderMac === '' ? skb.srcMac : skb.arpSenderMac, Nud.REACHABLE);
}

/** Sends a multicast IPv6 packet that needs no look-up. */
export function xmitMulticast6(dev: Device, skb: Skb): void {
  skb.srcMac = dev.mac;
  skb.dstMac = multicastMac6(skb.dst as bigint);
  devQueueXmit(dev, skb);
}

/** Tells everybody on the link that an address is behind this device (unsolicited advertisement, RFC 4861, 7.2.6). */
export function ndAnnounce(dev: Device, ip: Ipv6): void {
  const all = 0xff02_0000_0000_0000_0000_0000_0000_0001n;
  ipLocalOutTo(dev.netns, dev, ndPacket(NdType.ADVERTISEMENT, ip, ip, all, dev.mac), multicastMac6(all));
}

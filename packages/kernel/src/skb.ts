import type { Ip, Mac } from '@netsim/wire';
import type { Device } from './net/device.ts';
import type { Dst } from './net/dst.ts';
import type { Conn } from './netfilter/conntrack.ts';
import type { Socket } from './socket/socket.ts';

/** To whom a frame is addressed, seen from the device that received it (Linux: skb->pkt_type). */
export const PacketType = { HOST: 0, BROADCAST: 1, MULTICAST: 2, OTHERHOST: 3 } as const;
export type PacketType = (typeof PacketType)[keyof typeof PacketType];

/**
 * A packet on its way through the kernel (Linux: struct sk_buff): header fields as values, changed in place.
 * Bytes are made of it only where somebody looks at bytes (pcap, a checksum test).
 *
 * One shape for every protocol, so that the data path stays monomorphic. A field outside its protocol is zero.
 */
export class Skb {
  // Ethernet
  srcMac: Mac = '';
  dstMac: Mac = '';
  /** EtherType: 0x0800 IPv4, 0x86dd IPv6, 0x0806 ARP. */
  etherType = 0;
  // IPv4 and IPv6
  src: Ip = 0;
  dst: Ip = 0;
  /** IPv4 protocol or IPv6 next header. */
  protocol = 0;
  /** TTL or hop limit. */
  ttl = 64;
  tos = 0;
  /** IPv4 identification. */
  id = 0;
  /** IPv4 don't-fragment bit. */
  df = true;
  // TCP, UDP, SCTP ports. ICMP echo: the identifier stands in `sport`, 0 in `dport`.
  sport = 0;
  dport = 0;
  /** TCP: TcpFlag bits. */
  flags = 0;
  seq = 0;
  ack = 0;
  window = 65535;
  /** TCP SYN: the maximum segment size announced; 0 for no option. */
  mss = 0;
  /** ICMP and ICMPv6. `icmpData` is the echo sequence, or the MTU of a too-big message. */
  icmpType = 0;
  icmpCode = 0;
  icmpData = 0;
  /** Bytes of transport payload. Only the length may be known: then `payload` is null. */
  payload: Uint8Array | null = null;
  payloadLength = 0;
  /** VXLAN: the frame inside. ICMP error: the packet quoted. */
  inner: Skb | null = null;
  /** VXLAN network identifier, where `inner` is an encapsulated frame. */
  vni = -1;
  /** ARP (etherType ARP): operation, and target address in `dst`, sender in `src`. */
  arpOp = 0;
  /** ARP: hardware addresses carried. Neighbour discovery: `arpSenderMac` is the link-layer address option. */
  arpSenderMac: Mac = '';
  arpTargetMac: Mac = '';
  /** Neighbour discovery (ICMPv6 types 135 and 136): the target address field. */
  ndTarget: Ip = 0;

  // Metadata that never goes on the wire
  /** Length from the IP header on, where it was already reckoned; 0: not yet. */
  length = 0;
  /** Device it arrived on or leaves by. */
  dev: Device | null = null;
  /** Device it came in by; null for a packet of this machine (Linux: IP6CB(skb)->iif, so as one that br_netfilter routed has it: the way out). */
  iif: Device | null = null;
  pktType: PacketType = 0;
  /** Route decided for it (Linux: skb_dst). */
  route: Dst | null = null;
  mark = 0;
  /** Conntrack entry (null: untracked or not yet looked up) and packet's relation to it, see CtInfo. */
  ct: Conn | null = null;
  ctInfo = 0;
  /** Bridge ports seen by br_netfilter: physdev match. */
  physIn: Device | null = null;
  physOut: Device | null = null;
  /** br_netfilter already ran PREROUTING for it (Linux: ip_sabotage_in). */
  bridged = false;
  /** A bridged frame with a new destination that waits for its MAC: the source MAC to go on with (Linux: nf_bridge->neigh_header). */
  bridgedDnat: Mac = '';
  /** Source of the frame, kept while a bridged packet with a new destination waits for its neighbour (Linux: nf_bridge->neigh_header). */
  bridgedFrom: Mac = '';
  /** IPVS has dealt with it: it does not look again (Linux: skb->ipvs_property). */
  ipvs = false;
  /** TRACE target set (Linux: skb->nf_trace). */
  nfTrace = false;
  /** One of several copies of a flooded frame: that it finds nobody is no news. */
  flooded = false;
  /** Devices passed; bounded, so that no loop is endless. */
  hops = 0;
  /** For a drop: the reason. */
  dropReason = '';
  /** For a packet that arrived: the socket that took it. */
  socket: Socket | null = null;
  /** Identity that survives forwarding, NAT and encapsulation: ties the events of one packet together. 0: not followed. */
  trackId = 0;
}

/** A copy with its own header and metadata; payload bytes are shared (Linux: skb_clone with a private header). */
export function cloneSkb(skb: Skb): Skb {
  const copy = Object.assign(new Skb(), skb);
  if (skb.inner !== null) copy.inner = cloneSkb(skb.inner);
  return copy;
}

/**
 * Forgets what belongs to the netns that a packet leaves (Linux: skb_scrub_packet). The mark survives a tunnel
 * inside one netns and is lost between two.
 */
export function scrubSkb(skb: Skb, betweenNetns: boolean): void {
  skb.pktType = PacketType.HOST;
  skb.route = null;
  skb.ct = null;
  skb.ctInfo = 0;
  skb.physIn = null;
  skb.physOut = null;
  skb.bridged = false;
  skb.bridgedFrom = '';
  skb.bridgedDnat = '';
  skb.nfTrace = false;
  if (!betweenNetns) return;
  skb.ipvs = false;
  skb.mark = 0;
}

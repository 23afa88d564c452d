import type { Ip, Mac } from '@netsim/wire';
import type { Device } from './net/device.ts';
import type { Conn } from './netfilter/conntrack.ts';

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
  /** ARP (etherType ARP) or neighbour discovery: operation, and target address in `dst`, sender in `src`. */
  arpOp = 0;
  /** ARP / ND: link-layer address carried. */
  arpSenderMac: Mac = '';
  arpTargetMac: Mac = '';

  // Metadata that never goes on the wire
  /** Device it arrived on or leaves by. */
  dev: Device | null = null;
  mark = 0;
  /** Conntrack entry (null: untracked or not yet looked up) and packet's relation to it, see CtInfo. */
  ct: Conn | null = null;
  ctInfo = 0;
  /** Bridge ports seen by br_netfilter: physdev match. */
  physIn: Device | null = null;
  physOut: Device | null = null;
  /** br_netfilter already ran PREROUTING for it (Linux: ip_sabotage_in). */
  bridged = false;
  /** TRACE target set (Linux: skb->nf_trace). */
  nfTrace = false;
  /** Devices passed; bounded, so that no loop is endless. */
  hops = 0;
  /** For a drop: the reason. */
  dropReason = '';
  /** Identity that survives forwarding, NAT and encapsulation: ties the events of one packet together. */
  trackId = 0;
}

import {
  type Ends,
  ETHERNET_HEADER,
  EtherType,
  encodeArp,
  encodeEthernet,
  encodeIcmp,
  encodeIcmpv6,
  encodeIpv4,
  encodeIpv6,
  encodeSctp,
  encodeTcp,
  encodeUdp,
  encodeVxlan,
  ICMP_HEADER,
  IcmpType,
  Icmpv6Type,
  IPV4_HEADER,
  IPV6_HEADER,
  IpProto,
  SCTP_CHUNK_HEADER,
  SCTP_HEADER,
  SctpChunkType,
  TCP_HEADER,
  UDP_HEADER,
  VXLAN_HEADER,
} from '@netsim/wire';
import type { Skb } from './skb.ts';

/** Largest ICMP error that Linux sends, with its IPv4 header (net/ipv4/icmp.c: icmp_send). */
const ICMP_ERROR_MAX = 576;
/** Largest ICMPv6 error, with its IPv6 header: the minimum MTU (RFC 4443, 2.4 (c)). */
const ICMPV6_ERROR_MAX = 1280;
const ARP_BYTES = 28;
/** Neighbour discovery up to its options, and with one link-layer address option. */
const ND_BYTES = 24;
const ND_OPTION_BYTES = 8;
const MSS_OPTION = 2;
const MSS_OPTION_BYTES = 4;

/**
 * Length in bytes of the packet without its Ethernet header: what an MTU is compared with. No bytes are made.
 *
 * The only TCP option there is, is the maximum segment size of a SYN. SCTP is one chunk a packet.
 */
export function l3Length(skb: Skb): number {
  if (skb.etherType === EtherType.ARP) return ARP_BYTES;
  return (skb.etherType === EtherType.IPV6 ? IPV6_HEADER : IPV4_HEADER) + l4Length(skb);
}

function l4Length(skb: Skb): number {
  const data = skb.payload === null ? skb.payloadLength : skb.payload.length;
  switch (skb.protocol) {
    case IpProto.TCP:
      return TCP_HEADER + (skb.mss > 0 ? MSS_OPTION_BYTES : 0) + data;
    case IpProto.UDP:
      if (isVxlan(skb)) return UDP_HEADER + VXLAN_HEADER + ETHERNET_HEADER + l3Length(skb.inner!);
      return UDP_HEADER + data;
    case IpProto.ICMP:
      if (skb.inner !== null) return ICMP_HEADER + Math.min(l3Length(skb.inner), quoteRoom(skb));
      return ICMP_HEADER + data;
    case IpProto.ICMPV6:
      if (isNeighborDiscovery(skb)) return ND_BYTES + (skb.arpSenderMac === '' ? 0 : ND_OPTION_BYTES);
      if (skb.inner !== null) return ICMP_HEADER + Math.min(l3Length(skb.inner), quoteRoom(skb));
      return ICMP_HEADER + data;
    case IpProto.SCTP:
      return SCTP_HEADER + SCTP_CHUNK_HEADER + ((sctpChunkBytes(skb, data) + 3) & ~3);
    default:
      return data;
  }
}

/** Fixed parts of an INIT and of a DATA chunk, after the chunk header (RFC 9260, 3.3.1 and 3.3.2). */
const DATA_BYTES = 12;
const INIT_BYTES = 16;

function sctpChunkBytes(skb: Skb, data: number): number {
  if (data > 0) return DATA_BYTES + data;
  return skb.flags === 0 || skb.flags === SctpChunkType.INIT || skb.flags === SctpChunkType.INIT_ACK ? INIT_BYTES : 0;
}

function isVxlan(skb: Skb): boolean {
  return skb.vni >= 0 && skb.inner !== null;
}

function isNeighborDiscovery(skb: Skb): boolean {
  return skb.icmpType === Icmpv6Type.NEIGHBOR_SOLICITATION || skb.icmpType === Icmpv6Type.NEIGHBOR_ADVERTISEMENT;
}

function quoteRoom(skb: Skb): number {
  return skb.protocol === IpProto.ICMP
    ? ICMP_ERROR_MAX - IPV4_HEADER - ICMP_HEADER
    : ICMPV6_ERROR_MAX - IPV6_HEADER - ICMP_HEADER;
}

/**
 * The whole Ethernet frame as a network card would see it, with right lengths and checksums. An encapsulated frame and
 * the packet quoted by an ICMP error are inside. A payload of which only the length is known is zeros.
 */
export function frameBytes(skb: Skb): Uint8Array {
  return encodeEthernet({ dst: skb.dstMac, src: skb.srcMac, type: skb.etherType, payload: l3Bytes(skb) });
}

function l3Bytes(skb: Skb): Uint8Array {
  const { src, dst } = skb;
  if (skb.etherType === EtherType.ARP) {
    return encodeArp({
      operation: skb.arpOp,
      senderMac: skb.arpSenderMac,
      senderIp: v4(src),
      targetMac: skb.arpTargetMac,
      targetIp: v4(dst),
    });
  }
  if (skb.etherType === EtherType.IPV6) {
    const ends = { src: v6(src), dst: v6(dst) };
    return encodeIpv6({
      trafficClass: skb.tos,
      flowLabel: 0,
      nextHeader: skb.protocol,
      hopLimit: skb.ttl,
      ...ends,
      payload: l4Bytes(skb, ends),
    });
  }
  const ends = { src: v4(src), dst: v4(dst) };
  return encodeIpv4({
    tos: skb.tos,
    id: skb.id & 0xffff,
    dontFragment: skb.df,
    moreFragments: false,
    fragmentOffset: 0,
    ttl: skb.ttl,
    protocol: skb.protocol,
    ...ends,
    options: NO_BYTES,
    payload: l4Bytes(skb, ends),
  });
}

const NO_BYTES = new Uint8Array(0);

function v4(ip: number | bigint): number {
  return typeof ip === 'number' ? ip : 0;
}

function v6(ip: number | bigint): bigint {
  return typeof ip === 'bigint' ? ip : 0n;
}

function l4Bytes(skb: Skb, ends: Ends): Uint8Array {
  switch (skb.protocol) {
    case IpProto.TCP:
      return encodeTcp(
        {
          sport: skb.sport,
          dport: skb.dport,
          seq: skb.seq >>> 0,
          ack: skb.ack >>> 0,
          flags: skb.flags,
          window: Math.min(skb.window, 0xffff),
          urgent: 0,
          options: tcpOptions(skb),
          payload: dataOf(skb),
        },
        ends,
      );
    case IpProto.UDP: {
      const payload = isVxlan(skb) ? encodeVxlan({ vni: skb.vni, payload: frameBytes(skb.inner!) }) : dataOf(skb);
      return encodeUdp({ sport: skb.sport, dport: skb.dport, payload }, ends);
    }
    case IpProto.ICMP:
      return icmpBytes(skb);
    case IpProto.ICMPV6:
      return icmpv6Bytes(skb, ends);
    case IpProto.SCTP:
      return sctpBytes(skb);
    default:
      return dataOf(skb);
  }
}

function tcpOptions(skb: Skb): Uint8Array {
  return skb.mss > 0 ? Uint8Array.of(MSS_OPTION, MSS_OPTION_BYTES, skb.mss >> 8, skb.mss & 255) : NO_BYTES;
}

function dataOf(skb: Skb): Uint8Array {
  return skb.payload ?? new Uint8Array(skb.payloadLength);
}

function quoteOf(skb: Skb): Uint8Array {
  return l3Bytes(skb.inner!).subarray(0, quoteRoom(skb));
}

function icmpBytes(skb: Skb): Uint8Array {
  if (skb.inner !== null) {
    const rest = skb.icmpData >>> 0;
    return encodeIcmp({ kind: 'other', type: skb.icmpType, code: skb.icmpCode, rest, payload: quoteOf(skb) });
  }
  if (skb.icmpType === IcmpType.ECHO_REQUEST || skb.icmpType === IcmpType.ECHO_REPLY) {
    const kind = skb.icmpType === IcmpType.ECHO_REQUEST ? 'echo-request' : 'echo-reply';
    return encodeIcmp({ kind, identifier: skb.sport, sequence: skb.icmpData & 0xffff, payload: dataOf(skb) });
  }
  const rest = skb.icmpData >>> 0;
  return encodeIcmp({ kind: 'other', type: skb.icmpType, code: skb.icmpCode, rest, payload: dataOf(skb) });
}

function icmpv6Bytes(skb: Skb, ends: Ends): Uint8Array {
  if (isNeighborDiscovery(skb)) return neighborBytes(skb, ends);
  if (skb.icmpType === Icmpv6Type.ECHO_REQUEST || skb.icmpType === Icmpv6Type.ECHO_REPLY) {
    const kind = skb.icmpType === Icmpv6Type.ECHO_REQUEST ? 'echo-request' : 'echo-reply';
    return encodeIcmpv6({ kind, identifier: skb.sport, sequence: skb.icmpData & 0xffff, payload: dataOf(skb) }, ends);
  }
  const rest = skb.icmpData >>> 0;
  const payload = skb.inner === null ? dataOf(skb) : quoteOf(skb);
  return encodeIcmpv6({ kind: 'other', type: skb.icmpType, code: skb.icmpCode, rest, payload }, ends);
}

function neighborBytes(skb: Skb, ends: Ends): Uint8Array {
  const target = v6(skb.ndTarget);
  const mac = skb.arpSenderMac === '' ? {} : { mac: skb.arpSenderMac };
  if (skb.icmpType === Icmpv6Type.NEIGHBOR_SOLICITATION) {
    return encodeIcmpv6({ kind: 'neighbor-solicitation', target, ...mac }, ends);
  }
  // An answer to nobody in particular goes to a multicast address (RFC 4861, 7.2.6).
  const solicited = v6(skb.dst) >> 120n !== 0xffn;
  return encodeIcmpv6(
    { kind: 'neighbor-advertisement', target, router: false, solicited, override: true, ...mac },
    ends,
  );
}

/** One DATA chunk where there is a payload; else the chunk whose type stands in `flags`, or INIT. */
function sctpBytes(skb: Skb): Uint8Array {
  const { sport, dport } = skb;
  const data = dataOf(skb);
  const value = new Uint8Array(sctpChunkBytes(skb, data.length));
  const view = new DataView(value.buffer);
  if (data.length > 0) {
    view.setUint32(0, skb.seq >>> 0);
    value.set(data, DATA_BYTES);
    const chunk = { type: SctpChunkType.DATA, flags: SCTP_WHOLE_MESSAGE, value };
    return encodeSctp({ sport, dport, verificationTag: skb.ack >>> 0, chunks: [chunk] });
  }
  const type = skb.flags || SctpChunkType.INIT;
  if (value.length === INIT_BYTES) {
    // Initiate tag (never 0), receive window, one stream each way, first sequence number.
    view.setUint32(0, skb.seq >>> 0 || 1);
    view.setUint32(4, skb.window);
    view.setUint16(8, 1);
    view.setUint16(10, 1);
    view.setUint32(12, skb.seq >>> 0);
  }
  const verificationTag = type === SctpChunkType.INIT ? 0 : skb.ack >>> 0;
  return encodeSctp({ sport, dport, verificationTag, chunks: [{ type, flags: 0, value }] });
}

/** First and last fragment at once. */
const SCTP_WHOLE_MESSAGE = 3;

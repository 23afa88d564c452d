import { EtherType, formatIp, type Ip, IpProto, TcpFlag } from '@netsim/wire';
import { CtInfo, ctDirection } from '../netfilter/conntrack.ts';
import type { RejectWith } from '../netfilter/iptables/rule.ts';
import { cloneSkb, PacketType, Skb } from '../skb.ts';
import type { Errno } from '../socket/errno.ts';
import { tcpResetFor } from '../socket/tcp-reset.ts';
import { type Dst, DstKind } from './dst.ts';
import { ipLocalOut, routeOutput } from './ip-output.ts';
import { isMulticast6, ndReceive } from './ndisc.ts';
import type { Neighbour } from './neighbour.ts';
import type { Netns } from './netns.ts';

const IcmpType = { ECHO_REPLY: 0, UNREACHABLE: 3, REDIRECT: 5, ECHO: 8, TIME_EXCEEDED: 11 } as const;
const IcmpCode = {
  NET: 0,
  HOST: 1,
  PROTOCOL: 2,
  PORT: 3,
  FRAG_NEEDED: 4,
  NET_PROHIBITED: 9,
  HOST_PROHIBITED: 10,
  FILTERED: 13,
} as const;
const Icmp6Type = { UNREACHABLE: 1, TOO_BIG: 2, TIME_EXCEEDED: 3, ECHO: 128, ECHO_REPLY: 129 } as const;

/** What went wrong, for both families; {@link icmpError} finds type and code. */
export type IcmpErrorKind =
  | 'net-unreachable'
  | 'host-unreachable'
  | 'proto-unreachable'
  | 'port-unreachable'
  | 'too-big'
  | 'net-prohibited'
  | 'host-prohibited'
  | 'admin-prohibited'
  | 'policy-fail'
  | 'reject-route'
  | 'ttl-exceeded';

const codes4: Record<IcmpErrorKind, readonly [number, number]> = {
  'net-unreachable': [3, 0],
  'host-unreachable': [3, 1],
  'proto-unreachable': [3, 2],
  'port-unreachable': [3, 3],
  'too-big': [3, 4],
  'net-prohibited': [3, 9],
  'host-prohibited': [3, 10],
  'admin-prohibited': [3, 13],
  'policy-fail': [3, 13],
  'reject-route': [3, 13],
  'ttl-exceeded': [11, 0],
};
const codes6: Record<IcmpErrorKind, readonly [number, number]> = {
  'net-unreachable': [1, 0],
  'host-unreachable': [1, 3],
  'proto-unreachable': [4, 1],
  'port-unreachable': [1, 4],
  'too-big': [2, 0],
  'net-prohibited': [1, 1],
  'host-prohibited': [1, 1],
  'admin-prohibited': [1, 1],
  'policy-fail': [1, 5],
  'reject-route': [1, 6],
  'ttl-exceeded': [3, 0],
};

export function isIcmpError(skb: Skb): boolean {
  if (skb.protocol === IpProto.ICMP) {
    return skb.icmpType === 3 || skb.icmpType === 4 || skb.icmpType === 5 || skb.icmpType === 11 || skb.icmpType === 12;
  }
  return skb.protocol === IpProto.ICMPV6 && skb.icmpType < 128;
}

/** Sends an error about a packet to its source, quoting it (Linux: icmp_send, icmp6_send). `info` is the MTU for `too-big`. */
export function icmpError(netns: Netns, about: Skb, kind: IcmpErrorKind, info = 0): void {
  const v6 = typeof about.dst === 'bigint';
  if (isIcmpError(about) || about.pktType === PacketType.BROADCAST || about.pktType === PacketType.MULTICAST) return;
  if (netns.world.icmpInTransmission.has(v6 ? 6 : 4)) return;
  if (about.src === 0 || about.src === 0n || isMulticast6(about.src)) return;
  const [type, code] = (v6 ? codes6 : codes4)[kind];
  const skb = new Skb();
  skb.etherType = v6 ? EtherType.IPV6 : EtherType.IPV4;
  skb.protocol = v6 ? IpProto.ICMPV6 : IpProto.ICMP;
  skb.ttl = netns.defaultTtl(v6 ? 6 : 4);
  skb.df = false;
  skb.tos = v6 ? 0 : 0xc0;
  skb.dst = about.src;
  skb.icmpType = type;
  skb.icmpCode = code;
  skb.icmpData = info;
  skb.inner = quote(about);
  skb.trackId = about.trackId === 0 ? 0 : netns.world.nextTrackId();
  attachConntrack(skb, about);
  // The address that was asked for answers, where it is ours; else the one that the route back selects.
  const own = about.pktType === PacketType.HOST && netns.isLocal(about.dst);
  const dst = routeOutput(netns, skb.dst, own ? about.dst : undefined, 0, null);
  if (dst.kind === DstKind.ERROR || (dst.src === undefined && !own)) return;
  skb.src = own ? about.dst : (v6 && errorSource6(netns, about)) || dst.src!;
  if (netns.world.tracer !== null && about.trackId !== 0) {
    netns.step(about, {
      kind: 'icmp',
      action: 'sent',
      type: typeName(skb),
      code: codeName(skb),
      to: formatIp(skb.dst),
    });
  }
  if (netns.world.watcher !== null) netns.world.watcher.answered?.(netns, about, skb);
  transmit(netns, skb, dst);
}

/**
 * Hands a message of the kernel's own to IP. Until it is with a device, nothing on its way makes another: an echo reply that
 * a rule rejects, or the datagram of the overlay around it, is dropped without a word (Linux: icmp_xmit_lock).
 */
function transmit(netns: Netns, skb: Skb, dst: Dst): void {
  const { icmpInTransmission } = netns.world;
  const family = typeof skb.dst === 'bigint' ? 6 : 4;
  icmpInTransmission.add(family);
  try {
    ipLocalOut(netns, skb, dst);
  } finally {
    icmpInTransmission.delete(family);
  }
}

/** IPv6 answers from an address of the device that the packet came in by, whichever way the answer goes (seen on Linux 6.18). */
function errorSource6(netns: Netns, { iif, src }: Skb): Ip | undefined {
  return iif === null || iif === netns.lo ? undefined : netns.selectAddress(iif, src, 'global');
}

/** An answer belongs to the connection of what it answers, also one not confirmed yet (Linux: nf_ct_attach). */
function attachConntrack(answer: Skb, about: Skb): void {
  if (about.ct === null) return;
  answer.ct = about.ct;
  answer.ctInfo = ctDirection(about.ctInfo) === 0 ? CtInfo.RELATED_REPLY : CtInfo.RELATED;
}

/** The packet as it is now, for an error to quote; what is quoted inside a quote is left out. */
function quote(skb: Skb): Skb {
  const copy = cloneSkb(skb);
  copy.route = null;
  copy.dev = null;
  copy.ct = null;
  copy.socket = null;
  return copy;
}

function typeName(skb: Skb): string {
  if (skb.protocol === IpProto.ICMP) return skb.icmpType === 11 ? 'time-exceeded' : 'destination-unreachable';
  return (
    { 1: 'destination-unreachable', 2: 'packet-too-big', 3: 'time-exceeded', 4: 'parameter-problem' }[skb.icmpType] ??
    String(skb.icmpType)
  );
}
const names4 = [
  'net-unreachable',
  'host-unreachable',
  'protocol-unreachable',
  'port-unreachable',
  'fragmentation-needed',
  'source-route-failed',
  'net-unknown',
  'host-unknown',
  'host-isolated',
  'net-prohibited',
  'host-prohibited',
  'net-unreachable-for-tos',
  'host-unreachable-for-tos',
  'admin-prohibited',
];
const names6 = [
  'no-route',
  'adm-prohibited',
  'beyond-scope',
  'addr-unreachable',
  'port-unreachable',
  'policy-fail',
  'reject-route',
];
function codeName(skb: Skb): string {
  if (skb.protocol === IpProto.ICMP)
    return skb.icmpType === 11 ? 'ttl-exceeded' : (names4[skb.icmpCode] ?? String(skb.icmpCode));
  if (skb.icmpType === 1) return names6[skb.icmpCode] ?? String(skb.icmpCode);
  return skb.icmpType === 3 ? 'hop-limit-exceeded' : skb.icmpType === 2 ? 'packet-too-big' : String(skb.icmpCode);
}

/** Name of an ICMP or ICMPv6 message as a packet summary shows it. */
export function icmpName(skb: Skb): string {
  if (isIcmpError(skb)) return codeName(skb);
  switch (skb.icmpType) {
    case 8:
    case 128:
      return 'echo-request';
    case 0:
    case 129:
      return 'echo-reply';
    case 135:
      return 'neighbour-solicitation';
    case 136:
      return 'neighbour-advertisement';
    default:
      return `type ${skb.icmpType}`;
  }
}

/** No answer to three requests: the sender is told (Linux: arp_error_report, ndisc_error_report). */
export function neighbourFailed(neigh: Neighbour, skb: Skb): void {
  const { netns } = neigh.dev;
  if (netns.world.tracer !== null && skb.trackId !== 0) {
    netns.step(skb, { kind: 'neighbor', action: 'failed', device: neigh.dev.name, ip: formatIp(neigh.ip) });
  }
  icmpError(netns, skb, 'host-unreachable');
  netns.drop(skb, 'NEIGH_FAILED', `nobody at ${formatIp(neigh.ip)} on ${neigh.dev.name}`);
}

const rejectKinds: Record<RejectWith, IcmpErrorKind | 'reset'> = {
  'icmp-net-unreachable': 'net-unreachable',
  'icmp-host-unreachable': 'host-unreachable',
  'icmp-proto-unreachable': 'proto-unreachable',
  'icmp-port-unreachable': 'port-unreachable',
  'icmp-net-prohibited': 'net-prohibited',
  'icmp-host-prohibited': 'host-prohibited',
  'icmp-admin-prohibited': 'admin-prohibited',
  'icmp6-no-route': 'net-unreachable',
  'icmp6-adm-prohibited': 'admin-prohibited',
  'icmp6-addr-unreachable': 'host-unreachable',
  'icmp6-port-unreachable': 'port-unreachable',
  'icmp6-policy-fail': 'policy-fail',
  'icmp6-reject-route': 'reject-route',
  'tcp-reset': 'reset',
};

/** The answer of the REJECT target (Linux: nf_send_unreach, nf_send_reset). */
export function rejectPacket(netns: Netns, skb: Skb, how: RejectWith): void {
  const kind = rejectKinds[how];
  if (kind !== 'reset') {
    icmpError(netns, skb, kind);
    return;
  }
  if (skb.protocol !== IpProto.TCP || (skb.flags & TcpFlag.RST) !== 0) return;
  const reset = tcpResetFor(skb);
  attachConntrack(reset, skb);
  reset.trackId = skb.trackId === 0 ? 0 : netns.world.nextTrackId();
  reset.ttl = netns.defaultTtl(typeof skb.dst === 'bigint' ? 6 : 4);
  const dst = routeOutput(netns, reset.dst, reset.src, 0, null);
  if (dst.kind === DstKind.ERROR) return;
  if (netns.world.watcher !== null) netns.world.watcher.answered?.(netns, skb, reset);
  ipLocalOut(netns, reset, dst);
}

/** How an error message is told to a socket: the error, and whether it ends a connection (Linux: icmp_err_convert). */
export interface SocketError {
  readonly errno: Errno;
  readonly fatal: boolean;
}
const convert4: readonly (readonly [Errno, boolean])[] = [
  ['ENETUNREACH', false],
  ['EHOSTUNREACH', false],
  ['ENOPROTOOPT', true],
  ['ECONNREFUSED', true],
  ['EMSGSIZE', false],
  ['EOPNOTSUPP', false],
  ['ENETUNREACH', true],
  ['EHOSTDOWN', true],
  ['ENONET', true],
  ['ENETUNREACH', true],
  ['EHOSTUNREACH', true],
  ['ENETUNREACH', false],
  ['EHOSTUNREACH', false],
  ['EHOSTUNREACH', true],
];
const convert6: readonly (readonly [Errno, boolean])[] = [
  ['ENETUNREACH', false],
  ['EACCES', true],
  ['EHOSTUNREACH', false],
  ['EHOSTUNREACH', false],
  ['ECONNREFUSED', true],
  ['EACCES', true],
  ['EACCES', true],
];

function socketError(skb: Skb): SocketError {
  if (skb.protocol === IpProto.ICMP) {
    if (skb.icmpType === 3) {
      const [errno, fatal] = convert4[skb.icmpCode] ?? ['EHOSTUNREACH', true];
      return { errno, fatal };
    }
    return { errno: 'EHOSTUNREACH', fatal: false };
  }
  if (skb.icmpType === 1) {
    const [errno, fatal] = convert6[skb.icmpCode] ?? ['EPROTO', false];
    return { errno, fatal };
  }
  if (skb.icmpType === 2) return { errno: 'EMSGSIZE', fatal: false };
  if (skb.icmpType === 3) return { errno: 'EHOSTUNREACH', fatal: false };
  return { errno: 'EPROTO', fatal: skb.icmpCode === 1 };
}

/** Handles a message delivered to this netns (Linux: icmp_rcv, icmpv6_rcv). */
export function icmpReceive(netns: Netns, skb: Skb): void {
  const v6 = skb.protocol === IpProto.ICMPV6;
  const type = skb.icmpType;
  if (type === (v6 ? Icmp6Type.ECHO : IcmpType.ECHO)) {
    echo(netns, skb, v6);
    return;
  }
  if (v6 && (type === 135 || type === 136)) {
    if (skb.dev !== null) ndReceive(skb.dev, skb);
    return;
  }
  if (type === (v6 ? Icmp6Type.ECHO_REPLY : IcmpType.ECHO_REPLY)) {
    netns.sockets.ping.receive(skb);
    return;
  }
  if (!isIcmpError(skb) || skb.inner === null) {
    netns.drop(skb, 'UNHANDLED_PROTO', `ICMP type ${type}`);
    return;
  }
  const { inner } = skb;
  if (
    (v6 && type === Icmp6Type.TOO_BIG) ||
    (!v6 && type === IcmpType.UNREACHABLE && skb.icmpCode === IcmpCode.FRAG_NEEDED)
  ) {
    netns.learnMtu(inner.dst, skb.icmpData);
  }
  netns.sockets.receiveError(skb, inner, socketError(skb));
}

function echo(netns: Netns, skb: Skb, v6: boolean): void {
  const toGroup = skb.pktType === PacketType.BROADCAST || skb.pktType === PacketType.MULTICAST;
  if (
    !v6 &&
    (netns.sysctl('net.ipv4.icmp_echo_ignore_all') !== 0 ||
      (toGroup && netns.sysctl('net.ipv4.icmp_echo_ignore_broadcasts') !== 0))
  ) {
    netns.drop(skb, 'NOT_SPECIFIED', 'echo requests are ignored');
    return;
  }
  netns.delivered(skb, netns.sockets.echo);
  const reply = new Skb();
  reply.etherType = skb.etherType;
  reply.protocol = skb.protocol;
  reply.ttl = netns.defaultTtl(v6 ? 6 : 4);
  reply.df = false;
  reply.tos = skb.tos;
  reply.dst = skb.src;
  reply.icmpType = v6 ? Icmp6Type.ECHO_REPLY : IcmpType.ECHO_REPLY;
  reply.sport = skb.sport;
  reply.icmpData = skb.icmpData;
  reply.payload = skb.payload;
  reply.payloadLength = skb.payloadLength;
  reply.trackId = skb.trackId === 0 ? 0 : netns.world.nextTrackId();
  // An anycast address does not answer in its own name (net.ipv6.anycast_src_echo_reply 0).
  const anycast = skb.route?.route?.type === 'anycast';
  const own = isMulticast6(skb.dst) || toGroup || anycast ? undefined : skb.dst;
  const dst = routeOutput(netns, reply.dst, own, 0, null);
  if (dst.kind === DstKind.ERROR || (own === undefined && dst.src === undefined)) {
    netns.drop(reply, 'IP_OUTNOROUTES', 'no route for the echo reply');
    return;
  }
  reply.src = own ?? dst.src!;
  if (netns.world.watcher !== null) netns.world.watcher.answered?.(netns, skb, reply);
  transmit(netns, reply, dst);
}

import type { Ip } from '@netsim/wire';
import type { Device } from '../net/device.ts';
import type { TcpTrack } from './conntrack-tcp.ts';
import type { Passes } from './pass.ts';

/** Relation of a packet to its connection (Linux: enum ip_conntrack_info). `UNTRACKED` goes with `skb.ct === null`. */
export const CtInfo = {
  ESTABLISHED: 0,
  RELATED: 1,
  NEW: 2,
  ESTABLISHED_REPLY: 3,
  RELATED_REPLY: 4,
  UNTRACKED: 7,
} as const;
export type CtInfo = (typeof CtInfo)[keyof typeof CtInfo];

/** Direction of a packet: 0 original, 1 reply. */
export function ctDirection(ctInfo: number): 0 | 1 {
  return ctInfo >= CtInfo.ESTABLISHED_REPLY ? 1 : 0;
}

/** Bits of a connection's status (Linux: enum ip_conntrack_status). */
export const CtStatus = {
  EXPECTED: 1,
  SEEN_REPLY: 2,
  ASSURED: 4,
  CONFIRMED: 8,
  SRC_NAT: 16,
  DST_NAT: 32,
  SRC_NAT_DONE: 128,
  DST_NAT_DONE: 256,
  DYING: 512,
} as const;
export const CT_NAT_MASK = CtStatus.SRC_NAT | CtStatus.DST_NAT;

/** One direction of a connection, for reading. ICMP: `sport` is the identifier, `dport` type * 256 + code. */
export interface Tuple {
  readonly protocol: number;
  readonly src: Ip;
  readonly dst: Ip;
  readonly sport: number;
  readonly dport: number;
}

/**
 * A tracked connection (Linux: struct nf_conn). Both tuples lie flat in it: connections are made by the hundred thousand,
 * and one object each is what the garbage collector likes best.
 */
export class Conn {
  readonly id: number;
  readonly protocol: number;
  readonly origSrc: Ip;
  readonly origDst: Ip;
  readonly origSport: number;
  readonly origDport: number;
  replSrc: Ip;
  replDst: Ip;
  replSport: number;
  replDport: number;
  /** CtStatus bits. */
  status = 0;
  /** Virtual time in ms at which it is forgotten, unless a packet comes before. */
  expires = 0;
  mark = 0;
  /** State of the protocol's machine, numbered as in its Linux file; 0 where it has none. */
  state = 0;
  tcp: TcpTrack | null = null;
  /** UDP: time from which on a two-way exchange counts as a stream. */
  streamAt = 0;
  /** Device of the MASQUERADE rule that translated it. */
  masqueradeDevice: Device | null = null;
  /** Table generations at which nobody else had the original and the reply tuple: while it lasts they need not be looked up again. */
  originalFreeAt = -1;
  replyFreeAt = -1;
  /** Its number in the conntrack table. */
  index = -1;
  /** What the hooks did to the packets before, and how many walked the rules: see pass.ts. */
  passes: Passes | null = null;
  walks = 0;
  /** Next connection with the same source, for SNAT to keep one mapping per source. */
  nextBySource: Conn | null = null;

  constructor(
    id: number,
    protocol: number,
    src: Ip,
    dst: Ip,
    sport: number,
    dport: number,
    replSport: number,
    replDport: number,
  ) {
    this.id = id;
    this.protocol = protocol;
    this.origSrc = src;
    this.origDst = dst;
    this.origSport = sport;
    this.origDport = dport;
    this.replSrc = dst;
    this.replDst = src;
    this.replSport = replSport;
    this.replDport = replDport;
  }

  /** The tuple of packets from the one who began. Made anew at each use. */
  get original(): Tuple {
    const { protocol, origSrc: src, origDst: dst, origSport: sport, origDport: dport } = this;
    return { protocol, src, dst, sport, dport };
  }

  /** The tuple of the answers, as they arrive. Made anew at each use. */
  get reply(): Tuple {
    const { protocol, replSrc: src, replDst: dst, replSport: sport, replDport: dport } = this;
    return { protocol, src, dst, sport, dport };
  }
}

function fold(ip: Ip): number {
  if (typeof ip === 'number') return ip;
  const low = Number(BigInt.asIntN(32, ip)) ^ Math.imul(Number(BigInt.asIntN(32, ip >> 32n)), 0x27d4eb2f);
  return low ^ Math.imul(Number(BigInt.asIntN(32, ip >> 64n)) ^ Number(BigInt.asIntN(32, ip >> 96n)), 0x165667b1);
}

export function hashTuple(src: Ip, dst: Ip, sport: number, dport: number, protocol: number): number {
  let h = Math.imul(fold(src), 0x9e3779b1) ^ Math.imul(fold(dst), 0x85ebca77);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d) ^ Math.imul((sport << 16) | dport, 0xc2b2ae3d) ^ protocol;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  return h ^ (h >>> 15);
}

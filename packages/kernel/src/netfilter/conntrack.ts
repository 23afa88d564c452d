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
 * and one object each is what the garbage collector likes best. Made by `ConntrackTable.allocate`, which uses those again
 * that nobody can hold any more (Linux: nf_conntrack_cachep).
 */
export class Conn {
  id = 0;
  protocol = 0;
  origSrc: Ip = 0;
  origDst: Ip = 0;
  origSport = 0;
  origDport = 0;
  replSrc: Ip = 0;
  replDst: Ip = 0;
  replSport = 0;
  replDport = 0;
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
  /** Somebody may keep it: it never becomes another connection. */
  kept = false;

  /** Makes it the connection of a first packet: all else is as in a new one. */
  begin(
    id: number,
    protocol: number,
    src: Ip,
    dst: Ip,
    sport: number,
    dport: number,
    replSport: number,
    replDport: number,
  ): void {
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
    this.status = 0;
    this.expires = 0;
    this.mark = 0;
    this.state = 0;
    this.tcp = null;
    this.streamAt = 0;
    this.masqueradeDevice = null;
    this.originalFreeAt = -1;
    this.replyFreeAt = -1;
    this.index = -1;
    this.passes = null;
    this.walks = 0;
    this.nextBySource = null;
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
  // V8 reckons with what is cut to 64 bits as with machine words, with longer ones on the heap.
  const low = BigInt.asUintN(64, ip);
  const high = BigInt.asUintN(64, ip >> 64n);
  return Number(BigInt.asIntN(32, low ^ (low >> 32n) ^ (high << 11n) ^ (high >> 17n)));
}

/**
 * The same for a tuple and for one that has its ends exchanged: without NAT both tuples of a connection then lie side by
 * side in the table, and the second look-up finds its memory in the cache.
 */
export function hashTuple(src: Ip, dst: Ip, sport: number, dport: number, protocol: number): number {
  let h = (hashEnd(src, sport) + hashEnd(dst, dport)) ^ protocol;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  return h ^ (h >>> 15);
}

function hashEnd(ip: Ip, port: number): number {
  const h = Math.imul(fold(ip), 0x9e3779b1) ^ Math.imul(port, 0xc2b2ae35);
  return Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
}

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
  /** In the conntrack table: its number, and the hashes that it stands under. */
  index = -1;
  origHash = 0;
  replHash = 0;
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

/** What the table needs of the outside. Looked up at each use, so that a sysctl may change. */
export interface TableLimits {
  now(): number;
  /** nf_conntrack_max. */
  readonly max: number;
}

/**
 * The connections of one netns, found by either tuple. Expired entries are never seen; they are removed when they are met
 * and, a few places at a time, when connections are made, so that no packet pays for a sweep.
 *
 * An open-addressing hash: each place is a pair of hash and reference. A reference is the connection's number * 2 plus the
 * direction of the tuple, plus 2; 0 is a free place, 1 one that was left.
 */
export class ConntrackTable {
  readonly #limits: TableLimits;
  #places = new Int32Array(2 * 512);
  #mask = 511;
  /** Places that are not free, those left included. */
  #used = 0;
  #conns: (Conn | null)[] = [];
  #free: number[] = [];
  #size = 0;
  #cursor = 0;
  readonly #bySource = new Map<number, Conn>();
  /** Changes whenever a tuple comes in. */
  generation = 0;

  constructor(limits: TableLimits) {
    this.#limits = limits;
  }

  /** Number of entries, those counted that have expired and not been met since. */
  get size(): number {
    return this.#size;
  }

  /** Reference to the live connection with this tuple, for {@link conn} and {@link directionOf}; 0 for none. */
  find(hash: number, src: Ip, dst: Ip, sport: number, dport: number, protocol: number, now: number): number {
    const places = this.#places;
    let place = hash & this.#mask;
    for (;;) {
      const ref = places[place * 2 + 1]!;
      if (ref === 0) return 0;
      if (ref > 1 && places[place * 2] === hash) {
        const conn = this.#conns[(ref >> 1) - 1]!;
        const same =
          (ref & 1) === 0
            ? conn.origDport === dport && conn.origSport === sport && conn.origSrc === src && conn.origDst === dst
            : conn.replDport === dport && conn.replSport === sport && conn.replSrc === src && conn.replDst === dst;
        if (same && conn.protocol === protocol) {
          if (conn.expires > now) return ref;
          this.remove(conn);
          return 0;
        }
      }
      place = (place + 1) & this.#mask;
    }
  }

  /** The connection that a reference from {@link find} means. */
  conn(ref: number): Conn {
    return this.#conns[(ref >> 1) - 1]!;
  }

  /** Room for one more, made by early drop if need be (Linux: early_drop)? */
  makeRoom(hash: number, now: number): boolean {
    if (this.#size < this.#limits.max) return true;
    for (let i = 0; i < 16; i++) {
      const ref = this.#places[((hash + i) & this.#mask) * 2 + 1]!;
      if (ref <= 1) continue;
      const conn = this.conn(ref);
      if (conn.expires <= now || (conn.status & CtStatus.ASSURED) === 0) {
        this.remove(conn);
        return true;
      }
    }
    return this.#sweep(this.#mask + 1, now) > 0;
  }

  insert(conn: Conn, now: number): void {
    if (this.#used * 2 > this.#mask) this.#rebuild();
    this.generation++;
    const index = this.#free.pop() ?? this.#conns.length;
    this.#conns[index] = conn;
    conn.index = index;
    conn.origHash = hashTuple(conn.origSrc, conn.origDst, conn.origSport, conn.origDport, conn.protocol);
    conn.replHash = hashTuple(conn.replSrc, conn.replDst, conn.replSport, conn.replDport, conn.protocol);
    this.#place(conn.origHash, index * 2 + 2);
    this.#place(conn.replHash, index * 2 + 3);
    this.#size++;
    conn.status |= CtStatus.CONFIRMED;
    if ((conn.status & CtStatus.SRC_NAT) !== 0) {
      const key = sourceKey(conn.origSrc, conn.origSport, conn.protocol);
      conn.nextBySource = this.#bySource.get(key) ?? null;
      this.#bySource.set(key, conn);
    }
    this.#sweep(4, now);
  }

  remove(conn: Conn): void {
    if ((conn.status & CtStatus.DYING) !== 0) return;
    conn.status |= CtStatus.DYING;
    if ((conn.status & CtStatus.CONFIRMED) === 0) return;
    const { index } = conn;
    this.#leave(conn.origHash, index * 2 + 2);
    this.#leave(conn.replHash, index * 2 + 3);
    this.#conns[index] = null;
    this.#free.push(index);
    this.#size--;
    if ((conn.status & CtStatus.SRC_NAT) !== 0) this.#forgetSource(conn);
  }

  /** First of the live connections from a source, linked by `nextBySource`; others may share the key: compare. */
  fromSource(src: Ip, sport: number, protocol: number): Conn | null {
    return this.#bySource.get(sourceKey(src, sport, protocol)) ?? null;
  }

  /** Live connections in the order in which they were made. */
  list(): Conn[] {
    const now = this.#limits.now();
    const out: Conn[] = [];
    for (const conn of this.#conns) if (conn !== null && conn.expires > now) out.push(conn);
    return out.sort((a, b) => a.id - b.id);
  }

  clear(): void {
    for (const conn of this.#conns) if (conn !== null) conn.status |= CtStatus.DYING;
    this.#places = new Int32Array(2 * 512);
    this.#mask = 511;
    this.#used = 0;
    this.#conns = [];
    this.#free = [];
    this.#size = 0;
    this.#cursor = 0;
    this.#bySource.clear();
    this.generation++;
  }

  #place(hash: number, ref: number): void {
    const places = this.#places;
    let place = hash & this.#mask;
    while (places[place * 2 + 1]! > 1) place = (place + 1) & this.#mask;
    if (places[place * 2 + 1] === 0) this.#used++;
    places[place * 2] = hash;
    places[place * 2 + 1] = ref;
  }

  #leave(hash: number, ref: number): void {
    const places = this.#places;
    let place = hash & this.#mask;
    while (places[place * 2 + 1] !== ref) place = (place + 1) & this.#mask;
    // Where nothing follows, the place and those left before it are free again.
    if (places[((place + 1) & this.#mask) * 2 + 1] !== 0) {
      places[place * 2 + 1] = 1;
      return;
    }
    do {
      places[place * 2 + 1] = 0;
      this.#used--;
      place = (place - 1) & this.#mask;
    } while (places[place * 2 + 1] === 1);
  }

  #forgetSource(conn: Conn): void {
    const key = sourceKey(conn.origSrc, conn.origSport, conn.protocol);
    let at = this.#bySource.get(key) ?? null;
    if (at === conn) {
      if (conn.nextBySource === null) this.#bySource.delete(key);
      else this.#bySource.set(key, conn.nextBySource);
      return;
    }
    while (at !== null) {
      if (at.nextBySource === conn) {
        at.nextBySource = conn.nextBySource;
        return;
      }
      at = at.nextBySource;
    }
  }

  /** Looks at some places for what has expired; the number removed. */
  #sweep(count: number, now: number): number {
    let removed = 0;
    for (let i = 0; i < count; i++) {
      this.#cursor = (this.#cursor + 1) & this.#mask;
      const ref = this.#places[this.#cursor * 2 + 1]!;
      if (ref <= 1) continue;
      const conn = this.conn(ref);
      if (conn.expires <= now) {
        this.remove(conn);
        removed++;
      }
    }
    return removed;
  }

  /** Makes the hash large enough for twice as many, without the places that were left. */
  #rebuild(): void {
    let places = 512;
    while (places < this.#size * 8) places *= 2;
    this.#places = new Int32Array(2 * places);
    this.#mask = places - 1;
    this.#used = 0;
    for (const conn of this.#conns) {
      if (conn === null) continue;
      this.#place(conn.origHash, conn.index * 2 + 2);
      this.#place(conn.replHash, conn.index * 2 + 3);
    }
  }
}

/** Direction of the tuple that a reference from {@link ConntrackTable.find} means. */
export function directionOf(ref: number): 0 | 1 {
  return (ref & 1) as 0 | 1;
}

function sourceKey(src: Ip, sport: number, protocol: number): number {
  return hashTuple(src, 0, sport, 0, protocol);
}

import type { Ip } from '@netsim/wire';
import type { Device } from '../net/device.ts';
import type { TcpTrack } from './conntrack-tcp.ts';

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

/** One direction of a connection. ICMP: `sport` is the identifier, `dport` type * 256 + code. */
export class Tuple {
  src: Ip;
  dst: Ip;
  sport: number;
  dport: number;
  readonly protocol: number;
  readonly direction: 0 | 1;
  readonly conn: Conn;
  /** In the conntrack table: hash of the fields, and the next in its bucket. */
  hash = 0;
  next: Tuple | null = null;
  constructor(conn: Conn, direction: 0 | 1, protocol: number, src: Ip, dst: Ip, sport: number, dport: number) {
    this.conn = conn;
    this.direction = direction;
    this.protocol = protocol;
    this.src = src;
    this.dst = dst;
    this.sport = sport;
    this.dport = dport;
  }
}

/** A tracked connection (Linux: struct nf_conn). */
export class Conn {
  readonly id: number;
  readonly original: Tuple;
  readonly reply: Tuple;
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
  /** Next connection with the same source, for SNAT to keep one mapping per source. */
  nextBySource: Conn | null = null;

  constructor(
    id: number,
    protocol: number,
    src: Ip,
    dst: Ip,
    sport: number,
    dport: number,
    replySport: number,
    replyDport: number,
  ) {
    this.id = id;
    this.original = new Tuple(this, 0, protocol, src, dst, sport, dport);
    this.reply = new Tuple(this, 1, protocol, dst, src, replySport, replyDport);
  }

  get protocol(): number {
    return this.original.protocol;
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
 * and, a few buckets at a time, when connections are made, so that no packet pays for a sweep.
 */
export class ConntrackTable {
  readonly #limits: TableLimits;
  #buckets: (Tuple | null)[] = new Array<Tuple | null>(256).fill(null);
  #mask = 255;
  #tuples = 0;
  #cursor = 0;
  readonly #bySource = new Map<number, Conn>();
  /** Changes whenever a tuple comes in. */
  generation = 0;

  constructor(limits: TableLimits) {
    this.#limits = limits;
  }

  /** Number of entries, those counted that have expired and not been met since. */
  get size(): number {
    return this.#tuples >> 1;
  }

  find(src: Ip, dst: Ip, sport: number, dport: number, protocol: number, now: number): Tuple | null {
    const hash = hashTuple(src, dst, sport, dport, protocol);
    let tuple: Tuple | null = this.#buckets[hash & this.#mask];
    while (tuple !== null) {
      if (
        tuple.hash === hash &&
        tuple.src === src &&
        tuple.dst === dst &&
        tuple.sport === sport &&
        tuple.dport === dport &&
        tuple.protocol === protocol
      ) {
        if (tuple.conn.expires > now) return tuple;
        this.remove(tuple.conn);
        return null;
      }
      tuple = tuple.next;
    }
    return null;
  }

  /** Room for one more, made by early drop if need be (Linux: early_drop)? */
  makeRoom(hash: number, now: number): boolean {
    if (this.size < this.#limits.max) return true;
    for (let i = 0; i < 8; i++) {
      let tuple: Tuple | null = this.#buckets[(hash + i) & this.#mask];
      while (tuple !== null) {
        const conn = tuple.conn;
        if (conn.expires <= now || (conn.status & CtStatus.ASSURED) === 0) {
          this.remove(conn);
          return true;
        }
        tuple = tuple.next;
      }
    }
    return this.#sweep(this.#mask + 1, now) > 0;
  }

  insert(conn: Conn, now: number): void {
    if (this.#tuples >= this.#mask) this.#grow();
    this.generation++;
    this.#link(conn.original);
    this.#link(conn.reply);
    conn.status |= CtStatus.CONFIRMED;
    if ((conn.status & CtStatus.SRC_NAT) !== 0) {
      const key = sourceKey(conn.original.src, conn.original.sport, conn.protocol);
      conn.nextBySource = this.#bySource.get(key) ?? null;
      this.#bySource.set(key, conn);
    }
    this.#sweep(2, now);
  }

  remove(conn: Conn): void {
    if ((conn.status & CtStatus.DYING) !== 0) return;
    conn.status |= CtStatus.DYING;
    if ((conn.status & CtStatus.CONFIRMED) === 0) return;
    this.#unlink(conn.original);
    this.#unlink(conn.reply);
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
    for (let tuple of this.#buckets) {
      for (; tuple !== null; tuple = tuple.next) {
        if (tuple.direction === 0 && tuple.conn.expires > now) out.push(tuple.conn);
      }
    }
    return out.sort((a, b) => a.id - b.id);
  }

  clear(): void {
    for (let tuple of this.#buckets) {
      for (; tuple !== null; tuple = tuple.next) tuple.conn.status |= CtStatus.DYING;
    }
    this.generation++;
    this.#buckets = new Array<Tuple | null>(256).fill(null);
    this.#mask = 255;
    this.#tuples = 0;
    this.#cursor = 0;
    this.#bySource.clear();
  }

  #link(tuple: Tuple): void {
    tuple.hash = hashTuple(tuple.src, tuple.dst, tuple.sport, tuple.dport, tuple.protocol);
    const slot = tuple.hash & this.#mask;
    tuple.next = this.#buckets[slot];
    this.#buckets[slot] = tuple;
    this.#tuples++;
  }

  #unlink(tuple: Tuple): void {
    const slot = tuple.hash & this.#mask;
    let at: Tuple | null = this.#buckets[slot];
    if (at === tuple) {
      this.#buckets[slot] = tuple.next;
      this.#tuples--;
      return;
    }
    while (at !== null) {
      if (at.next === tuple) {
        at.next = tuple.next;
        this.#tuples--;
        return;
      }
      at = at.next;
    }
  }

  #forgetSource(conn: Conn): void {
    const key = sourceKey(conn.original.src, conn.original.sport, conn.protocol);
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

  /** Removes what has expired from some buckets; the number removed. */
  #sweep(buckets: number, now: number): number {
    let removed = 0;
    for (let i = 0; i < buckets; i++) {
      this.#cursor = (this.#cursor + 1) & this.#mask;
      let tuple: Tuple | null = this.#buckets[this.#cursor];
      while (tuple !== null) {
        const next: Tuple | null = tuple.next;
        if (tuple.conn.expires <= now && (tuple.conn.status & CtStatus.DYING) === 0) {
          this.remove(tuple.conn);
          removed++;
          // Both tuples may stand in this bucket: the chain has changed, leave the rest to the next round.
          break;
        }
        tuple = next;
      }
    }
    return removed;
  }

  #grow(): void {
    const old = this.#buckets;
    this.#mask = old.length * 4 - 1;
    this.#buckets = new Array<Tuple | null>(old.length * 4).fill(null);
    for (let tuple of old) {
      while (tuple !== null) {
        const next: Tuple | null = tuple.next;
        const slot = tuple.hash & this.#mask;
        tuple.next = this.#buckets[slot];
        this.#buckets[slot] = tuple;
        tuple = next;
      }
    }
  }
}

function sourceKey(src: Ip, sport: number, protocol: number): number {
  return hashTuple(src, 0, sport, 0, protocol);
}

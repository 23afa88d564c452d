import type { Ip } from '@netsim/wire';
import { Conn, CtStatus, hashTuple } from './conntrack.ts';

/** What the table needs of the outside. Looked up at each use, so that a sysctl may change. */
export interface TableLimits {
  now(): number;
  /** nf_conntrack_max. */
  readonly max: number;
  /** Moves on whenever no packet is under way any more: see {@link ConntrackTable.allocate}. */
  readonly rests: number;
}

const LEAST_PLACES = 512;
/** Connections kept to be used again. */
const SPARE_LIMIT = 65_536;

/**
 * The connections of one netns, found by either tuple. Expired entries are never seen; they are removed when they are met
 * and, a few at a time, when connections are made, so that no packet pays for a sweep.
 *
 * An open-addressing hash of one word a place, since most of its cost is memory that is not in the cache: the low bits, as
 * many as number the places, are a reference, the others those of the tuple's hash. A reference is the connection's number
 * * 2 plus the direction of the tuple, plus 2; a place of 0 is free, one of 1 was left.
 */
export class ConntrackTable {
  readonly #limits: TableLimits;
  #places = new Int32Array(LEAST_PLACES);
  #mask = LEAST_PLACES - 1;
  /** Places that are not free, those left included. */
  #used = 0;
  #conns: (Conn | null)[] = [];
  #free: number[] = [];
  #size = 0;
  /** The sweep: the connection it stands at, how many it has to look at still, and the time that it goes by. */
  #cursor = 0;
  #unswept = 0;
  #sweepTime = 0;
  readonly #bySource = new Map<number, Conn>();
  /** Connections to use again, and those that left the table since, until no packet can hold them. */
  #spare: Conn[] = [];
  #left: Conn[] = [];
  #lastLeft = -1;
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
    const mask = this.#mask;
    let place = hash & mask;
    for (;;) {
      const word = places[place]!;
      if (word === 0) return 0;
      if (((word ^ hash) & ~mask) === 0 && (word & mask) > 1) {
        const ref = word & mask;
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
      place = (place + 1) & mask;
    }
  }

  /** The connection that a reference from {@link find} means. */
  conn(ref: number): Conn {
    return this.#conns[(ref >> 1) - 1]!;
  }

  /** A connection to begin: one that left the table before all packets had come to rest, where there is one. */
  allocate(): Conn {
    if (this.#spare.length === 0 && this.#left.length > 0 && this.#lastLeft !== this.#limits.rests) {
      const empty = this.#spare;
      this.#spare = this.#left;
      this.#left = empty;
    }
    return this.#spare.pop() ?? new Conn();
  }

  #retire(conn: Conn): void {
    conn.status |= CtStatus.DYING;
    if (conn.kept || this.#left.length >= SPARE_LIMIT) return;
    this.#lastLeft = this.#limits.rests;
    this.#left.push(conn);
  }

  /** Room for one more, made by early drop if need be (Linux: early_drop)? */
  makeRoom(hash: number, now: number): boolean {
    if (this.#size < this.#limits.max) return true;
    for (let i = 0; i < 16; i++) {
      const ref = this.#places[(hash + i) & this.#mask]! & this.#mask;
      if (ref <= 1) continue;
      const conn = this.conn(ref);
      if (conn.expires <= now || (conn.status & CtStatus.ASSURED) === 0) {
        this.remove(conn);
        return true;
      }
    }
    return this.#sweep(this.#conns.length, now) > 0;
  }

  insert(conn: Conn, now: number): void {
    if (this.#used * 2 > this.#mask) this.#rebuild();
    this.generation++;
    const index = this.#free.pop() ?? this.#conns.length;
    this.#conns[index] = conn;
    conn.index = index;
    this.#place(originalHash(conn), index * 2 + 2);
    this.#place(replyHash(conn), index * 2 + 3);
    this.#size++;
    conn.status |= CtStatus.CONFIRMED;
    if ((conn.status & CtStatus.SRC_NAT) !== 0) {
      const key = sourceKey(conn.origSrc, conn.origSport, conn.protocol);
      conn.nextBySource = this.#bySource.get(key) ?? null;
      this.#bySource.set(key, conn);
    }
    if (now !== this.#sweepTime) {
      this.#sweepTime = now;
      this.#unswept = this.#conns.length;
    }
    if (this.#unswept > 0) {
      this.#unswept -= 4;
      this.#sweep(4, now);
    }
  }

  remove(conn: Conn): void {
    if ((conn.status & CtStatus.DYING) !== 0) return;
    if ((conn.status & CtStatus.CONFIRMED) === 0) {
      conn.status |= CtStatus.DYING;
      return;
    }
    const { index } = conn;
    this.#leave(originalHash(conn), index * 2 + 2);
    this.#leave(replyHash(conn), index * 2 + 3);
    this.#conns[index] = null;
    this.#free.push(index);
    this.#size--;
    if ((conn.status & CtStatus.SRC_NAT) !== 0) this.#forgetSource(conn);
    this.#retire(conn);
  }

  /** First of the live connections from a source, linked by `nextBySource`; others may share the key: compare. */
  fromSource(src: Ip, sport: number, protocol: number): Conn | null {
    return this.#bySource.get(sourceKey(src, sport, protocol)) ?? null;
  }

  /** Live connections in the order in which they were made. Whoever asks may keep them. */
  list(): Conn[] {
    const now = this.#limits.now();
    const out: Conn[] = [];
    for (const conn of this.#conns) {
      if (conn === null || conn.expires <= now) continue;
      conn.kept = true;
      out.push(conn);
    }
    return out.sort((a, b) => a.id - b.id);
  }

  /** Removes the live connections that `gone` says; how many. */
  removeIf(gone: (conn: Conn) => boolean): number {
    const now = this.#limits.now();
    let count = 0;
    for (const conn of this.#conns) {
      if (conn === null || conn.expires <= now || !gone(conn)) continue;
      this.remove(conn);
      count++;
    }
    return count;
  }

  clear(): void {
    for (const conn of this.#conns) if (conn !== null) this.#retire(conn);
    this.#places.fill(0);
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
    const mask = this.#mask;
    let place = hash & mask;
    while (places[place]! !== 0 && places[place]! !== 1) place = (place + 1) & mask;
    if (places[place] === 0) this.#used++;
    places[place] = (hash & ~mask) | ref;
  }

  #leave(hash: number, ref: number): void {
    const places = this.#places;
    const mask = this.#mask;
    const word = (hash & ~mask) | ref;
    let place = hash & mask;
    while (places[place] !== word) place = (place + 1) & mask;
    // Where nothing follows, the place and those left before it are free again.
    if (places[(place + 1) & mask] !== 0) {
      places[place] = 1;
      return;
    }
    do {
      places[place] = 0;
      this.#used--;
      place = (place - 1) & mask;
    } while (places[place] === 1);
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

  /** Looks at some connections, in the order of their numbers, for what has expired; the number removed. */
  #sweep(count: number, now: number): number {
    const conns = this.#conns;
    let removed = 0;
    for (let i = 0; i < count; i++) {
      this.#cursor = this.#cursor + 1 < conns.length ? this.#cursor + 1 : 0;
      const conn = conns[this.#cursor];
      if (conn !== null && conn !== undefined && conn.expires <= now) {
        this.remove(conn);
        removed++;
      }
    }
    return removed;
  }

  /** Makes the hash large enough for twice as many, without the places that were left. */
  #rebuild(): void {
    let places = LEAST_PLACES;
    // A reference has to be smaller than the number of places.
    while (places < this.#size * 6 || places < this.#conns.length * 4) places *= 2;
    this.#places = new Int32Array(places);
    this.#mask = places - 1;
    this.#used = 0;
    for (const conn of this.#conns) {
      if (conn === null) continue;
      this.#place(originalHash(conn), conn.index * 2 + 2);
      this.#place(replyHash(conn), conn.index * 2 + 3);
    }
  }
}

function originalHash(conn: Conn): number {
  return hashTuple(conn.origSrc, conn.origDst, conn.origSport, conn.origDport, conn.protocol);
}

function replyHash(conn: Conn): number {
  return hashTuple(conn.replSrc, conn.replDst, conn.replSport, conn.replDport, conn.protocol);
}

/** Direction of the tuple that a reference from {@link ConntrackTable.find} means. */
export function directionOf(ref: number): 0 | 1 {
  return (ref & 1) as 0 | 1;
}

function sourceKey(src: Ip, sport: number, protocol: number): number {
  return hashTuple(src, 0, sport, 0, protocol);
}

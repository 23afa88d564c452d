import type { Ip } from '@netsim/wire';
import { Hook } from '../hook.ts';
import type { Device } from '../net/device.ts';
import type { Skb } from '../skb.ts';
import { type Conn, CtInfo, CtStatus, ctDirection } from './conntrack.ts';
import type { NetfilterHost } from './host.ts';
import type { NatRange } from './iptables/rule.ts';
import type { ConntrackTracker } from './tracker.ts';
import { isIcmpErrorType } from './tuple-of.ts';

/** Which end of a packet a hook may change (Linux: enum nf_nat_manip_type, HOOK2MANIP). */
export const Manip = { SRC: 0, DST: 1 } as const;
export type Manip = (typeof Manip)[keyof typeof Manip];

export function manipOf(hook: Hook): Manip {
  return hook === Hook.POSTROUTING || hook === Hook.INPUT ? Manip.SRC : Manip.DST;
}

const MAX_ATTEMPTS = 128;

/** Decides a connection's translation once, and applies it to each of its packets (Linux: nf_nat_core.c). */
export class Nat {
  readonly #tracker: ConntrackTracker;
  readonly #host: NetfilterHost;
  /** The tuple being chosen, in the original direction as it leaves. */
  #src: Ip = 0;
  #dst: Ip = 0;
  #sport = 0;
  #dport = 0;
  /** It was looked up as it stands, and nobody else has it. */
  #free = false;

  constructor(host: NetfilterHost, tracker: ConntrackTracker) {
    this.#host = host;
    this.#tracker = tracker;
  }

  isDone(conn: Conn, manip: Manip): boolean {
    return (conn.status & (manip === Manip.SRC ? CtStatus.SRC_NAT_DONE : CtStatus.DST_NAT_DONE)) !== 0;
  }

  /** No rule had a say: addresses stay, but two connections must still not become one (Linux: nf_nat_alloc_null_binding). */
  nullBinding(conn: Conn, manip: Manip): void {
    const address = manip === Manip.SRC ? conn.replDst : conn.replSrc;
    if ((conn.status & CtStatus.CONFIRMED) !== 0) return;
    const { generation } = this.#tracker.table;
    if (
      conn.replyFreeAt === generation ||
      !this.#tracker.taken(conn.replSrc, conn.replDst, conn.replSport, conn.replDport, conn)
    ) {
      conn.replyFreeAt = generation;
      conn.status |= manip === Manip.SRC ? CtStatus.SRC_NAT_DONE : CtStatus.DST_NAT_DONE;
      return;
    }
    this.setup(conn, manip, { minAddress: address, maxAddress: address });
  }

  /** Chooses the translated tuple from a rule's range (Linux: nf_nat_setup_info, get_unique_tuple). */
  setup(conn: Conn, manip: Manip, range: NatRange): void {
    if (this.isDone(conn, manip) || (conn.status & CtStatus.CONFIRMED) !== 0) return;
    const icmp = isIcmp(conn);
    this.#src = conn.replDst;
    this.#dst = conn.replSrc;
    this.#sport = icmp ? conn.replSport : conn.replDport;
    this.#dport = icmp ? conn.origDport : conn.replSport;
    this.#free = false;
    this.#choose(conn, manip, range);
    conn.replyFreeAt = this.#free ? this.#tracker.table.generation : -1;
    const changed =
      this.#src !== conn.replDst ||
      this.#dst !== conn.replSrc ||
      this.#sport !== (icmp ? conn.replSport : conn.replDport) ||
      (!icmp && this.#dport !== conn.replSport);
    if (changed) {
      conn.replSrc = this.#dst;
      conn.replDst = this.#src;
      if (icmp) conn.replSport = this.#sport;
      else {
        conn.replSport = this.#dport;
        conn.replDport = this.#sport;
      }
      conn.status |= manip === Manip.SRC ? CtStatus.SRC_NAT : CtStatus.DST_NAT;
    }
    conn.status |= manip === Manip.SRC ? CtStatus.SRC_NAT_DONE : CtStatus.DST_NAT_DONE;
  }

  #choose(conn: Conn, manip: Manip, range: NatRange): void {
    if (manip === Manip.SRC && range.randomFully !== true) {
      if (this.#sourceInRange(range)) {
        if (!this.#used(conn)) return;
      } else if (this.#sameSourceAsBefore(conn, range) && !this.#used(conn)) return;
    }
    this.#chooseAddress(conn, manip, range);
    if (range.randomFully !== true && range.random !== true) {
      if (range.minPort !== undefined) {
        const maxPort = range.maxPort ?? range.minPort;
        const port = manip === Manip.SRC ? this.#sport : this.#dport;
        if (port >= range.minPort && port <= maxPort && (range.minPort === maxPort || !this.#used(conn))) return;
      } else if (!this.#used(conn)) return;
    }
    this.#choosePort(conn, manip, range);
  }

  #sourceInRange(range: NatRange): boolean {
    if (range.minAddress !== undefined && !between(this.#src, range.minAddress, range.maxAddress ?? range.minAddress))
      return false;
    if (range.minPort === undefined) return true;
    return this.#sport >= range.minPort && this.#sport <= (range.maxPort ?? range.minPort);
  }

  /** A source keeps one translation towards all destinations (Linux: find_appropriate_src). */
  #sameSourceAsBefore(conn: Conn, range: NatRange): boolean {
    const { origSrc: src, origSport: sport, protocol } = conn;
    const keepSrc = this.#src;
    const keepSport = this.#sport;
    for (let other = this.#tracker.table.fromSource(src, sport, protocol); other !== null; other = other.nextBySource) {
      if (other.origSrc !== src || other.origSport !== sport || other.protocol !== protocol) continue;
      this.#src = other.replDst;
      this.#sport = isIcmp(other) ? other.replSport : other.replDport;
      if (this.#sourceInRange(range)) return true;
    }
    this.#src = keepSrc;
    this.#sport = keepSport;
    return false;
  }

  #chooseAddress(conn: Conn, manip: Manip, range: NatRange): void {
    const { minAddress, maxAddress = minAddress } = range;
    if (minAddress === undefined || maxAddress === undefined) return;
    let address = minAddress;
    if (minAddress !== maxAddress) {
      // One client keeps one address; Linux spreads them by a hash with a random seed.
      const { origSrc: src, origDst: dst } = conn;
      const hash = mix(src) ^ (range.persistent === true ? 0 : mix(dst));
      if (typeof minAddress === 'number') {
        const size = ((Number(maxAddress) >>> 0) - (minAddress >>> 0) + 1) >>> 0;
        address = (minAddress + (size === 0 ? hash : (hash >>> 0) % size)) | 0;
      } else address = minAddress + (BigInt(hash >>> 0) % (BigInt(maxAddress) - minAddress + 1n));
    }
    this.#free = false;
    if (manip === Manip.SRC) this.#src = address;
    else this.#dst = address;
  }

  /** A port that no other connection has (Linux: nf_nat_l4proto_unique_tuple). */
  #choosePort(conn: Conn, manip: Manip, range: NatRange): void {
    const icmp = isIcmp(conn);
    if (!icmp && !hasPorts(conn.protocol)) return;
    let min: number;
    let size: number;
    if (range.minPort !== undefined) {
      min = range.minPort;
      size = (range.maxPort ?? range.minPort) - min + 1;
    } else if (icmp) {
      min = 0;
      size = 65536;
    } else {
      if (manip === Manip.DST) return;
      // The class of a port is kept: a server may grant rights to low ones.
      if (this.#sport < 512) {
        min = 1;
        size = 511;
      } else if (this.#sport < 1024) {
        min = 600;
        size = 424;
      } else {
        min = 1024;
        size = 64512;
      }
    }
    const anyOffset = range.randomFully === true || range.random === true || manip === Manip.SRC;
    let offset = anyOffset ? this.#host.random.below(65536) : 0;
    let attempts = Math.min(size, MAX_ATTEMPTS);
    for (;;) {
      for (let i = 0; i < attempts; i++, offset++) {
        const port = min + (offset % size);
        if (icmp || manip === Manip.SRC) this.#sport = port;
        else this.#dport = port;
        if (!this.#used(conn)) return;
      }
      if (attempts >= size || attempts < 16) return;
      attempts >>= 1;
      offset = this.#host.random.below(65536);
    }
  }

  /** Would the reply of the tuple being chosen be taken for another connection's? */
  #used(conn: Conn): boolean {
    const used = isIcmp(conn)
      ? this.#tracker.taken(this.#dst, this.#src, this.#sport, conn.replDport, conn)
      : this.#tracker.taken(this.#dst, this.#src, this.#dport, this.#sport, conn);
    this.#free = !used;
    return used;
  }

  /** Rewrites a packet as its connection says. True if anything changed. */
  translate(skb: Skb, conn: Conn, hook: Hook): boolean {
    const manip = manipOf(hook);
    const reply = ctDirection(skb.ctInfo) === 1;
    let bit: number = manip === Manip.SRC ? CtStatus.SRC_NAT : CtStatus.DST_NAT;
    if (reply) bit = bit === CtStatus.SRC_NAT ? CtStatus.DST_NAT : CtStatus.SRC_NAT;
    if ((conn.status & bit) === 0) return false;
    // The tuple of the other direction, turned round, is what the packet shall look like.
    const src = reply ? conn.origDst : conn.replDst;
    const dst = reply ? conn.origSrc : conn.replSrc;
    const sport = reply ? conn.origDport : conn.replDport;
    const dport = reply ? conn.origSport : conn.replSport;
    if (
      (skb.ctInfo === CtInfo.RELATED || skb.ctInfo === CtInfo.RELATED_REPLY) &&
      isIcmpErrorType(skb.protocol, skb.icmpType)
    ) {
      if (skb.inner !== null) translateInner(skb.inner, src, dst, sport, dport, manip);
      if (manip === Manip.SRC) skb.src = src;
      else skb.dst = dst;
      return true;
    }
    const protocol = conn.protocol;
    if (manip === Manip.SRC) {
      skb.src = src;
      if (hasPorts(protocol)) skb.sport = sport;
    } else {
      skb.dst = dst;
      if (hasPorts(protocol)) skb.dport = dport;
    }
    if (protocol === 1 || protocol === 58) skb.sport = dport;
    return true;
  }

  /** The device of a MASQUERADE is another one now: the connection cannot go on (Linux: nf_nat_oif_changed). */
  outDeviceChanged(skb: Skb, conn: Conn, hook: Hook, out: Device | null): boolean {
    return (
      conn.masqueradeDevice !== null &&
      hook === Hook.POSTROUTING &&
      ctDirection(skb.ctInfo) === 0 &&
      conn.masqueradeDevice !== out
    );
  }
}

/** The packet quoted by an ICMP error goes the other way, so its other end is changed. */
function translateInner(inner: Skb, src: Ip, dst: Ip, sport: number, dport: number, manip: Manip): void {
  const ports = hasPorts(inner.protocol);
  if (manip === Manip.SRC) {
    inner.dst = src;
    if (ports) inner.dport = sport;
  } else {
    inner.src = dst;
    if (ports) inner.sport = dport;
  }
  if (inner.protocol === 1 || inner.protocol === 58) inner.sport = dport;
}

function hasPorts(protocol: number): boolean {
  return protocol === 6 || protocol === 17 || protocol === 132 || protocol === 33 || protocol === 136;
}

function isIcmp(conn: Conn): boolean {
  const protocol = conn.protocol;
  return protocol === 1 || protocol === 58;
}

function between(ip: Ip, min: Ip, max: Ip): boolean {
  if (typeof ip === 'number') return ip >>> 0 >= Number(min) >>> 0 && ip >>> 0 <= Number(max) >>> 0;
  return ip >= BigInt(min) && ip <= BigInt(max);
}

function mix(ip: Ip): number {
  const word = typeof ip === 'number' ? ip : Number(BigInt.asIntN(32, ip)) ^ Number(BigInt.asIntN(32, ip >> 64n));
  const h = Math.imul(word ^ (word >>> 16), 0x45d9f3b);
  return Math.imul(h ^ (h >>> 16), 0x45d9f3b);
}

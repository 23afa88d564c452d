import { type Ip, TcpFlag } from '@netsim/wire';
import { Verdict } from '../hook.ts';
import type { Skb } from '../skb.ts';
import { type Conn, CT_NAT_MASK, CtInfo, CtStatus, ctDirection, hashTuple } from './conntrack.ts';
import { ConntrackSettings } from './conntrack-settings.ts';
import { ConntrackTable, directionOf } from './conntrack-table.ts';
import { TcpState, TcpTrack, TcpVerdict } from './conntrack-tcp.ts';
import type { NetfilterHost } from './host.ts';
import { icmpMayStart, invertIcmpType, isIcmpErrorType, isUntrackedIcmp6, tupleDport, tupleSport } from './tuple-of.ts';

/** States of an SCTP association, of those that two directions alone can tell. */
const SctpState = { COOKIE_WAIT: 2, ESTABLISHED: 4 } as const;

/**
 * Finds or makes the connection of each packet and moves its state (Linux: nf_conntrack_in, nf_conntrack_confirm). A new
 * connection enters the table only when its first packet leaves the last hook; one whose packet is dropped was never there.
 */
export class ConntrackTracker {
  readonly table: ConntrackTable;
  readonly #host: NetfilterHost;
  readonly #settings: ConntrackSettings;
  #nextId = 1;

  constructor(host: NetfilterHost) {
    this.#host = host;
    const settings = new ConntrackSettings(host);
    this.#settings = settings;
    this.table = new ConntrackTable({
      now: () => host.now(),
      get max() {
        return settings.now().max;
      },
      get rests() {
        return host.rests;
      },
    });
  }

  /** At PREROUTING and OUTPUT. DROP only where the table is full. */
  track(skb: Skb): Verdict {
    // Over lo it comes a second time; NOTRACK set the other.
    if (skb.ct !== null || skb.ctInfo === CtInfo.UNTRACKED) return Verdict.ACCEPT;
    const protocol = skb.protocol;
    if (protocol === 1 || protocol === 58) {
      if (protocol === 58 && isUntrackedIcmp6(skb.icmpType)) {
        skb.ctInfo = CtInfo.UNTRACKED;
        return Verdict.ACCEPT;
      }
      if (isIcmpErrorType(protocol, skb.icmpType)) {
        this.#trackError(skb);
        return Verdict.ACCEPT;
      }
    }
    const now = this.#host.now();
    const sport = tupleSport(skb);
    const dport = tupleDport(skb);
    for (;;) {
      const hash = hashTuple(skb.src, skb.dst, sport, dport, protocol);
      const ref = this.table.find(hash, skb.src, skb.dst, sport, dport, protocol, now);
      if (ref === 0) return this.#begin(skb, sport, dport, hash, now);
      const conn = this.table.conn(ref);
      const direction = directionOf(ref);
      if (!this.#advance(conn, skb, direction, now)) {
        if ((conn.status & CtStatus.DYING) !== 0) continue;
        return Verdict.ACCEPT;
      }
      skb.ct = conn;
      if (direction === 1) {
        skb.ctInfo = CtInfo.ESTABLISHED_REPLY;
        conn.status |= CtStatus.SEEN_REPLY;
      } else skb.ctInfo = (conn.status & CtStatus.SEEN_REPLY) !== 0 ? CtInfo.ESTABLISHED : CtInfo.NEW;
      return Verdict.ACCEPT;
    }
  }

  #begin(skb: Skb, sport: number, dport: number, hash: number, now: number): Verdict {
    const protocol = skb.protocol;
    let replySport = dport;
    let replyDport = sport;
    if (protocol === 1 || protocol === 58) {
      if (!icmpMayStart(protocol, skb.icmpType)) return Verdict.ACCEPT;
      replySport = sport;
      replyDport = (invertIcmpType(protocol, skb.icmpType) << 8) | skb.icmpCode;
    }
    let tcp: TcpTrack | null = null;
    if (protocol === 6) {
      tcp = new TcpTrack();
      if (!tcp.start(skb, this.#settings.now().tcpLoose)) return Verdict.ACCEPT;
    }
    if (!this.table.makeRoom(hash, now)) {
      skb.dropReason = 'CONNTRACK_TABLE_FULL';
      return Verdict.DROP;
    }
    const conn = this.table.allocate();
    conn.begin(this.#nextId++, protocol, skb.src, skb.dst, sport, dport, replySport, replyDport);
    conn.tcp = tcp;
    conn.originalFreeAt = this.table.generation;
    if (protocol === 17) conn.streamAt = now + 2000;
    if (!this.#advance(conn, skb, 0, now)) return Verdict.ACCEPT;
    skb.ct = conn;
    skb.ctInfo = CtInfo.NEW;
    return Verdict.ACCEPT;
  }

  /** Moves the protocol's state and renews the timeout. False: the packet is INVALID, or the connection was reopened (then it is dying). */
  #advance(conn: Conn, skb: Skb, direction: 0 | 1, now: number): boolean {
    switch (conn.protocol) {
      case 6:
        return this.#advanceTcp(conn, conn.tcp!, skb, direction, now);
      case 17:
        if ((conn.status & CtStatus.SEEN_REPLY) !== 0 && now > conn.streamAt) {
          conn.status |= CtStatus.ASSURED;
          conn.expires = now + this.#settings.now().udpStream;
        } else conn.expires = now + this.#settings.now().udp;
        return true;
      case 1:
        conn.expires = now + this.#settings.now().icmp;
        return true;
      case 58:
        conn.expires = now + this.#settings.now().icmpv6;
        return true;
      case 132: {
        // Chunks are not part of a packet here: two directions seen make an association.
        if (direction === 1 && conn.state !== SctpState.ESTABLISHED) {
          conn.state = SctpState.ESTABLISHED;
          conn.status |= CtStatus.ASSURED;
        } else if (conn.state === 0) conn.state = SctpState.COOKIE_WAIT;
        const { sctpEstablished, sctpCookieWait } = this.#settings.now();
        conn.expires = now + (conn.state === SctpState.ESTABLISHED ? sctpEstablished : sctpCookieWait);
        return true;
      }
      default:
        conn.expires = now + this.#settings.now().generic;
        return true;
    }
  }

  #advanceTcp(conn: Conn, tcp: TcpTrack, skb: Skb, direction: 0 | 1, now: number): boolean {
    const before = tcp.state;
    const settings = this.#settings.now();
    const verdict = tcp.packet(skb, direction, settings.tcpBeLiberal);
    switch (verdict) {
      case TcpVerdict.REOPENED:
        this.table.remove(conn);
        return false;
      case TcpVerdict.INVALID:
        return false;
      case TcpVerdict.IGNORED:
        return true;
    }
    const state = tcp.state;
    conn.state = state;
    if ((conn.status & CtStatus.SEEN_REPLY) === 0 && (skb.flags & TcpFlag.RST) !== 0) {
      // Only a reset came back: there never was a connection. The packet itself still goes home by it.
      this.table.remove(conn);
      return true;
    }
    let timeout = settings.tcp[state]!;
    if (state === TcpState.ESTABLISHED) {
      if (tcp.unacknowledged) timeout = Math.min(timeout, settings.tcpUnacknowledged);
      if (
        (conn.status & CtStatus.SEEN_REPLY) !== 0 &&
        (before === TcpState.SYN_RECV || before === TcpState.ESTABLISHED)
      ) {
        conn.status |= CtStatus.ASSURED;
      }
    }
    conn.expires = now + timeout;
    return true;
  }

  /** An ICMP error belongs to the connection of the packet that it quotes (Linux: nf_conntrack_inet_error). */
  #trackError(skb: Skb): void {
    const inner = skb.inner;
    if (inner === null) return;
    const protocol = inner.protocol;
    let sport = tupleDport(inner);
    let dport = tupleSport(inner);
    if (protocol === 1 || protocol === 58) {
      const type = invertIcmpType(protocol, inner.icmpType);
      if (type < 0) return;
      sport = inner.sport;
      dport = (type << 8) | inner.icmpCode;
    }
    const hash = hashTuple(inner.dst, inner.src, sport, dport, protocol);
    const ref = this.table.find(hash, inner.dst, inner.src, sport, dport, protocol, this.#host.now());
    if (ref === 0) return;
    const conn = this.table.conn(ref);
    const reply = directionOf(ref) === 1;
    // An error about one connection that is sent to the address of another is a forgery.
    if ((reply ? conn.replDst : conn.origDst) !== skb.dst) return;
    skb.ct = conn;
    skb.ctInfo = reply ? CtInfo.RELATED_REPLY : CtInfo.RELATED;
  }

  /** At the end of POSTROUTING and INPUT. */
  confirm(skb: Skb): Verdict {
    const conn = skb.ct;
    if (conn === null || (conn.status & CtStatus.CONFIRMED) !== 0 || ctDirection(skb.ctInfo) !== 0)
      return Verdict.ACCEPT;
    if ((conn.status & CtStatus.DYING) !== 0) {
      skb.dropReason = 'NETFILTER_DROP';
      return Verdict.DROP;
    }
    const now = this.#host.now();
    const { generation } = this.table;
    if (conn.originalFreeAt === generation && conn.replyFreeAt === generation) {
      this.table.insert(conn, now);
      return Verdict.ACCEPT;
    }
    const { protocol, origSrc, origDst, origSport, origDport, replSrc, replDst, replSport, replDport } = conn;
    const other =
      this.#lookup(origSrc, origDst, origSport, origDport, protocol) ??
      this.#lookup(replSrc, replDst, replSport, replDport, protocol);
    if (other === null) {
      this.table.insert(conn, now);
      return Verdict.ACCEPT;
    }
    if (sameTuples(other, conn)) {
      // Two first packets of one flow were under way at once: the second takes the first one's entry.
      skb.ct = other;
      return Verdict.ACCEPT;
    }
    skb.dropReason = (conn.status & CT_NAT_MASK) !== 0 ? 'NAT_NO_PORT' : 'NETFILTER_DROP';
    return Verdict.DROP;
  }

  #lookup(src: Ip, dst: Ip, sport: number, dport: number, protocol: number): Conn | null {
    const hash = hashTuple(src, dst, sport, dport, protocol);
    const ref = this.table.find(hash, src, dst, sport, dport, protocol, this.#host.now());
    return ref === 0 ? null : this.table.conn(ref);
  }

  /** Is there a connection other than `self` with this tuple (Linux: nf_conntrack_tuple_taken)? */
  taken(src: Ip, dst: Ip, sport: number, dport: number, self: Conn): boolean {
    const found = this.#lookup(src, dst, sport, dport, self.protocol);
    return found !== null && found !== self;
  }
}

function sameTuples(a: Conn, b: Conn): boolean {
  return (
    a.origSrc === b.origSrc &&
    a.origDst === b.origDst &&
    a.origSport === b.origSport &&
    a.origDport === b.origDport &&
    a.replSrc === b.replSrc &&
    a.replDst === b.replDst &&
    a.replSport === b.replSport &&
    a.replDport === b.replDport
  );
}

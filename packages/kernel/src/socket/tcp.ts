import { EtherType, formatEndpoint, type Ip, IpProto, TcpFlag } from '@netsim/wire';
import type { Timer } from '../clock.ts';
import { type Dst, DstKind } from '../net/dst.ts';
import type { SocketError } from '../net/icmp.ts';
import { ipLocalOut, routeOutput } from '../net/ip-output.ts';
import type { Netns } from '../net/netns.ts';
import { Skb } from '../skb.ts';
import type { Errno } from './errno.ts';
import { Socket } from './socket.ts';
import { segmentLength } from './tcp-reset.ts';

export type TcpState =
  | 'SYN_SENT'
  | 'SYN_RECV'
  | 'ESTABLISHED'
  | 'FIN_WAIT1'
  | 'FIN_WAIT2'
  | 'CLOSE_WAIT'
  | 'CLOSING'
  | 'LAST_ACK'
  | 'TIME_WAIT'
  | 'CLOSED';

/** As `ss` writes them. */
const ssNames: Record<TcpState, string> = {
  SYN_SENT: 'SYN-SENT',
  SYN_RECV: 'SYN-RECV',
  ESTABLISHED: 'ESTAB',
  FIN_WAIT1: 'FIN-WAIT-1',
  FIN_WAIT2: 'FIN-WAIT-2',
  CLOSE_WAIT: 'CLOSE-WAIT',
  CLOSING: 'CLOSING',
  LAST_ACK: 'LAST-ACK',
  TIME_WAIT: 'TIME-WAIT',
  CLOSED: 'UNCONN',
};

/** What a program hears of its connection. */
export interface TcpHandlers {
  onConnect?: ((connection: TcpConnection) => void) | undefined;
  /** Bytes arrived in order; null where only their number is known. */
  onData?: ((data: Uint8Array | null, length: number, connection: TcpConnection) => void) | undefined;
  /** The other side sends no more. */
  onEnd?: ((connection: TcpConnection) => void) | undefined;
  /** It is over: in peace (`error` is '') or not. */
  onClose?: ((error: Errno | '', connection: TcpConnection) => void) | undefined;
}

const FIRST_RTO = 1_000;
const DATA_RTO = 200;
const MAX_RTO = 120_000;
const TIME_WAIT_TIME = 60_000;
const WINDOW = 64_240;

/** A segment that was not acknowledged yet. */
interface Unacked {
  seq: number;
  flags: number;
  payload: Uint8Array | null;
  length: number;
}

/** Sequence numbers wrap: is `a` before `b`? */
function before(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}

/**
 * One end of a TCP connection: handshake, data in order, FIN, RST, retransmission with Linux's back-off in virtual time.
 * Flow and congestion control, urgent data and most options are not modelled.
 */
export class TcpConnection extends Socket {
  readonly protocol = 'tcp';
  phase: TcpState;
  error: Errno | '' = '';
  handlers: TcpHandlers;
  /** Bytes received. */
  received = 0;
  /** Identity of the first packet that this side sent. */
  firstTrackId = 0;
  /** The packet sent last. */
  lastSent: Skb | null = null;
  /** Called once the handshake of an incoming connection is done. */
  accepted: ((connection: TcpConnection) => void) | null = null;
  #sndUna: number;
  #sndNxt: number;
  #rcvNxt = 0;
  #mss: number;
  #unacked: Unacked[] = [];
  #timer: Timer | null = null;
  #retries = 0;
  #dst: Dst | null = null;
  #replyTo: Skb | null = null;
  #closing = false;

  constructor(
    netns: Netns,
    local: Ip,
    lport: number,
    remote: Ip,
    rport: number,
    program: string,
    phase: TcpState,
    handlers: TcpHandlers,
  ) {
    super(netns, local, lport, program);
    this.remoteAddress = remote;
    this.remotePort = rport;
    this.phase = phase;
    this.handlers = handlers;
    const isn = netns.random.below(0x4000_0000);
    this.#sndUna = isn;
    this.#sndNxt = isn;
    this.#mss = typeof local === 'number' ? 1460 : 1440;
  }

  state(): string {
    return ssNames[this.phase];
  }
  override describe(): string {
    return `tcp ${formatEndpoint(this.localAddress!, this.localPort)}`;
  }
  get established(): boolean {
    return this.phase === 'ESTABLISHED';
  }

  /** Sends the SYN. '' or an error known at once. */
  open(): Errno | '' {
    const route = this.#route();
    if (route.kind === DstKind.ERROR) return route.error === '' ? 'ENETUNREACH' : route.error;
    this.#mss = route.mtu - (typeof this.localAddress === 'number' ? 40 : 60);
    this.#queue(TcpFlag.SYN, null, 0);
    return '';
  }

  /** Takes a SYN that a listener received, and answers it. */
  openPassive(syn: Skb): void {
    this.#rcvNxt = (syn.seq + 1) >>> 0;
    const route = this.#route();
    if (route.kind === DstKind.ERROR) return;
    this.#mss = Math.min(route.mtu - (typeof this.localAddress === 'number' ? 40 : 60), syn.mss === 0 ? 536 : syn.mss);
    this.#replyTo = syn;
    this.#queue(TcpFlag.SYN | TcpFlag.ACK, null, 0);
    this.#replyTo = null;
  }

  /** Sends bytes, or as many zeros as `data` says. */
  send(data: Uint8Array | number): Errno | '' {
    if (this.error !== '') return this.error;
    if (this.#closing) return 'EPIPE';
    if (this.phase !== 'ESTABLISHED' && this.phase !== 'CLOSE_WAIT') return 'ENOTCONN';
    const total = typeof data === 'number' ? data : data.length;
    for (let at = 0; at < total; at += this.#mss) {
      const length = Math.min(this.#mss, total - at);
      const last = at + length >= total;
      const payload = typeof data === 'number' ? null : data.subarray(at, at + length);
      this.#queue(TcpFlag.ACK | (last ? TcpFlag.PSH : 0), payload, length);
    }
    return '';
  }

  /** Sends no more; the connection ends when both sides have said so. */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    switch (this.phase) {
      case 'SYN_SENT':
        this.#finish('');
        return;
      case 'SYN_RECV':
      case 'ESTABLISHED':
        this.phase = 'FIN_WAIT1';
        break;
      case 'CLOSE_WAIT':
        this.phase = 'LAST_ACK';
        break;
      default:
        return;
    }
    this.#queue(TcpFlag.FIN | TcpFlag.ACK, null, 0);
  }

  /** Ends it at once, with a RST. */
  abort(): void {
    if (this.phase === 'CLOSED') return;
    if (this.phase !== 'SYN_SENT' && this.phase !== 'TIME_WAIT') {
      this.#push(this.#segment(TcpFlag.RST | TcpFlag.ACK, this.#sndNxt, null, 0));
    }
    this.#finish('');
  }

  /** Fills a bare ACK of the connection as it stands: for measuring one packet of an established flow. */
  prepareAck(skb: Skb): void {
    this.#fill(skb, TcpFlag.ACK, this.#sndNxt, null, 0);
    skb.trackId = 0;
  }
  /** Sends a prepared segment. */
  transmit(skb: Skb): Errno | '' {
    return ipLocalOut(this.netns, skb, this.#route());
  }

  /** A segment for this connection (RFC 9293, 3.10.7). */
  receive(skb: Skb): void {
    this.netns.delivered(skb, this);
    const bare = (skb.flags & (TcpFlag.SYN | TcpFlag.FIN | TcpFlag.RST)) === 0 && skb.payloadLength === 0;
    if (bare && this.phase === 'ESTABLISHED' && skb.ack === this.#sndUna && skb.seq === this.#rcvNxt) return;
    this.#replyTo = skb;
    if (this.phase === 'SYN_SENT') this.#receiveSynSent(skb);
    else this.#receiveOpen(skb);
    this.#replyTo = null;
  }

  #receiveSynSent(skb: Skb): void {
    const hasAck = (skb.flags & TcpFlag.ACK) !== 0;
    if (hasAck && skb.ack !== this.#sndNxt) {
      if ((skb.flags & TcpFlag.RST) === 0) this.#push(this.#segment(TcpFlag.RST, skb.ack, null, 0));
      return;
    }
    if ((skb.flags & TcpFlag.RST) !== 0) {
      if (hasAck) this.#finish('ECONNREFUSED');
      return;
    }
    if ((skb.flags & TcpFlag.SYN) === 0) return;
    this.#rcvNxt = (skb.seq + 1) >>> 0;
    if (skb.mss > 0) this.#mss = Math.min(this.#mss, skb.mss);
    if (!hasAck) {
      this.phase = 'SYN_RECV';
      this.#unacked = [];
      this.#sndNxt = this.#sndUna;
      this.#queue(TcpFlag.SYN | TcpFlag.ACK, null, 0);
      return;
    }
    this.#acknowledged(skb.ack);
    this.phase = 'ESTABLISHED';
    this.#sendAck();
    this.handlers.onConnect?.(this);
  }

  #receiveOpen(skb: Skb): void {
    const length = segmentLength(skb);
    if (skb.seq !== this.#rcvNxt) {
      // Old or too early: say what is expected. A RST must be exact.
      if ((skb.flags & TcpFlag.RST) === 0) {
        if (this.phase === 'SYN_RECV' && (skb.flags & TcpFlag.SYN) !== 0) this.#retransmit();
        else this.#sendAck();
      }
      skb.dropReason = before(skb.seq, this.#rcvNxt) ? '' : 'TCP_INVALID_SEQUENCE';
      return;
    }
    if ((skb.flags & TcpFlag.RST) !== 0) {
      this.#finish(this.phase === 'CLOSE_WAIT' ? 'EPIPE' : this.phase === 'SYN_RECV' ? 'ECONNREFUSED' : 'ECONNRESET');
      return;
    }
    if ((skb.flags & TcpFlag.SYN) !== 0) {
      this.#sendAck();
      return;
    }
    if ((skb.flags & TcpFlag.ACK) === 0) return;
    if (before(this.#sndNxt, skb.ack)) {
      if (this.phase === 'SYN_RECV') this.#push(this.#segment(TcpFlag.RST, skb.ack, null, 0));
      else this.#sendAck();
      return;
    }
    this.#acknowledged(skb.ack);
    if (this.phase === 'SYN_RECV') {
      this.phase = 'ESTABLISHED';
      this.accepted?.(this);
      this.handlers.onConnect?.(this);
    }
    const allAcked = this.#unacked.length === 0;
    if (allAcked && this.phase === 'FIN_WAIT1') this.phase = 'FIN_WAIT2';
    else if (allAcked && this.phase === 'CLOSING') this.#timeWait();
    else if (allAcked && this.phase === 'LAST_ACK') {
      this.#finish('');
      return;
    }
    if (length === 0) return;
    this.#rcvNxt = (this.#rcvNxt + length) >>> 0;
    const fin = (skb.flags & TcpFlag.FIN) !== 0;
    if (fin) {
      if (this.phase === 'ESTABLISHED') this.phase = 'CLOSE_WAIT';
      else if (this.phase === 'FIN_WAIT1') this.phase = 'CLOSING';
      else if (this.phase === 'FIN_WAIT2') this.#timeWait();
    }
    this.#sendAck();
    if (skb.payloadLength > 0) {
      this.received += skb.payloadLength;
      this.handlers.onData?.(skb.payload, skb.payloadLength, this);
    }
    if (fin) this.handlers.onEnd?.(this);
  }

  /** An ICMP error about a segment of this connection (Linux: tcp_v4_err): it ends an attempt to connect, and nothing else. */
  override receiveError(skb: Skb, _about: Skb, { errno }: SocketError): void {
    if (errno === 'EMSGSIZE') {
      this.#shrink(skb.icmpData);
      return;
    }
    if (this.phase === 'SYN_SENT' || this.phase === 'SYN_RECV') this.#finish(errno);
  }

  /** A router said that segments are too long: cut them again and send them (Linux: tcp_simple_retransmit). */
  #shrink(mtu: number): void {
    const mss = mtu - (typeof this.localAddress === 'number' ? 40 : 60);
    if (mtu === 0 || mss >= this.#mss || mss < 88) return;
    this.#mss = mss;
    const cut: Unacked[] = [];
    for (const segment of this.#unacked) {
      for (let at = 0; at === 0 || at < segment.length; at += mss) {
        const length = Math.min(mss, segment.length - at);
        cut.push({
          seq: (segment.seq + at) >>> 0,
          flags: segment.flags,
          payload: segment.payload?.subarray(at, at + length) ?? null,
          length,
        });
      }
    }
    this.#unacked = cut;
    for (const segment of cut) this.#push(this.#segment(segment.flags, segment.seq, segment.payload, segment.length));
  }

  #route(): Dst {
    const known = this.#dst;
    if (known !== null && known.generation === this.netns.fibGeneration) return known;
    this.#dst = routeOutput(this.netns, this.remoteAddress!, this.localAddress, 0, null);
    return this.#dst;
  }

  #fill(skb: Skb, flags: number, seq: number, payload: Uint8Array | null, length: number): void {
    const local = this.localAddress!;
    skb.etherType = typeof local === 'number' ? EtherType.IPV4 : EtherType.IPV6;
    skb.protocol = IpProto.TCP;
    skb.src = local;
    skb.dst = this.remoteAddress!;
    skb.sport = this.localPort;
    skb.dport = this.remotePort;
    skb.flags = flags;
    skb.seq = seq >>> 0;
    skb.ack = (flags & TcpFlag.ACK) !== 0 ? this.#rcvNxt : 0;
    skb.window = WINDOW;
    skb.payload = payload;
    skb.payloadLength = length;
    skb.ttl = this.netns.defaultTtl(typeof local === 'number' ? 4 : 6);
    skb.id = this.netns.nextIpId();
    if ((flags & TcpFlag.SYN) !== 0) skb.mss = this.#mss;
  }

  #segment(flags: number, seq: number, payload: Uint8Array | null, length: number): Skb {
    const skb = new Skb();
    this.#fill(skb, flags, seq, payload, length);
    skb.trackId = this.netns.world.nextTrackId();
    if (this.firstTrackId === 0) this.firstTrackId = skb.trackId;
    return skb;
  }

  #push(skb: Skb): void {
    this.lastSent = skb;
    const { watcher } = this.netns.world;
    if (watcher !== null && this.#replyTo !== null) watcher.answered?.(this.netns, this.#replyTo, skb);
    const route = this.#route();
    if (route.kind === DstKind.ERROR) {
      this.netns.drop(skb, 'IP_OUTNOROUTES');
      return;
    }
    // As in Linux an error of sending is not the connection's: it is sent again later.
    ipLocalOut(this.netns, skb, route);
  }

  #sendAck(): void {
    this.#push(this.#segment(TcpFlag.ACK, this.#sndNxt, null, 0));
  }

  /** Sends a segment that has to be acknowledged. */
  #queue(flags: number, payload: Uint8Array | null, length: number): void {
    const skb = this.#segment(flags, this.#sndNxt, payload, length);
    this.#unacked.push({ seq: this.#sndNxt, flags, payload, length });
    this.#sndNxt = (this.#sndNxt + segmentLength(skb)) >>> 0;
    if (this.#timer === null) this.#arm();
    this.#push(skb);
  }

  #arm(): void {
    const { clock } = this.netns.world;
    const first = this.phase === 'SYN_SENT' || this.phase === 'SYN_RECV' ? FIRST_RTO : DATA_RTO;
    this.#timer = clock.schedule(clock.now + Math.min(first * 2 ** this.#retries, MAX_RTO), () => this.#expired());
  }

  #expired(): void {
    this.#timer = null;
    const limit = this.netns.sysctl(
      this.phase === 'SYN_SENT'
        ? 'net.ipv4.tcp_syn_retries'
        : this.phase === 'SYN_RECV'
          ? 'net.ipv4.tcp_synack_retries'
          : 'net.ipv4.tcp_retries2',
    );
    if (this.#retries >= limit) {
      this.#finish('ETIMEDOUT');
      return;
    }
    this.#retries++;
    this.#arm();
    this.#retransmit();
  }

  #retransmit(): void {
    const oldest = this.#unacked[0];
    if (oldest !== undefined) this.#push(this.#segment(oldest.flags, oldest.seq, oldest.payload, oldest.length));
  }

  #acknowledged(ack: number): void {
    if (!before(this.#sndUna, ack)) return;
    this.#sndUna = ack;
    this.#unacked = this.#unacked.filter((segment) => {
      const length = segment.length + ((segment.flags & (TcpFlag.SYN | TcpFlag.FIN)) !== 0 ? 1 : 0);
      return before(ack, segment.seq + length);
    });
    this.#retries = 0;
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#unacked.length > 0) this.#arm();
  }

  #timeWait(): void {
    this.phase = 'TIME_WAIT';
    this.#timer?.cancel();
    const { clock } = this.netns.world;
    this.#timer = clock.schedule(clock.now + TIME_WAIT_TIME, () => {
      this.#timer = null;
      this.phase = 'CLOSED';
      this.netns.sockets.tcp.remove(this);
    });
    this.handlers.onClose?.('', this);
  }

  #finish(error: Errno | ''): void {
    const told = this.phase === 'TIME_WAIT' || this.phase === 'CLOSED';
    this.phase = 'CLOSED';
    this.error = error;
    this.#unacked = [];
    this.#timer?.cancel();
    this.#timer = null;
    this.netns.sockets.tcp.remove(this);
    if (!told) this.handlers.onClose?.(error, this);
  }
}

import { TcpFlag } from '@netsim/wire';
import type { Skb } from '../skb.ts';

/** States of a TCP connection as conntrack sees it (Linux: enum tcp_conntrack). */
export const TcpState = {
  NONE: 0,
  SYN_SENT: 1,
  SYN_RECV: 2,
  ESTABLISHED: 3,
  FIN_WAIT: 4,
  CLOSE_WAIT: 5,
  LAST_ACK: 6,
  TIME_WAIT: 7,
  CLOSE: 8,
  SYN_SENT2: 9,
} as const;
export const tcpStateNames = [
  'NONE',
  'SYN_SENT',
  'SYN_RECV',
  'ESTABLISHED',
  'FIN_WAIT',
  'CLOSE_WAIT',
  'LAST_ACK',
  'TIME_WAIT',
  'CLOSE',
  'SYN_SENT2',
] as const;

/** sysctl and default, in seconds, of each state's timeout. */
export const tcpTimeouts: readonly (readonly [string, number])[] = [
  ['syn_sent', 120],
  ['syn_sent', 120],
  ['syn_recv', 60],
  ['established', 432000],
  ['fin_wait', 120],
  ['close_wait', 60],
  ['last_ack', 30],
  ['time_wait', 120],
  ['close', 10],
  ['syn_sent', 120],
];

const IGNORE = 10;
const INVALID = 11;
const [, SS, SR, ES, FW, CW, LA, TW, CL, S2, IG, IV] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, IGNORE, INVALID] as const;

const SYN = 0;
const SYNACK = 1;
const FIN = 2;
const ACK = 3;
const RST = 4;
const NONE = 5;

/** Next state by direction, kind of segment, and state (Linux: tcp_conntracks in nf_conntrack_proto_tcp.c). */
const transitions: readonly (readonly (readonly number[])[])[] = [
  [
    [SS, SS, IG, IG, IG, IG, IG, SS, SS, S2],
    [IV, IV, SR, IV, IV, IV, IV, IV, IV, SR],
    [IV, IV, FW, FW, LA, LA, LA, TW, CL, IV],
    [ES, IV, ES, ES, CW, CW, TW, TW, CL, IV],
    [IV, CL, CL, CL, CL, CL, CL, CL, CL, CL],
    [IV, IV, IV, IV, IV, IV, IV, IV, IV, IV],
  ],
  [
    [IV, S2, IV, IV, IV, IV, IV, SS, IV, S2],
    [IV, SR, IG, IG, IG, IG, IG, IG, IG, SR],
    [IV, IV, FW, FW, LA, LA, LA, TW, CL, IV],
    [IV, IG, SR, ES, CW, CW, TW, TW, CL, IG],
    [IV, CL, CL, CL, CL, CL, CL, CL, CL, CL],
    [IV, IV, IV, IV, IV, IV, IV, IV, IV, IV],
  ],
];

function segmentKind(flags: number): number {
  if ((flags & TcpFlag.RST) !== 0) return RST;
  if ((flags & TcpFlag.SYN) !== 0) return (flags & TcpFlag.ACK) !== 0 ? SYNACK : SYN;
  if ((flags & TcpFlag.FIN) !== 0) return FIN;
  return (flags & TcpFlag.ACK) !== 0 ? ACK : NONE;
}

/** Flag combinations that a sane stack sends, PSH aside. Others are INVALID. */
function flagsValid(flags: number): boolean {
  switch (flags & ~TcpFlag.PSH & 63) {
    case TcpFlag.SYN:
    case TcpFlag.SYN | TcpFlag.URG:
    case TcpFlag.SYN | TcpFlag.ACK:
    case TcpFlag.RST:
    case TcpFlag.RST | TcpFlag.ACK:
    case TcpFlag.FIN | TcpFlag.ACK:
    case TcpFlag.FIN | TcpFlag.ACK | TcpFlag.URG:
    case TcpFlag.ACK:
    case TcpFlag.ACK | TcpFlag.URG:
      return true;
    default:
      return false;
  }
}

/** What one side has sent and may send (Linux: struct ip_ct_tcp_state). Sequence numbers as signed 32-bit integers. */
class TcpSide {
  end = 0;
  maxEnd = 0;
  maxWindow = 0;
  liberal = false;
  /** It sent the first FIN. */
  closing = false;
  /** Sent data that was not acknowledged yet. */
  unacknowledged = false;

  restart(end: number, window: number): void {
    this.end = end;
    this.maxEnd = end;
    this.maxWindow = window;
    this.liberal = false;
    this.closing = false;
    this.unacknowledged = false;
  }
}

/** Outcome of {@link TcpTrack.packet}. */
export const TcpVerdict = {
  /** Fine: the state is in `state`, the timeout to be renewed. */
  OK: 0,
  /** Fine, but neither state nor timeout change. */
  IGNORED: 1,
  INVALID: 2,
  /** The connection was over: forget it and look again. */
  REOPENED: 3,
} as const;

/** TCP's part of a connection: the state machine and the window check. */
export class TcpTrack {
  state: number = TcpState.NONE;
  readonly #client = new TcpSide();
  readonly #server = new TcpSide();
  #lastDirection: 0 | 1 = 0;
  #lastKind = NONE;
  #lastEnd = 0;
  #lastWindow = 0;

  /** Some data waits for its acknowledgement: such a connection is kept for a shorter time. */
  get unacknowledged(): boolean {
    return this.#client.unacknowledged || this.#server.unacknowledged;
  }

  /** First packet of a connection. False: INVALID. `loose`: nf_conntrack_tcp_loose. */
  start(skb: Skb, loose: boolean): boolean {
    if (!flagsValid(skb.flags)) return false;
    const next = transitions[0]![segmentKind(skb.flags)]![TcpState.NONE]!;
    if (next >= IGNORE) return false;
    const sender = this.#client;
    const receiver = this.#server;
    sender.end = segmentEnd(skb);
    sender.maxWindow = Math.max(skb.window, 1);
    if (next === TcpState.SYN_SENT) {
      sender.maxEnd = sender.end;
      return true;
    }
    if (!loose) return false;
    sender.maxEnd = (sender.end + sender.maxWindow) | 0;
    // Window scaling was not seen: be kind to what follows.
    sender.liberal = true;
    receiver.liberal = true;
    return true;
  }

  packet(skb: Skb, direction: 0 | 1, liberal: boolean): number {
    const flags = skb.flags;
    if (!flagsValid(flags)) return TcpVerdict.INVALID;
    const kind = segmentKind(flags);
    const old = this.state;
    let next = transitions[direction]![kind]![old]!;
    if (next === INVALID) return TcpVerdict.INVALID;
    const sender = direction === 0 ? this.#client : this.#server;
    if (next === TcpState.SYN_SENT && old >= TcpState.TIME_WAIT) {
      const other = direction === 0 ? this.#server : this.#client;
      if (other.closing || (this.#lastDirection === direction && this.#lastKind === RST)) return TcpVerdict.REOPENED;
      next = IGNORE;
    }
    if (next === IGNORE) {
      const answersIgnoredSyn =
        kind === SYNACK &&
        this.#lastKind === SYN &&
        this.#lastDirection !== direction &&
        (skb.ack | 0) === this.#lastEnd;
      if (!answersIgnoredSyn) {
        this.#remember(skb, direction, kind);
        return TcpVerdict.IGNORED;
      }
      // The two ends began anew behind our back: follow them.
      (direction === 0 ? this.#server : this.#client).restart(this.#lastEnd, Math.max(this.#lastWindow, 1));
      sender.restart(0, 0);
      this.state = TcpState.SYN_SENT;
      next = TcpState.SYN_RECV;
    }
    if (!this.#inWindow(skb, direction, kind, liberal)) return TcpVerdict.INVALID;
    this.#remember(skb, direction, kind);
    if (old !== next && next === TcpState.FIN_WAIT) sender.closing = true;
    this.state = next;
    return TcpVerdict.OK;
  }

  #remember(skb: Skb, direction: 0 | 1, kind: number): void {
    this.#lastDirection = direction;
    this.#lastKind = kind;
    this.#lastEnd = segmentEnd(skb);
    this.#lastWindow = skb.window;
  }

  /** Does the segment lie in what the other side may receive (Linux: tcp_in_window)? */
  #inWindow(skb: Skb, direction: 0 | 1, kind: number, liberal: boolean): boolean {
    const sender = direction === 0 ? this.#client : this.#server;
    const receiver = direction === 0 ? this.#server : this.#client;
    let seq = skb.seq | 0;
    let end = segmentEnd(skb);
    let ack = skb.ack | 0;
    const hasAck = (skb.flags & TcpFlag.ACK) !== 0;
    const isSyn = (skb.flags & TcpFlag.SYN) !== 0;
    const isRst = (skb.flags & TcpFlag.RST) !== 0;
    if (sender.maxWindow === 0) {
      sender.end = end;
      sender.maxWindow = Math.max(skb.window, 1);
      if (isSyn) {
        sender.maxEnd = end;
        if (!hasAck) return true;
      } else {
        sender.maxEnd = (end + sender.maxWindow) | 0;
        if (receiver.maxWindow === 0) {
          receiver.end = ack;
          receiver.maxEnd = ack;
        } else if (ack === ((receiver.end + 1) | 0)) receiver.end = ack;
      }
    } else if (
      isSyn &&
      (this.state === TcpState.SYN_SENT || this.state === TcpState.SYN_RECV) &&
      after(end, sender.end)
    ) {
      sender.end = end;
      sender.maxEnd = end;
      sender.maxWindow = Math.max(skb.window, 1);
      if (direction === 1 && !hasAck) return true;
    }
    if (!hasAck || (isRst && ack === 0)) ack = receiver.end;
    if (isRst && seq === 0 && this.state === TcpState.SYN_SENT) {
      seq = sender.end;
      end = sender.end;
    }
    const ok =
      before(seq, (sender.maxEnd + 1) | 0) &&
      after(end, (sender.end - receiver.maxWindow - 1) | 0) &&
      before(ack, (receiver.end + 1) | 0) &&
      after(ack, (receiver.end - Math.max(66000, sender.maxWindow) - 1) | 0);
    if (!ok) return liberal || sender.liberal;
    if (sender.maxWindow < skb.window) sender.maxWindow = skb.window;
    if (after(end, sender.end)) {
      sender.end = end;
      sender.unacknowledged = true;
    }
    if (hasAck && ack === receiver.end) receiver.unacknowledged = false;
    const allowed = (ack + Math.max(skb.window, 1)) | 0;
    if (kind !== RST && after(allowed, (receiver.maxEnd - 1) | 0)) receiver.maxEnd = allowed;
    return true;
  }
}

function segmentEnd(skb: Skb): number {
  const flags = skb.flags;
  return (
    (skb.seq + skb.payloadLength + ((flags & TcpFlag.SYN) !== 0 ? 1 : 0) + ((flags & TcpFlag.FIN) !== 0 ? 1 : 0)) | 0
  );
}
function before(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}
function after(a: number, b: number): boolean {
  return ((b - a) | 0) < 0;
}

import { type Ends, internetChecksum, pseudoHeaderSum } from './checksum.ts';
import { WireError } from './error.ts';
import { PortsView } from './ports-view.ts';
import { IpProto } from './protocol.ts';
import { fits } from './view.ts';

export const TCP_HEADER = 20;

/** TCP (RFC 9293). */
export interface TcpSegment {
  readonly sport: number;
  readonly dport: number;
  readonly seq: number;
  readonly ack: number;
  /** TcpFlag bits, ECE (64) and CWR (128). */
  readonly flags: number;
  readonly window: number;
  readonly urgent: number;
  /** As on the wire: a multiple of 4 bytes, at most 40. */
  readonly options: Uint8Array;
  readonly payload: Uint8Array;
}

/** See {@link TcpSegment}. */
export class TcpView extends PortsView {
  constructor(bytes: Uint8Array) {
    super('TCP', bytes, TCP_HEADER);
  }
  fault(): string | undefined {
    const { headerLength } = this;
    if (headerLength < TCP_HEADER) return `header length ${headerLength} is less than ${TCP_HEADER}`;
    if (headerLength > this.bytes.length) {
      return `header length ${headerLength} is more than the ${this.bytes.length} bytes there are`;
    }
    return undefined;
  }
  get seq(): number {
    return this.data.getUint32(4);
  }
  set seq(value: number) {
    this.data.setUint32(4, value);
  }
  get ack(): number {
    return this.data.getUint32(8);
  }
  set ack(value: number) {
    this.data.setUint32(8, value);
  }
  /** In bytes (on the wire: data offset). */
  get headerLength(): number {
    return (this.bytes[12] >> 4) * 4;
  }
  set headerLength(value: number) {
    this.bytes[12] = (value >> 2) << 4;
  }
  get flags(): number {
    return this.bytes[13];
  }
  set flags(value: number) {
    this.bytes[13] = value;
  }
  get window(): number {
    return this.data.getUint16(14);
  }
  set window(value: number) {
    this.data.setUint16(14, value);
  }
  get checksum(): number {
    return this.data.getUint16(16);
  }
  set checksum(value: number) {
    this.data.setUint16(16, value);
  }
  get urgent(): number {
    return this.data.getUint16(18);
  }
  set urgent(value: number) {
    this.data.setUint16(18, value);
  }
  get options(): Uint8Array {
    return this.bytes.subarray(TCP_HEADER, Math.max(TCP_HEADER, this.headerLength));
  }
  get payload(): Uint8Array {
    return this.bytes.subarray(this.headerLength);
  }
  hasValidChecksum(ends: Ends): boolean {
    return this.#checksum(ends) === 0;
  }
  fillChecksum(ends: Ends): void {
    this.checksum = 0;
    this.checksum = this.#checksum(ends);
  }
  #checksum(ends: Ends): number {
    return internetChecksum(this.bytes, pseudoHeaderSum(ends, IpProto.TCP, this.bytes.length));
  }
}

/** Throws WireError where the bytes are not TCP or the checksum is wrong. Options and payload are parts of `bytes`. */
export function parseTcp(bytes: Uint8Array, ends: Ends): TcpSegment {
  const view = new TcpView(bytes).check();
  if (!view.hasValidChecksum(ends)) throw new WireError('TCP', 'checksum', 'wrong checksum');
  const { sport, dport, seq, ack, flags, window, urgent, options, payload } = view;
  return { sport, dport, seq, ack, flags, window, urgent, options, payload };
}

export function encodeTcp(segment: TcpSegment, ends: Ends): Uint8Array {
  const { options, payload } = segment;
  if (options.length > 40 || options.length % 4 !== 0) {
    throw new WireError('TCP', 'malformed', `options of ${options.length} bytes`);
  }
  const headerLength = TCP_HEADER + options.length;
  const view = new TcpView(new Uint8Array(headerLength + payload.length));
  view.sport = fits('TCP', 'sport', segment.sport, 16);
  view.dport = fits('TCP', 'dport', segment.dport, 16);
  view.seq = fits('TCP', 'seq', segment.seq, 32);
  view.ack = fits('TCP', 'ack', segment.ack, 32);
  view.headerLength = headerLength;
  view.flags = fits('TCP', 'flags', segment.flags, 8);
  view.window = fits('TCP', 'window', segment.window, 16);
  view.urgent = fits('TCP', 'urgent', segment.urgent, 16);
  view.options.set(options);
  view.payload.set(payload);
  view.fillChecksum(ends);
  return view.bytes;
}

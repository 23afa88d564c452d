import { type Ends, internetChecksum, pseudoHeaderSum } from './checksum.ts';
import { WireError } from './error.ts';
import { PortsView } from './ports-view.ts';
import { IpProto } from './protocol.ts';
import { fits } from './view.ts';

export const UDP_HEADER = 8;

/** UDP (RFC 768). */
export interface UdpDatagram {
  readonly sport: number;
  readonly dport: number;
  readonly payload: Uint8Array;
}

/** See {@link UdpDatagram}. */
export class UdpView extends PortsView {
  constructor(bytes: Uint8Array) {
    super('UDP', bytes, UDP_HEADER);
  }
  fault(): string | undefined {
    if (this.length < UDP_HEADER) return `length ${this.length} is less than ${UDP_HEADER}`;
    if (this.length > this.bytes.length)
      return `length ${this.length} is more than the ${this.bytes.length} bytes there are`;
    return undefined;
  }
  get length(): number {
    return this.data.getUint16(4);
  }
  set length(value: number) {
    this.data.setUint16(4, value);
  }
  get checksum(): number {
    return this.data.getUint16(6);
  }
  set checksum(value: number) {
    this.data.setUint16(6, value);
  }
  get payload(): Uint8Array {
    return this.bytes.subarray(UDP_HEADER, Math.max(UDP_HEADER, this.length));
  }
  /** Over IPv4 a checksum of 0 means that there is none, and is accepted; over IPv6 it is not. */
  hasValidChecksum(ends: Ends): boolean {
    if (this.checksum === 0) return typeof ends.src === 'number';
    return this.#checksum(ends) === 0;
  }
  fillChecksum(ends: Ends): void {
    this.checksum = 0;
    this.checksum = this.#checksum(ends) || 0xffff;
  }
  #checksum(ends: Ends): number {
    return internetChecksum(this.bytes.subarray(0, this.length), pseudoHeaderSum(ends, IpProto.UDP, this.length));
  }
}

/** Throws WireError where the bytes are not UDP or the checksum is wrong. The payload is a part of `bytes`, not a copy. */
export function parseUdp(bytes: Uint8Array, ends: Ends): UdpDatagram {
  const view = new UdpView(bytes).check();
  if (!view.hasValidChecksum(ends)) throw new WireError('UDP', 'checksum', 'wrong checksum');
  return { sport: view.sport, dport: view.dport, payload: view.payload };
}

export function encodeUdp(datagram: UdpDatagram, ends: Ends): Uint8Array {
  const { payload } = datagram;
  const length = fits('UDP', 'length', UDP_HEADER + payload.length, 16);
  const view = new UdpView(new Uint8Array(length));
  view.sport = fits('UDP', 'sport', datagram.sport, 16);
  view.dport = fits('UDP', 'dport', datagram.dport, 16);
  view.length = length;
  view.payload.set(payload);
  view.fillChecksum(ends);
  return view.bytes;
}

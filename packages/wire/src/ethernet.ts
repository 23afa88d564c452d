import type { Mac } from './address.ts';
import { readMac, writeMac } from './octets.ts';
import { fits, View } from './view.ts';

export const ETHERNET_HEADER = 14;

/** Ethernet II (IEEE 802.3, clause 3), without preamble and frame check sequence. */
export interface EthernetFrame {
  readonly dst: Mac;
  readonly src: Mac;
  /** EtherType, at least 0x0600. */
  readonly type: number;
  readonly payload: Uint8Array;
}

/** See {@link EthernetFrame}. */
export class EthernetView extends View {
  constructor(bytes: Uint8Array) {
    super('Ethernet', bytes, ETHERNET_HEADER);
  }
  fault(): string | undefined {
    return this.type < 0x0600 ? `type 0x${this.type.toString(16)} is a length: not Ethernet II` : undefined;
  }
  get dst(): Mac {
    return readMac(this.bytes, 0);
  }
  set dst(mac: Mac) {
    writeMac(this.bytes, 0, mac);
  }
  get src(): Mac {
    return readMac(this.bytes, 6);
  }
  set src(mac: Mac) {
    writeMac(this.bytes, 6, mac);
  }
  get type(): number {
    return this.data.getUint16(12);
  }
  set type(type: number) {
    this.data.setUint16(12, type);
  }
  get payload(): Uint8Array {
    return this.bytes.subarray(ETHERNET_HEADER);
  }
}

/** Throws WireError where the bytes are not Ethernet II. The payload is a part of `bytes`, not a copy. */
export function parseEthernet(bytes: Uint8Array): EthernetFrame {
  const view = new EthernetView(bytes).check();
  return { dst: view.dst, src: view.src, type: view.type, payload: view.payload };
}

export function encodeEthernet(frame: EthernetFrame): Uint8Array {
  const view = new EthernetView(new Uint8Array(ETHERNET_HEADER + frame.payload.length));
  view.dst = frame.dst;
  view.src = frame.src;
  view.type = fits('Ethernet', 'type', frame.type, 16);
  view.payload.set(frame.payload);
  return view.check().bytes;
}

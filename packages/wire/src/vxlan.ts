import { fits, View } from './view.ts';

export const VXLAN_HEADER = 8;
/** Destination port that Linux uses by default; IANA's is 4789. */
export const VXLAN_PORT_LINUX = 8472;

/** VXLAN (RFC 7348): the payload of a UDP datagram. */
export interface VxlanPacket {
  /** VXLAN network identifier, 24 bits. */
  readonly vni: number;
  /** The Ethernet frame inside. */
  readonly payload: Uint8Array;
}

/** See {@link VxlanPacket}. */
export class VxlanView extends View {
  constructor(bytes: Uint8Array) {
    super('VXLAN', bytes, VXLAN_HEADER);
  }
  fault(): string | undefined {
    return this.flags & 0x08 ? undefined : 'the I flag is not set: no network identifier';
  }
  get flags(): number {
    return this.bytes[0];
  }
  set flags(value: number) {
    this.bytes[0] = value;
  }
  get vni(): number {
    return this.data.getUint32(4) >>> 8;
  }
  set vni(value: number) {
    this.data.setUint32(4, (value << 8) >>> 0);
  }
  get payload(): Uint8Array {
    return this.bytes.subarray(VXLAN_HEADER);
  }
}

/** Throws WireError where the bytes are not VXLAN. The payload is a part of `bytes`, not a copy. */
export function parseVxlan(bytes: Uint8Array): VxlanPacket {
  const { vni, payload } = new VxlanView(bytes).check();
  return { vni, payload };
}

export function encodeVxlan(packet: VxlanPacket): Uint8Array {
  const view = new VxlanView(new Uint8Array(VXLAN_HEADER + packet.payload.length));
  view.flags = 0x08;
  view.vni = fits('VXLAN', 'vni', packet.vni, 24);
  view.payload.set(packet.payload);
  return view.bytes;
}

import { View } from './view.ts';

export const ICMP_HEADER = 8;

/** The eight bytes that ICMP (RFC 792) and ICMPv6 (RFC 4443) have in common: type, code, checksum, and a word that the type gives its meaning. */
export abstract class IcmpHeaderView extends View {
  constructor(layer: string, bytes: Uint8Array) {
    super(layer, bytes, ICMP_HEADER);
  }
  get type(): number {
    return this.bytes[0];
  }
  set type(value: number) {
    this.bytes[0] = value;
  }
  get code(): number {
    return this.bytes[1];
  }
  set code(value: number) {
    this.bytes[1] = value;
  }
  get checksum(): number {
    return this.data.getUint16(2);
  }
  set checksum(value: number) {
    this.data.setUint16(2, value);
  }
  /** The second word of the header, whose meaning depends on the type. */
  get rest(): number {
    return this.data.getUint32(4);
  }
  set rest(value: number) {
    this.data.setUint32(4, value);
  }
  get identifier(): number {
    return this.data.getUint16(4);
  }
  set identifier(value: number) {
    this.data.setUint16(4, value);
  }
  get sequence(): number {
    return this.data.getUint16(6);
  }
  set sequence(value: number) {
    this.data.setUint16(6, value);
  }
  get payload(): Uint8Array {
    return this.bytes.subarray(ICMP_HEADER);
  }
}

import type { Ipv4 } from './address.ts';
import { internetChecksum } from './checksum.ts';
import { WireError } from './error.ts';
import { readIp, writeIp } from './octets.ts';
import { fits, View } from './view.ts';

export const IPV4_HEADER = 20;

/** IPv4 (RFC 791). Version, lengths and checksum are made of the rest. */
export interface Ipv4Packet {
  /** Type of service: DSCP and ECN. */
  readonly tos: number;
  readonly id: number;
  readonly dontFragment: boolean;
  readonly moreFragments: boolean;
  /** In bytes, a multiple of 8. */
  readonly fragmentOffset: number;
  readonly ttl: number;
  readonly protocol: number;
  readonly src: Ipv4;
  readonly dst: Ipv4;
  /** As on the wire: a multiple of 4 bytes, at most 40. */
  readonly options: Uint8Array;
  readonly payload: Uint8Array;
}

/** See {@link Ipv4Packet}. */
export class Ipv4View extends View {
  constructor(bytes: Uint8Array) {
    super('IPv4', bytes, IPV4_HEADER);
  }
  fault(): string | undefined {
    const { version, headerLength, totalLength } = this;
    if (version !== 4) return `version is ${version}`;
    if (headerLength < IPV4_HEADER) return `header length ${headerLength} is less than ${IPV4_HEADER}`;
    if (totalLength < headerLength) return `total length ${totalLength} is less than the header's ${headerLength}`;
    if (totalLength > this.bytes.length)
      return `total length ${totalLength} is more than the ${this.bytes.length} bytes there are`;
    return undefined;
  }
  get version(): number {
    return this.bytes[0] >> 4;
  }
  set version(value: number) {
    this.bytes[0] = (value << 4) | (this.bytes[0] & 0x0f);
  }
  /** In bytes. */
  get headerLength(): number {
    return (this.bytes[0] & 0x0f) * 4;
  }
  set headerLength(value: number) {
    this.bytes[0] = (this.bytes[0] & 0xf0) | (value >> 2);
  }
  get tos(): number {
    return this.bytes[1];
  }
  set tos(value: number) {
    this.bytes[1] = value;
  }
  get totalLength(): number {
    return this.data.getUint16(2);
  }
  set totalLength(value: number) {
    this.data.setUint16(2, value);
  }
  get id(): number {
    return this.data.getUint16(4);
  }
  set id(value: number) {
    this.data.setUint16(4, value);
  }
  get dontFragment(): boolean {
    return (this.bytes[6] & 0x40) !== 0;
  }
  set dontFragment(value: boolean) {
    this.bytes[6] = (this.bytes[6] & ~0x40) | (value ? 0x40 : 0);
  }
  get moreFragments(): boolean {
    return (this.bytes[6] & 0x20) !== 0;
  }
  set moreFragments(value: boolean) {
    this.bytes[6] = (this.bytes[6] & ~0x20) | (value ? 0x20 : 0);
  }
  get fragmentOffset(): number {
    return (this.data.getUint16(6) & 0x1fff) * 8;
  }
  set fragmentOffset(value: number) {
    this.data.setUint16(6, (this.data.getUint16(6) & 0xe000) | (value >> 3));
  }
  get ttl(): number {
    return this.bytes[8];
  }
  set ttl(value: number) {
    this.bytes[8] = value;
  }
  get protocol(): number {
    return this.bytes[9];
  }
  set protocol(value: number) {
    this.bytes[9] = value;
  }
  get checksum(): number {
    return this.data.getUint16(10);
  }
  set checksum(value: number) {
    this.data.setUint16(10, value);
  }
  get src(): Ipv4 {
    return readIp(this.data, 12, 4);
  }
  set src(ip: Ipv4) {
    writeIp(this.data, 12, ip);
  }
  get dst(): Ipv4 {
    return readIp(this.data, 16, 4);
  }
  set dst(ip: Ipv4) {
    writeIp(this.data, 16, ip);
  }
  get options(): Uint8Array {
    return this.bytes.subarray(IPV4_HEADER, Math.max(IPV4_HEADER, this.headerLength));
  }
  /** Up to the total length; bytes after it are padding of the link. */
  get payload(): Uint8Array {
    return this.bytes.subarray(this.headerLength, Math.max(this.headerLength, this.totalLength));
  }
  hasValidChecksum(): boolean {
    return internetChecksum(this.bytes.subarray(0, this.headerLength)) === 0;
  }
  fillChecksum(): void {
    this.checksum = 0;
    this.checksum = internetChecksum(this.bytes.subarray(0, this.headerLength));
  }
}

/** Throws WireError where the bytes are not IPv4 or the header checksum is wrong. Options and payload are parts of `bytes`. */
export function parseIpv4(bytes: Uint8Array): Ipv4Packet {
  const view = new Ipv4View(bytes).check();
  if (!view.hasValidChecksum()) throw new WireError('IPv4', 'checksum', 'wrong header checksum');
  const { tos, id, dontFragment, moreFragments, fragmentOffset, ttl, protocol, src, dst, options, payload } = view;
  return { tos, id, dontFragment, moreFragments, fragmentOffset, ttl, protocol, src, dst, options, payload };
}

export function encodeIpv4(packet: Ipv4Packet): Uint8Array {
  const { options, payload, fragmentOffset } = packet;
  if (options.length > 40 || options.length % 4 !== 0) {
    throw new WireError('IPv4', 'malformed', `options of ${options.length} bytes`);
  }
  if (fragmentOffset % 8 !== 0) {
    throw new WireError('IPv4', 'malformed', `fragment offset ${fragmentOffset} is not a multiple of 8`);
  }
  const headerLength = IPV4_HEADER + options.length;
  const totalLength = fits('IPv4', 'total length', headerLength + payload.length, 16);
  const view = new Ipv4View(new Uint8Array(totalLength));
  view.version = 4;
  view.headerLength = headerLength;
  view.tos = fits('IPv4', 'tos', packet.tos, 8);
  view.totalLength = totalLength;
  view.id = fits('IPv4', 'id', packet.id, 16);
  view.fragmentOffset = fits('IPv4', 'fragment offset', fragmentOffset, 16);
  view.dontFragment = packet.dontFragment;
  view.moreFragments = packet.moreFragments;
  view.ttl = fits('IPv4', 'ttl', packet.ttl, 8);
  view.protocol = fits('IPv4', 'protocol', packet.protocol, 8);
  view.src = packet.src;
  view.dst = packet.dst;
  view.options.set(options);
  view.payload.set(payload);
  view.fillChecksum();
  return view.bytes;
}

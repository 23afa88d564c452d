import type { Ipv6 } from './address.ts';
import { readIp, writeIp } from './octets.ts';
import { fits, View } from './view.ts';

export const IPV6_HEADER = 40;

/** IPv6 (RFC 8200), the fixed header. Extension headers, where there are any, are the start of the payload. */
export interface Ipv6Packet {
  readonly trafficClass: number;
  readonly flowLabel: number;
  readonly nextHeader: number;
  readonly hopLimit: number;
  readonly src: Ipv6;
  readonly dst: Ipv6;
  readonly payload: Uint8Array;
}

/** See {@link Ipv6Packet}. */
export class Ipv6View extends View {
  constructor(bytes: Uint8Array) {
    super('IPv6', bytes, IPV6_HEADER);
  }
  fault(): string | undefined {
    if (this.version !== 6) return `version is ${this.version}`;
    const there = this.bytes.length - IPV6_HEADER;
    if (this.payloadLength > there)
      return `payload length ${this.payloadLength} is more than the ${there} bytes there are`;
    return undefined;
  }
  get version(): number {
    return this.bytes[0] >> 4;
  }
  set version(value: number) {
    this.bytes[0] = (value << 4) | (this.bytes[0] & 0x0f);
  }
  get trafficClass(): number {
    return (this.data.getUint16(0) >> 4) & 0xff;
  }
  set trafficClass(value: number) {
    this.data.setUint16(0, (this.data.getUint16(0) & 0xf00f) | (value << 4));
  }
  get flowLabel(): number {
    return this.data.getUint32(0) & 0xf_ffff;
  }
  set flowLabel(value: number) {
    this.data.setUint32(0, ((this.data.getUint32(0) & 0xfff0_0000) | value) >>> 0);
  }
  get payloadLength(): number {
    return this.data.getUint16(4);
  }
  set payloadLength(value: number) {
    this.data.setUint16(4, value);
  }
  get nextHeader(): number {
    return this.bytes[6];
  }
  set nextHeader(value: number) {
    this.bytes[6] = value;
  }
  get hopLimit(): number {
    return this.bytes[7];
  }
  set hopLimit(value: number) {
    this.bytes[7] = value;
  }
  get src(): Ipv6 {
    return readIp(this.data, 8, 6);
  }
  set src(ip: Ipv6) {
    writeIp(this.data, 8, ip);
  }
  get dst(): Ipv6 {
    return readIp(this.data, 24, 6);
  }
  set dst(ip: Ipv6) {
    writeIp(this.data, 24, ip);
  }
  get payload(): Uint8Array {
    return this.bytes.subarray(IPV6_HEADER, IPV6_HEADER + this.payloadLength);
  }
}

/** Throws WireError where the bytes are not IPv6. The payload is a part of `bytes`, not a copy. */
export function parseIpv6(bytes: Uint8Array): Ipv6Packet {
  const { trafficClass, flowLabel, nextHeader, hopLimit, src, dst, payload } = new Ipv6View(bytes).check();
  return { trafficClass, flowLabel, nextHeader, hopLimit, src, dst, payload };
}

export function encodeIpv6(packet: Ipv6Packet): Uint8Array {
  const { payload } = packet;
  const view = new Ipv6View(new Uint8Array(IPV6_HEADER + fits('IPv6', 'payload length', payload.length, 16)));
  view.version = 6;
  view.trafficClass = fits('IPv6', 'traffic class', packet.trafficClass, 8);
  view.flowLabel = fits('IPv6', 'flow label', packet.flowLabel, 20);
  view.payloadLength = payload.length;
  view.nextHeader = fits('IPv6', 'next header', packet.nextHeader, 8);
  view.hopLimit = fits('IPv6', 'hop limit', packet.hopLimit, 8);
  view.src = packet.src;
  view.dst = packet.dst;
  view.payload.set(payload);
  return view.bytes;
}

import type { Ipv4, Mac } from './address.ts';
import { readIp, readMac, writeIp, writeMac } from './octets.ts';
import { EtherType } from './protocol.ts';
import { fits, View } from './view.ts';

export const ARP_LENGTH = 28;
export const ArpOp = { REQUEST: 1, REPLY: 2 } as const;

/** ARP for IPv4 over Ethernet (RFC 826). */
export interface ArpPacket {
  /** {@link ArpOp}. */
  readonly operation: number;
  readonly senderMac: Mac;
  readonly senderIp: Ipv4;
  readonly targetMac: Mac;
  readonly targetIp: Ipv4;
}

/** See {@link ArpPacket}. */
export class ArpView extends View {
  constructor(bytes: Uint8Array) {
    super('ARP', bytes, ARP_LENGTH);
  }
  fault(): string | undefined {
    if (this.hardwareType !== 1) return `hardware type ${this.hardwareType} is not Ethernet`;
    if (this.protocolType !== EtherType.IPV4) return `protocol type 0x${this.protocolType.toString(16)} is not IPv4`;
    if (this.hardwareLength !== 6 || this.protocolLength !== 4) return 'address lengths are not 6 and 4';
    return undefined;
  }
  get hardwareType(): number {
    return this.data.getUint16(0);
  }
  set hardwareType(value: number) {
    this.data.setUint16(0, value);
  }
  get protocolType(): number {
    return this.data.getUint16(2);
  }
  set protocolType(value: number) {
    this.data.setUint16(2, value);
  }
  get hardwareLength(): number {
    return this.bytes[4];
  }
  set hardwareLength(value: number) {
    this.bytes[4] = value;
  }
  get protocolLength(): number {
    return this.bytes[5];
  }
  set protocolLength(value: number) {
    this.bytes[5] = value;
  }
  get operation(): number {
    return this.data.getUint16(6);
  }
  set operation(value: number) {
    this.data.setUint16(6, value);
  }
  get senderMac(): Mac {
    return readMac(this.bytes, 8);
  }
  set senderMac(mac: Mac) {
    writeMac(this.bytes, 8, mac);
  }
  get senderIp(): Ipv4 {
    return readIp(this.data, 14, 4);
  }
  set senderIp(ip: Ipv4) {
    writeIp(this.data, 14, ip);
  }
  get targetMac(): Mac {
    return readMac(this.bytes, 18);
  }
  set targetMac(mac: Mac) {
    writeMac(this.bytes, 18, mac);
  }
  get targetIp(): Ipv4 {
    return readIp(this.data, 24, 4);
  }
  set targetIp(ip: Ipv4) {
    writeIp(this.data, 24, ip);
  }
}

/** Throws WireError where the bytes are not ARP for IPv4 over Ethernet. Bytes after it (padding) are ignored. */
export function parseArp(bytes: Uint8Array): ArpPacket {
  const view = new ArpView(bytes).check();
  const { operation, senderMac, senderIp, targetMac, targetIp } = view;
  return { operation, senderMac, senderIp, targetMac, targetIp };
}

export function encodeArp(packet: ArpPacket): Uint8Array {
  const view = new ArpView(new Uint8Array(ARP_LENGTH));
  view.hardwareType = 1;
  view.protocolType = EtherType.IPV4;
  view.hardwareLength = 6;
  view.protocolLength = 4;
  view.operation = fits('ARP', 'operation', packet.operation, 16);
  view.senderMac = packet.senderMac;
  view.senderIp = packet.senderIp;
  view.targetMac = packet.targetMac;
  view.targetIp = packet.targetIp;
  return view.bytes;
}

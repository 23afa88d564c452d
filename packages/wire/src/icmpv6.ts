import type { Ipv6, Mac } from './address.ts';
import { type Ends, internetChecksum, pseudoHeaderSum } from './checksum.ts';
import { assertNever, WireError } from './error.ts';
import { ICMP_HEADER, IcmpHeaderView } from './icmp-header.ts';
import { readIp, readMac, writeIp, writeMac } from './octets.ts';
import { IpProto } from './protocol.ts';
import { fits } from './view.ts';

export const ICMPV6_HEADER = ICMP_HEADER;

/** ICMPv6 types (RFC 4443, RFC 4861). */
export const Icmpv6Type = {
  UNREACHABLE: 1,
  PACKET_TOO_BIG: 2,
  TIME_EXCEEDED: 3,
  ECHO_REQUEST: 128,
  ECHO_REPLY: 129,
  NEIGHBOR_SOLICITATION: 135,
  NEIGHBOR_ADVERTISEMENT: 136,
} as const;

/** Codes of {@link Icmpv6Type} UNREACHABLE. */
export const Icmpv6Unreachable = {
  NO_ROUTE: 0,
  ADMIN_PROHIBITED: 1,
  ADDRESS: 3,
  PORT: 4,
  POLICY_FAIL: 5,
  REJECT_ROUTE: 6,
} as const;

/** Flags of a neighbour advertisement, as bits of the second word. */
export const NdFlag = { ROUTER: 0x8000_0000, SOLICITED: 0x4000_0000, OVERRIDE: 0x2000_0000 } as const;

/** ICMPv6 (RFC 4443): echo, errors, neighbour discovery (RFC 4861), and whatever else as bytes. */
export type Icmpv6Message =
  | {
      readonly kind: 'echo-request' | 'echo-reply';
      readonly identifier: number;
      readonly sequence: number;
      readonly payload: Uint8Array;
    }
  | { readonly kind: 'unreachable' | 'time-exceeded'; readonly code: number; readonly quoted: Uint8Array }
  | { readonly kind: 'packet-too-big'; readonly mtu: number; readonly quoted: Uint8Array }
  | {
      readonly kind: 'neighbor-solicitation';
      readonly target: Ipv6;
      /** Source link-layer address option. */
      readonly mac?: Mac;
    }
  | {
      readonly kind: 'neighbor-advertisement';
      readonly target: Ipv6;
      readonly router: boolean;
      readonly solicited: boolean;
      readonly override: boolean;
      /** Target link-layer address option. */
      readonly mac?: Mac;
    }
  /** `rest` is the second word of the header. */
  | {
      readonly kind: 'other';
      readonly type: number;
      readonly code: number;
      readonly rest: number;
      readonly payload: Uint8Array;
    };

const ND_TARGET = 8;
const ND_OPTIONS = 24;
const OPTION_SOURCE_MAC = 1;
const OPTION_TARGET_MAC = 2;

/** See {@link Icmpv6Message}. */
export class Icmpv6View extends IcmpHeaderView {
  constructor(bytes: Uint8Array) {
    super('ICMPv6', bytes);
  }
  fault(): string | undefined {
    if (!this.isNeighborDiscovery) return undefined;
    if (this.bytes.length < ND_OPTIONS) return `neighbour discovery of ${this.bytes.length} bytes has no target`;
    for (let at = ND_OPTIONS; at < this.bytes.length; at += this.bytes[at + 1] * 8) {
      const length = this.bytes[at + 1] * 8;
      if (!(length > 0)) return 'neighbour discovery option of length 0';
      if (at + length > this.bytes.length) return 'neighbour discovery option runs past the end';
    }
    return undefined;
  }
  get isNeighborDiscovery(): boolean {
    return this.type === Icmpv6Type.NEIGHBOR_SOLICITATION || this.type === Icmpv6Type.NEIGHBOR_ADVERTISEMENT;
  }
  /** Of neighbour discovery. Throws WireError where the bytes end before it. */
  get target(): Ipv6 {
    if (this.bytes.length < ND_OPTIONS) throw new WireError('ICMPv6', 'truncated', 'no target address');
    return readIp(this.data, ND_TARGET, 6);
  }
  set target(ip: Ipv6) {
    writeIp(this.data, ND_TARGET, ip);
  }
  /** Of neighbour discovery: the link-layer address of the first option of that type, where there is one. */
  option(type: number): Mac | undefined {
    for (let at = ND_OPTIONS; at + 8 <= this.bytes.length && this.bytes[at + 1] > 0; at += this.bytes[at + 1] * 8) {
      if (this.bytes[at] === type && this.bytes[at + 1] === 1) return readMac(this.bytes, at + 2);
    }
    return undefined;
  }
  hasValidChecksum(ends: Ends): boolean {
    return this.#checksum(ends) === 0;
  }
  fillChecksum(ends: Ends): void {
    this.checksum = 0;
    this.checksum = this.#checksum(ends);
  }
  #checksum(ends: Ends): number {
    return internetChecksum(this.bytes, pseudoHeaderSum(ends, IpProto.ICMPV6, this.bytes.length));
  }
}

/** Throws WireError where the bytes are not ICMPv6 or the checksum is wrong. Payload and quote are parts of `bytes`. */
export function parseIcmpv6(bytes: Uint8Array, ends: Ends): Icmpv6Message {
  const view = new Icmpv6View(bytes).check();
  if (!view.hasValidChecksum(ends)) throw new WireError('ICMPv6', 'checksum', 'wrong checksum');
  const { type, code, rest, identifier, sequence, payload } = view;
  switch (type) {
    case Icmpv6Type.ECHO_REQUEST:
    case Icmpv6Type.ECHO_REPLY:
      if (code !== 0) break;
      return { kind: type === Icmpv6Type.ECHO_REQUEST ? 'echo-request' : 'echo-reply', identifier, sequence, payload };
    case Icmpv6Type.UNREACHABLE:
    case Icmpv6Type.TIME_EXCEEDED:
      if (rest !== 0) break;
      return { kind: type === Icmpv6Type.UNREACHABLE ? 'unreachable' : 'time-exceeded', code, quoted: payload };
    case Icmpv6Type.PACKET_TOO_BIG:
      if (code !== 0) break;
      return { kind: 'packet-too-big', mtu: rest, quoted: payload };
    case Icmpv6Type.NEIGHBOR_SOLICITATION:
      return { kind: 'neighbor-solicitation', target: view.target, ...macOption(view, OPTION_SOURCE_MAC) };
    case Icmpv6Type.NEIGHBOR_ADVERTISEMENT:
      return {
        kind: 'neighbor-advertisement',
        target: view.target,
        router: (rest & NdFlag.ROUTER) !== 0,
        solicited: (rest & NdFlag.SOLICITED) !== 0,
        override: (rest & NdFlag.OVERRIDE) !== 0,
        ...macOption(view, OPTION_TARGET_MAC),
      };
  }
  return { kind: 'other', type, code, rest, payload };
}

function macOption(view: Icmpv6View, type: number): { mac?: Mac } {
  const mac = view.option(type);
  return mac === undefined ? {} : { mac };
}

export function encodeIcmpv6(message: Icmpv6Message, ends: Ends): Uint8Array {
  const view = new Icmpv6View(new Uint8Array(ICMPV6_HEADER + bodyLength(message)));
  switch (message.kind) {
    case 'echo-request':
    case 'echo-reply':
      view.type = message.kind === 'echo-request' ? Icmpv6Type.ECHO_REQUEST : Icmpv6Type.ECHO_REPLY;
      view.identifier = fits('ICMPv6', 'identifier', message.identifier, 16);
      view.sequence = fits('ICMPv6', 'sequence', message.sequence, 16);
      view.payload.set(message.payload);
      break;
    case 'unreachable':
    case 'time-exceeded':
      view.type = message.kind === 'unreachable' ? Icmpv6Type.UNREACHABLE : Icmpv6Type.TIME_EXCEEDED;
      view.code = fits('ICMPv6', 'code', message.code, 8);
      view.payload.set(message.quoted);
      break;
    case 'packet-too-big':
      view.type = Icmpv6Type.PACKET_TOO_BIG;
      view.rest = fits('ICMPv6', 'mtu', message.mtu, 32);
      view.payload.set(message.quoted);
      break;
    case 'neighbor-solicitation':
      view.type = Icmpv6Type.NEIGHBOR_SOLICITATION;
      writeNeighbor(view, message, OPTION_SOURCE_MAC);
      break;
    case 'neighbor-advertisement':
      view.type = Icmpv6Type.NEIGHBOR_ADVERTISEMENT;
      view.rest =
        (message.router ? NdFlag.ROUTER : 0) +
        (message.solicited ? NdFlag.SOLICITED : 0) +
        (message.override ? NdFlag.OVERRIDE : 0);
      writeNeighbor(view, message, OPTION_TARGET_MAC);
      break;
    case 'other':
      view.type = fits('ICMPv6', 'type', message.type, 8);
      view.code = fits('ICMPv6', 'code', message.code, 8);
      view.rest = fits('ICMPv6', 'rest', message.rest, 32);
      view.payload.set(message.payload);
      break;
    default:
      assertNever(message);
  }
  view.fillChecksum(ends);
  return view.bytes;
}

function bodyLength(message: Icmpv6Message): number {
  if ('target' in message) return message.mac === undefined ? 16 : 24;
  return ('quoted' in message ? message.quoted : message.payload).length;
}

function writeNeighbor(view: Icmpv6View, message: { target: Ipv6; mac?: Mac }, option: number): void {
  view.target = message.target;
  if (message.mac === undefined) return;
  view.bytes[ND_OPTIONS] = option;
  view.bytes[ND_OPTIONS + 1] = 1;
  writeMac(view.bytes, ND_OPTIONS + 2, message.mac);
}

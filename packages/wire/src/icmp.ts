import { internetChecksum } from './checksum.ts';
import { assertNever, WireError } from './error.ts';
import { ICMP_HEADER, IcmpHeaderView } from './icmp-header.ts';
import { fits } from './view.ts';

export { ICMP_HEADER };

/** ICMP types (RFC 792). */
export const IcmpType = {
  ECHO_REPLY: 0,
  UNREACHABLE: 3,
  REDIRECT: 5,
  ECHO_REQUEST: 8,
  TIME_EXCEEDED: 11,
  PARAMETER_PROBLEM: 12,
} as const;

/** Codes of {@link IcmpType} UNREACHABLE. */
export const IcmpUnreachable = {
  NET: 0,
  HOST: 1,
  PROTOCOL: 2,
  PORT: 3,
  FRAGMENTATION_NEEDED: 4,
  NET_PROHIBITED: 9,
  HOST_PROHIBITED: 10,
  ADMIN_PROHIBITED: 13,
} as const;

/** ICMP for IPv4 (RFC 792): echo, errors that quote a packet, and whatever else as bytes. */
export type IcmpMessage =
  | {
      readonly kind: 'echo-request' | 'echo-reply';
      readonly identifier: number;
      readonly sequence: number;
      readonly payload: Uint8Array;
    }
  | {
      readonly kind: 'unreachable' | 'time-exceeded';
      readonly code: number;
      /** Next-hop MTU (RFC 1191), for FRAGMENTATION_NEEDED; else 0. */
      readonly mtu: number;
      /** Start of the packet that could not go on, from its IP header. */
      readonly quoted: Uint8Array;
    }
  /** `rest` is the second word of the header. */
  | {
      readonly kind: 'other';
      readonly type: number;
      readonly code: number;
      readonly rest: number;
      readonly payload: Uint8Array;
    };

/** See {@link IcmpMessage}. */
export class IcmpView extends IcmpHeaderView {
  constructor(bytes: Uint8Array) {
    super('ICMP', bytes);
  }
  fault(): string | undefined {
    return undefined;
  }
  get mtu(): number {
    return this.data.getUint16(6);
  }
  set mtu(value: number) {
    this.data.setUint16(6, value);
  }
  hasValidChecksum(): boolean {
    return internetChecksum(this.bytes) === 0;
  }
  fillChecksum(): void {
    this.checksum = 0;
    this.checksum = internetChecksum(this.bytes);
  }
}

/** Throws WireError where the bytes are not ICMP or the checksum is wrong. Payload and quote are parts of `bytes`. */
export function parseIcmp(bytes: Uint8Array): IcmpMessage {
  const view = new IcmpView(bytes).check();
  if (!view.hasValidChecksum()) throw new WireError('ICMP', 'checksum', 'wrong checksum');
  const { type, code, rest, identifier, sequence, mtu, payload } = view;
  if (code === 0 && (type === IcmpType.ECHO_REQUEST || type === IcmpType.ECHO_REPLY)) {
    return { kind: type === IcmpType.ECHO_REQUEST ? 'echo-request' : 'echo-reply', identifier, sequence, payload };
  }
  if (identifier === 0 && (type === IcmpType.UNREACHABLE || type === IcmpType.TIME_EXCEEDED)) {
    return { kind: type === IcmpType.UNREACHABLE ? 'unreachable' : 'time-exceeded', code, mtu, quoted: payload };
  }
  return { kind: 'other', type, code, rest, payload };
}

export function encodeIcmp(message: IcmpMessage): Uint8Array {
  const payload = 'quoted' in message ? message.quoted : message.payload;
  const view = new IcmpView(new Uint8Array(ICMP_HEADER + payload.length));
  switch (message.kind) {
    case 'echo-request':
    case 'echo-reply':
      view.type = message.kind === 'echo-request' ? IcmpType.ECHO_REQUEST : IcmpType.ECHO_REPLY;
      view.identifier = fits('ICMP', 'identifier', message.identifier, 16);
      view.sequence = fits('ICMP', 'sequence', message.sequence, 16);
      break;
    case 'unreachable':
    case 'time-exceeded':
      view.type = message.kind === 'unreachable' ? IcmpType.UNREACHABLE : IcmpType.TIME_EXCEEDED;
      view.code = fits('ICMP', 'code', message.code, 8);
      view.mtu = fits('ICMP', 'mtu', message.mtu, 16);
      break;
    case 'other':
      view.type = fits('ICMP', 'type', message.type, 8);
      view.code = fits('ICMP', 'code', message.code, 8);
      view.rest = fits('ICMP', 'rest', message.rest, 32);
      break;
    default:
      assertNever(message);
  }
  view.payload.set(payload);
  view.fillChecksum();
  return view.bytes;
}

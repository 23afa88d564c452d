import { encodeMessage } from './encode.ts';
import { QR } from './header.ts';
import type { DnsMessage, Rcode } from './message.ts';
import { decodeMessage, WireError } from './wire.ts';

const QUERY = 0;
const NOTIFY = 4;

/**
 * The message of a query, or the octets of the reply to what is none; undefined for what gets no reply. After miekg/dns
 * `DefaultMsgAcceptFunc`.
 */
export function accept(bytes: Uint8Array): DnsMessage | Uint8Array | undefined {
  if (bytes.length < 12) return undefined;
  const flags = u16(bytes, 2);
  if ((flags & QR) !== 0) return undefined;
  const opcode = (flags >> 11) & 15;
  if (opcode !== QUERY && opcode !== NOTIFY) return headerOnly(bytes, 'NOTIMP', opcode);
  if (u16(bytes, 4) !== 1 || u16(bytes, 6) > 1 || u16(bytes, 8) > 1 || u16(bytes, 10) > 2) {
    return headerOnly(bytes, 'FORMERR', 0);
  }
  try {
    return decodeMessage(bytes);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return headerOnly(bytes, 'FORMERR', 0);
  }
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

function headerOnly(bytes: Uint8Array, rcode: Rcode, opcode: number): Uint8Array {
  const flags = u16(bytes, 2);
  return encodeMessage({
    id: u16(bytes, 0),
    response: true,
    opcode,
    rcode,
    aa: false,
    tc: (flags & 0x0200) !== 0,
    rd: (flags & 0x0100) !== 0,
    ra: (flags & 0x0080) !== 0,
    ad: (flags & 0x0020) !== 0,
    cd: (flags & 0x0010) !== 0,
    questions: [],
    answers: [],
    authorities: [],
    additionals: [],
  });
}

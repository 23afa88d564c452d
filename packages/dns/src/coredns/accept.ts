import { encodeMessage } from './encode.ts';
import type { DnsMessage, Rcode } from './message.ts';
import { decodeMessage, WireError } from './wire.ts';

/** What came in: a query, or what is answered at once because it is none. */
export type Accepted =
  | { readonly kind: 'query'; readonly message: DnsMessage }
  | { readonly kind: 'refused'; readonly bytes: Uint8Array };

/** The message of a query, or the reply to what is none; undefined for what gets no reply. After miekg/dns `DefaultMsgAcceptFunc`. */
export function accept(bytes: Uint8Array): Accepted | undefined {
  if (bytes.length < 12) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = view.getUint16(2);
  if ((flags & 0x8000) !== 0) return undefined;
  const opcode = (flags >> 11) & 15;
  if (opcode !== 0 && opcode !== 4) return { kind: 'refused', bytes: headerOnly(view, 'NOTIMP', opcode) };
  const counts = [view.getUint16(4), view.getUint16(6), view.getUint16(8), view.getUint16(10)] as const;
  if (counts[0] !== 1 || counts[1] > 1 || counts[2] > 1 || counts[3] > 2) {
    return { kind: 'refused', bytes: headerOnly(view, 'FORMERR', 0) };
  }
  try {
    return { kind: 'query', message: decodeMessage(bytes) };
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return { kind: 'refused', bytes: headerOnly(view, 'FORMERR', 0) };
  }
}

function headerOnly(view: DataView, rcode: Rcode, opcode: number): Uint8Array {
  const flags = view.getUint16(2);
  return encodeMessage({
    id: view.getUint16(0),
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

import packet from 'dns-packet';
import { AA, AD, CD, DO, QR, RA, RD, rcodeOf, TC } from './header.ts';
import { type DnsMessage, knownTypeName } from './message.ts';

const NONE: readonly never[] = [];
const NAME_AT = 12;
/** Octets of an OPT record without options: root, type, size, extended code, version, flags, length (RFC 6891 6.1.2). */
const OPT_LENGTH = 11;
const OPT_TYPE = 41;
const DOT = 0x2e;
const BACKSLASH = 0x5c;
/** The name that is being read, as text. */
const TEXT = Buffer.alloc(256);

/**
 * Reads a query as nearly all are: one question of class IN, its name in printable letters, and no more than an OPT record without
 * options. Undefined for any other message, which dns-packet reads.
 */
export function plainQuery(bytes: Uint8Array): DnsMessage | undefined {
  const { length } = bytes;
  if (length < NAME_AT + 5 || bytes[4] !== 0 || bytes[5] !== 1 || bytes[11]! > 1) return undefined;
  if ((bytes[6]! | bytes[7]! | bytes[8]! | bytes[9]! | bytes[10]!) !== 0) return undefined;
  let at = NAME_AT;
  for (let label = bytes[at]!; label > 0; label = bytes[at]!) {
    const end = at + 1 + label;
    if (label > 63 || end >= length || end - NAME_AT > 254) return undefined;
    while (++at < end) {
      const octet = bytes[at]!;
      if (octet <= 0x20 || octet >= 0x7f || octet === DOT || octet === BACKSLASH) return undefined;
      TEXT[at - NAME_AT - 1] = octet;
    }
    TEXT[end - NAME_AT - 1] = DOT;
  }
  // Octets behind the last record are no part of the message.
  if (at + 5 > length || bytes[at + 3] !== 0 || bytes[at + 4] !== 1) return undefined;
  const opt = at + 5;
  if (bytes[11] === 1 && !isBareOpt(bytes, opt)) return undefined;
  const flags = (bytes[2]! << 8) | bytes[3]!;
  const name = at === NAME_AT ? '.' : TEXT.toString('latin1', 0, at - NAME_AT);
  const type = typeNameOf((bytes[at + 1]! << 8) | bytes[at + 2]!);
  const message: DnsMessage = {
    id: (bytes[0]! << 8) | bytes[1]!,
    response: (flags & QR) !== 0,
    opcode: (flags >> 11) & 15,
    rcode: rcodeOf(flags & 15),
    aa: (flags & AA) !== 0,
    tc: (flags & TC) !== 0,
    rd: (flags & RD) !== 0,
    ra: (flags & RA) !== 0,
    ad: (flags & AD) !== 0,
    cd: (flags & CD) !== 0,
    questions: [{ name, type, class: 'IN' }],
    answers: NONE,
    authorities: NONE,
    additionals: NONE,
  };
  if (bytes[11] === 0) return message;
  const size = (bytes[opt + 3]! << 8) | bytes[opt + 4]!;
  const dnssecOk = (((bytes[opt + 7]! << 8) | bytes[opt + 8]!) & DO) !== 0;
  return { ...message, edns: { size, version: bytes[opt + 6]!, dnssecOk, options: [] } };
}

/** An OPT record that holds no option and no part of a code. */
function isBareOpt(bytes: Uint8Array, at: number): boolean {
  if (at + OPT_LENGTH > bytes.length) return false;
  const type = (bytes[at + 1]! << 8) | bytes[at + 2]!;
  return bytes[at] === 0 && type === OPT_TYPE && bytes[at + 5] === 0 && bytes[at + 9] === 0 && bytes[at + 10] === 0;
}

const typeNames = new Map<number, string>();

/** The name of a type, as dns-packet reads it from a question. */
function typeNameOf(code: number): string {
  let name = typeNames.get(code);
  if (name === undefined) {
    const question = Buffer.from([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, code >> 8, code & 255, 0, 1]);
    name = knownTypeName(packet.decode(question).questions![0]!.type);
    typeNames.set(code, name);
  }
  return name;
}

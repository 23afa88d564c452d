import { formatIp } from '@netsim/wire';

/** Query types that getaddrinfo asks for, by number. */
export const TYPE_A = 1;
export const TYPE_CNAME = 5;
export const TYPE_AAAA = 28;
const typeNames: Record<number, string> = {
  1: 'A',
  2: 'NS',
  5: 'CNAME',
  6: 'SOA',
  12: 'PTR',
  16: 'TXT',
  28: 'AAAA',
  33: 'SRV',
};
const rcodeNames = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];

export const RCODE = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;

function typeName(type: number): string {
  return typeNames[type] ?? `TYPE${type}`;
}
export function rcodeName(rcode: number): string {
  return rcodeNames[rcode] ?? `RCODE${rcode}`;
}

/** One record of an answer section, as far as a libc looks at it. */
export interface AnswerRecord {
  readonly name: string;
  readonly type: number;
  /** Address or target as text; empty for other types. */
  readonly data: string;
}

/** The parts of a reply that decide what a libc does. */
export interface Reply {
  readonly id: number;
  readonly rcode: number;
  readonly truncated: boolean;
  readonly authoritative: boolean;
  readonly recursionAvailable: boolean;
  readonly answerCount: number;
  readonly additionalCount: number;
  /** Lower case, with final dot; undefined without a question. */
  readonly questionName: string | undefined;
  readonly questionType: number | undefined;
  /** The records that could be read, up to the first that is malformed or cut off. */
  readonly answers: readonly AnswerRecord[];
}

const HEADER = 12;
const DOT = 0x2e;
/** Octets of text that a name may have before it is given up: no message that a server means has one so long. */
const MAX_TEXT = 1024;
/** The name that is being read, as text: the last label that is begun may end after the limit. */
const TEXT = Buffer.alloc(MAX_TEXT + 1 + 64);

/**
 * A query with one question and recursion desired, as both libcs write it. `labels` are the bytes of the name.
 * With `edns` an OPT record with that payload size follows; `ad` sets the AD bit (option `trust-ad`);
 * `pad` zero octets end it.
 */
export function encodeQuery(
  id: number,
  name: Uint8Array,
  type: number,
  options: { edns?: number; ad?: boolean; pad?: number } = {},
): Uint8Array {
  const { edns, ad = false, pad = 0 } = options;
  const bytes = new Uint8Array(HEADER + name.length + 4 + (edns === undefined ? 0 : 11) + pad);
  bytes[0] = id >> 8;
  bytes[1] = id & 255;
  bytes[2] = 1;
  bytes[3] = ad ? 0x20 : 0;
  bytes[5] = 1;
  bytes.set(name, HEADER);
  const at = HEADER + name.length;
  bytes[at + 1] = type;
  bytes[at + 3] = 1;
  if (edns !== undefined) {
    bytes[11] = 1;
    bytes[at + 6] = 41;
    bytes[at + 7] = edns >> 8;
    bytes[at + 8] = edns & 255;
  }
  return bytes;
}

/** The wire form of a name, or undefined where a label is empty or over 63 octets or the whole over 255 (RFC 1035 3.1). */
export function encodeName(name: string): Uint8Array | undefined {
  const text = name.endsWith('.') ? name.slice(0, -1) : name;
  if (text === '') return new Uint8Array(1);
  const octets = Buffer.byteLength(text);
  if (octets + 2 > 255) return undefined;
  const out = new Uint8Array(octets + 2);
  if (octets === text.length) for (let at = 0; at < octets; at++) out[at + 1] = text.charCodeAt(at);
  else out.set(Buffer.from(text), 1);
  let start = 0;
  for (let at = 1; at <= octets + 1; at++) {
    if (at <= octets && out[at] !== DOT) continue;
    const length = at - start - 1;
    if (length === 0 || length > 63) return undefined;
    out[start] = length;
    start = at;
  }
  return out;
}

/** Reads a reply; undefined where there is no whole header. Never throws, never follows a pointer twice. */
export function decodeReply(bytes: Uint8Array): Reply | undefined {
  if (bytes.length < HEADER) return undefined;
  const flags = (bytes[2]! << 8) | bytes[3]!;
  const questions = word(bytes, 4);
  const answerCount = word(bytes, 6);
  let at = HEADER;
  let questionName: string | undefined;
  let questionType: number | undefined;
  let broken = false;
  for (let i = 0; i < questions && !broken; i++) {
    const name = readName(bytes, at);
    if (name === undefined || name.end + 4 > bytes.length) {
      broken = true;
      break;
    }
    if (i === 0) {
      questionName = name.text.toLowerCase();
      questionType = word(bytes, name.end);
    }
    at = name.end + 4;
  }
  const answers: AnswerRecord[] = [];
  for (let i = 0; i < answerCount && !broken; i++) {
    const name = readName(bytes, at);
    if (name === undefined || name.end + 10 > bytes.length) break;
    const type = word(bytes, name.end);
    const length = word(bytes, name.end + 8);
    const start = name.end + 10;
    if (start + length > bytes.length) break;
    const data = recordData(bytes, type, start, length);
    if (data === undefined) break;
    answers.push({ name: name.text, type, data });
    at = start + length;
  }
  return {
    id: word(bytes, 0),
    rcode: flags & 15,
    truncated: (flags & 0x200) !== 0,
    authoritative: (flags & 0x400) !== 0,
    recursionAvailable: (flags & 0x80) !== 0,
    answerCount,
    additionalCount: word(bytes, 10),
    questionName,
    questionType,
    answers,
  };
}

/** What a query asks for. */
export interface Question {
  readonly name: string;
  readonly type: number;
  readonly typeName: string;
}

/** The question of a query; undefined where it cannot be read. */
export function questionOf(bytes: Uint8Array): Question | undefined {
  const name = readName(bytes, HEADER);
  if (name === undefined || name.end + 4 > bytes.length) return undefined;
  const type = word(bytes, name.end);
  return { name: name.text, type, typeName: typeName(type) };
}

export function answerText({ type, data }: AnswerRecord): string {
  return data === '' ? typeName(type) : `${typeName(type)} ${data}`;
}

function recordData(bytes: Uint8Array, type: number, start: number, length: number): string | undefined {
  if (type === TYPE_A)
    return length === 4 ? formatIp(new DataView(bytes.buffer, bytes.byteOffset).getInt32(start)) : undefined;
  if (type === TYPE_AAAA) {
    if (length !== 16) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    return formatIp((view.getBigUint64(start) << 64n) | view.getBigUint64(start + 8));
  }
  if (type === TYPE_CNAME) {
    const target = readName(bytes, start)?.text;
    return target === undefined ? undefined : withoutDot(target);
  }
  return '';
}

/** Without the dot at the end; the root stays a dot. */
export function withoutDot(name: string): string {
  return name.length > 1 && name.endsWith('.') ? name.slice(0, -1) : name;
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

/** Reads a name with its compression pointers; pointers must go back, so that there is an end. */
function readName(bytes: Uint8Array, start: number): { text: string; end: number } | undefined {
  let length = 0;
  let at = start;
  let end = -1;
  let limit = start;
  for (;;) {
    const label = bytes[at];
    if (label === undefined || length > MAX_TEXT) return undefined;
    if (label === 0) {
      return { text: length === 0 ? '.' : TEXT.toString('latin1', 0, length), end: end < 0 ? at + 1 : end };
    }
    if (label >= 0xc0) {
      const low = bytes[at + 1];
      if (low === undefined) return undefined;
      if (end < 0) end = at + 2;
      const target = ((label & 0x3f) << 8) | low;
      if (target >= limit) return undefined;
      limit = target;
      at = target;
      continue;
    }
    if (label > 63 || at + 1 + label > bytes.length) return undefined;
    for (let i = at + 1; i <= at + label; i++) TEXT[length++] = bytes[i]!;
    TEXT[length++] = DOT;
    at += label + 1;
  }
}

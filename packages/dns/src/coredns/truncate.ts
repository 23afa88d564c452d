import packet from 'dns-packet';
import { encodeMessage } from './encode.ts';
import type { DnsMessage, ResourceRecord } from './message.ts';
import { labelsOf } from './names.ts';
import { optRecord, toPacket } from './wire.ts';

/** Offsets past this one cannot be named by a compression pointer (14 bits). */
const MAX_POINTER = 0x4000;
const HEADER = 12;
const UDP_MINIMUM = 512;
const OPT_LENGTH = 11;

/** A reply fitted to its transport, and its octets. */
export interface FittedReply {
  readonly message: DnsMessage;
  readonly bytes: Uint8Array;
}

/**
 * Fits a reply into `limit` octets as CoreDNS's scrub writer does: names stay in full as long as that fits; else they
 * are compressed and whole records are left out from the end, each section in turn, with TC set when any was.
 */
export function fitReply(message: DnsMessage, limit: number): FittedReply {
  const size = Math.max(limit, UDP_MINIMUM);
  const bytes = encodeMessage(message);
  if (bytes.length <= size) return { message, bytes };
  const opt = message.edns === undefined ? 0 : optLength(message);
  const room = size - opt;
  const suffixes = new Set<string>();
  let length = HEADER;
  for (const question of message.questions) length += nameLength(question.name, suffixes, length, true) + 4;
  const cut = (records: readonly ResourceRecord[]): readonly ResourceRecord[] => {
    if (length >= room) return [];
    for (let index = 0; index < records.length; index++) {
      const next = length + recordLength(records[index]!, suffixes, length);
      if (next > room) {
        // Nothing may follow a record that was left out, even if it would still fit.
        length = room;
        return records.slice(0, index);
      }
      length = next;
      if (next === room) return records.slice(0, index + 1);
    }
    return records;
  };
  const answers = cut(message.answers);
  const authorities = cut(message.authorities);
  const additionals = cut(message.additionals);
  const tc =
    message.tc ||
    answers.length < message.answers.length ||
    authorities.length < message.authorities.length ||
    additionals.length < message.additionals.length;
  const fitted: DnsMessage = { ...message, tc, answers, authorities, additionals };
  return { message: fitted, bytes: encodeCompressed(fitted) };
}

/** The octets of a message with the names of RFC 1035 types compressed; dns-packet, which writes all else, cannot. */
export function encodeCompressed(message: DnsMessage): Uint8Array {
  const { edns: _, ...bare } = { ...message, answers: [], authorities: [], additionals: [] };
  const head = encodeMessage(bare);
  const parts: Uint8Array[] = [head];
  const offsets = new Map<string, number>();
  let at = HEADER;
  for (const question of message.questions) {
    rememberName(question.name, offsets, at);
    at = head.length;
  }
  for (const record of [...message.answers, ...message.authorities, ...message.additionals]) {
    const bytes = encodeRecord(record, offsets, at);
    parts.push(bytes);
    at += bytes.length;
  }
  if (message.edns !== undefined) parts.push(encodePlain(optRecord(message.edns, message.rcode)));
  const out = Buffer.concat(parts);
  out.writeUInt16BE(message.questions.length, 4);
  out.writeUInt16BE(message.answers.length, 6);
  out.writeUInt16BE(message.authorities.length, 8);
  out.writeUInt16BE(message.additionals.length + (message.edns === undefined ? 0 : 1), 10);
  return out;
}

function encodeRecord(record: ResourceRecord, offsets: Map<string, number>, at: number): Buffer {
  const plain = encodePlain(toPacket(record));
  const ownerLength = plainLength(record.name);
  const owner = compressedName(record.name, offsets, at);
  const fixed = Buffer.from(plain.subarray(ownerLength, ownerLength + 10));
  const start = at + owner.length + 10;
  let data: Uint8Array = plain.subarray(ownerLength + 10);
  if (record.type === 'CNAME' || record.type === 'NS' || record.type === 'PTR') {
    data = compressedName(record.data, offsets, start);
  } else if (record.type === 'MX') {
    data = Buffer.concat([data.subarray(0, 2), compressedName(record.data.exchange, offsets, start + 2)]);
  } else if (record.type === 'SOA') {
    const mname = compressedName(record.data.mname, offsets, start);
    const rname = compressedName(record.data.rname, offsets, start + mname.length);
    data = Buffer.concat([mname, rname, data.subarray(data.length - 20)]);
  }
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([owner, fixed, data]);
}

/** The octets of one record: what follows the header of a message that holds nothing else. */
function encodePlain(record: packet.Answer): Buffer {
  return packet.encode({ type: 'response', answers: [record] }).subarray(HEADER);
}

function compressedName(name: string, offsets: Map<string, number>, at: number): Buffer {
  const labels = labelsOf(name);
  const parts: Buffer[] = [];
  let offset = at;
  for (let index = 0; index < labels.length; index++) {
    const suffix = labels.slice(index).join('.');
    const known = offsets.get(suffix);
    if (known !== undefined) {
      parts.push(Buffer.from([0xc0 | (known >> 8), known & 255]));
      return Buffer.concat(parts);
    }
    if (offset < MAX_POINTER) offsets.set(suffix, offset);
    const label = Buffer.from(labels[index]!);
    parts.push(Buffer.from([label.length]), label);
    offset += label.length + 1;
  }
  parts.push(Buffer.from([0]));
  return Buffer.concat(parts);
}

function rememberName(name: string, offsets: Map<string, number>, at: number): void {
  compressedName(name, offsets, at);
}

function optLength(message: DnsMessage): number {
  let length = OPT_LENGTH;
  for (const option of message.edns?.options ?? []) length += 4 + option.data.length;
  return length;
}

function plainLength(name: string): number {
  return name === '.' ? 1 : Buffer.byteLength(name) + 1;
}

/** How long a name is when written at `at`; remembers its suffixes as the ones that later names may point to. */
function nameLength(name: string, suffixes: Set<string>, at: number, compress: boolean): number {
  const labels = labelsOf(name);
  let length = 0;
  for (let index = 0; index < labels.length; index++) {
    const suffix = labels.slice(index).join('.');
    if (suffixes.has(suffix)) {
      if (compress) return length + 2;
    } else if (at + length < MAX_POINTER) {
      suffixes.add(suffix);
    }
    length += Buffer.byteLength(labels[index]!) + 1;
  }
  return length + 1;
}

function recordLength(record: ResourceRecord, suffixes: Set<string>, at: number): number {
  const length = nameLength(record.name, suffixes, at, true) + 10;
  const data = at + length;
  switch (record.type) {
    case 'A':
      return length + 4;
    case 'AAAA':
      return length + 16;
    case 'CNAME':
    case 'NS':
    case 'PTR':
      return length + nameLength(record.data, suffixes, data, true);
    case 'MX':
      return length + 2 + nameLength(record.data.exchange, suffixes, data + 2, true);
    case 'SRV':
      // The target of an SRV record is never compressed (RFC 2782), yet later names may point into it.
      return length + 6 + nameLength(record.data.target, suffixes, data + 6, false);
    case 'SOA': {
      const mname = nameLength(record.data.mname, suffixes, data, true);
      return length + mname + nameLength(record.data.rname, suffixes, data + mname, true) + 20;
    }
    default:
      return length + encodePlain(toPacket(record)).length - plainLength(record.name) - 10;
  }
}

import { tryParseIp } from '@netsim/wire';
import packet from 'dns-packet';
import { flagBits, QR } from './header.ts';
import {
  type AddressRecord,
  type DnsMessage,
  type Question,
  type ResourceRecord,
  type SoaData,
  type SoaRecord,
  typeOf,
} from './message.ts';
import { optRecord, toPacket, typeCodeOf, WireError } from './wire.ts';

/** What dns-packet exports besides, and its types leave out: the writers of single parts. */
interface Codec<T> {
  readonly encode: { (value: T, buffer: Buffer, offset: number): unknown; readonly bytes: number };
}
declare module 'dns-packet' {
  const answer: Codec<packet.Answer>;
  function record(type: string): Codec<unknown>;
}

/** Octets of any message that fits into a length of 16 bits. */
const MAX_MESSAGE = 65_536;
/** No reply is longer, before it is cut to its transport. */
const MAX_BUFFER = 1024 * MAX_MESSAGE;
/** Short messages are written one after the other into one buffer: a buffer each would cost more than to write them. */
const POOL = 8192;
/** Octets that must be left of it to try. */
const POOL_REST = 512;
let pool = Buffer.alloc(0);
let poolUsed = 0;
const HEADER = 12;
const DOT = 0x2e;
/** Octets of a label, and of a name with its lengths and the root (RFC 1035 2.3.4). */
const MAX_LABEL = 63;
const MAX_NAME = 255;

/** The octets of a message, names in full. Names that cannot be written (a label over 63 octets) throw {@link WireError}. */
export function encodeMessage(message: DnsMessage): Uint8Array {
  if (pool.length - poolUsed < POOL_REST) {
    pool = Buffer.alloc(POOL);
    poolUsed = 0;
  }
  const end = tryWrite(message, pool, poolUsed);
  if (end !== undefined) {
    const bytes = new Uint8Array(pool.buffer, pool.byteOffset + poolUsed, end - poolUsed);
    poolUsed = end;
    return bytes;
  }
  for (let size = MAX_MESSAGE; size <= MAX_BUFFER; size *= 8) {
    const buffer = Buffer.alloc(size);
    const length = tryWrite(message, buffer, 0);
    if (length !== undefined) return new Uint8Array(buffer).subarray(0, length);
  }
  throw new WireError('the message is too long');
}

/** Where a message ends that begins at an offset of a buffer; undefined where the buffer is too small. */
function tryWrite(message: DnsMessage, buffer: Buffer, start: number): number | undefined {
  try {
    const end = new Writer(buffer, start).write(message);
    return end <= buffer.length ? end : undefined;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error instanceof WireError ? error : new WireError(error instanceof Error ? error.message : String(error));
  }
}

/** Writes one message into a buffer. dns-packet writes the data of records; the name of the question is copied, it comes again. */
class Writer {
  readonly #buffer: Buffer;
  readonly #start: number;
  #at: number;
  /** The name of the question, and where its octets are. */
  #asked = '';
  #askedFrom = 0;
  #askedTo = 0;

  constructor(buffer: Buffer, start: number) {
    this.#buffer = buffer;
    this.#start = start;
    this.#at = start;
  }

  write(message: DnsMessage): number {
    const { questions, answers, authorities, additionals, edns } = message;
    this.#u16(message.id);
    this.#u16((message.response ? QR : 0) | flagBits(message));
    this.#u16(questions.length);
    this.#u16(answers.length);
    this.#u16(authorities.length);
    this.#u16(additionals.length + (edns === undefined ? 0 : 1));
    for (const question of questions) this.#question(question);
    for (const record of answers) this.#record(record);
    for (const record of authorities) this.#record(record);
    for (const record of additionals) this.#record(record);
    if (edns !== undefined) {
      packet.answer.encode(optRecord(edns, message.rcode), this.#buffer, this.#at);
      this.#at += packet.answer.encode.bytes;
    }
    return this.#at;
  }

  #question(question: Question): void {
    const from = this.#at;
    this.#at += writeQuestionName(question.name, this.#buffer, from);
    if (from === this.#start + HEADER) {
      this.#asked = question.name;
      this.#askedFrom = from;
      this.#askedTo = this.#at;
    }
    this.#u16(typeNumber(question.type));
    this.#u16(classNumber(question.class));
  }

  #record(record: ResourceRecord): void {
    if (record.name === this.#asked) {
      this.#buffer.copyWithin(this.#at, this.#askedFrom, this.#askedTo);
      this.#at += this.#askedTo - this.#askedFrom;
    } else {
      this.#at += writeName(record.name, this.#buffer, this.#at);
    }
    this.#u16(typeNumber(typeOf(record)));
    this.#u16(classNumber(record.class));
    this.#u32(record.ttl);
    this.#at += record.type === 'A' ? this.#address(record) : this.#data(record);
  }

  /** The length and the data of a record of type A. Returns the octets written. */
  #address(record: AddressRecord): number {
    const ip = tryParseIp(record.data);
    // Other spellings are for dns-packet to read or to refuse.
    if (typeof ip !== 'number') return this.#data(record);
    const buffer = this.#buffer;
    const at = this.#at;
    buffer[at] = 0;
    buffer[at + 1] = 4;
    buffer[at + 2] = ip >>> 24;
    buffer[at + 3] = ip >>> 16;
    buffer[at + 4] = ip >>> 8;
    buffer[at + 5] = ip;
    return 6;
  }

  /** The length and the data of a record as dns-packet writes them. */
  #data(record: ResourceRecord): number {
    if (record.type === 'SOA') {
      const octets = soaOctets(record);
      this.#buffer.set(octets, this.#at);
      return octets.length;
    }
    return writeData(record, this.#buffer, this.#at);
  }

  #u16(value: number): void {
    checkNumber(value, 16);
    this.#buffer[this.#at++] = value >>> 8;
    this.#buffer[this.#at++] = value;
  }

  #u32(value: number): void {
    checkNumber(value, 32);
    this.#u16(value >>> 16);
    this.#u16(value & 0xffff);
  }
}

function checkNumber(value: number, bits: 8 | 16 | 32): void {
  if (value >>> 0 !== value || (bits < 32 && value >>> bits !== 0)) {
    throw new WireError(`${value} is no number of ${bits} bits`);
  }
}

/** To dns-packet a number that does not fit is the same error as a buffer that is too small. */
function checkNumbers(record: ResourceRecord): void {
  switch (record.type) {
    case 'SOA': {
      const { serial, refresh, retry, expire, minimum } = record.data;
      for (const value of [serial, refresh, retry, expire, minimum]) checkNumber(value, 32);
      break;
    }
    case 'SRV':
      checkNumber(record.data.priority, 16);
      checkNumber(record.data.weight, 16);
      checkNumber(record.data.port, 16);
      break;
    case 'MX':
      checkNumber(record.data.preference, 16);
      break;
    case 'NAPTR':
      checkNumber(record.data.order, 16);
      checkNumber(record.data.preference, 16);
      break;
    case 'CAA':
      checkNumber(record.data.flags, 8);
      break;
    case 'OPAQUE':
      checkNumber(record.data.length, 16);
  }
}

function writeData(record: ResourceRecord, buffer: Buffer, at: number): number {
  checkNumbers(record);
  const { encode } = packet.record(record.type === 'OPAQUE' ? `UNKNOWN_${record.typeCode}` : record.type);
  const plain = toPacket(record);
  encode('data' in plain ? plain.data : undefined, buffer, at);
  return encode.bytes;
}

/** What was written for SOA data: each negative answer carries the same. */
const soaData = new WeakMap<SoaData, Uint8Array>();
/** Octets of two names, five numbers and the length. */
const MAX_SOA = 2 + 2 * MAX_NAME + 5 * 4;

function soaOctets(record: SoaRecord): Uint8Array {
  let octets = soaData.get(record.data);
  if (octets === undefined) {
    const buffer = Buffer.alloc(MAX_SOA);
    octets = Uint8Array.prototype.slice.call(buffer, 0, writeData(record, buffer, 0));
    soaData.set(record.data, octets);
  }
  return octets;
}

const typeNumbers = new Map<string, number>();

function typeNumber(type: string): number {
  let code = typeNumbers.get(type);
  if (code === undefined) {
    code = typeCodeOf(type);
    typeNumbers.set(type, code);
  }
  return code;
}

/** The number of a class; others than these are named by it. */
function classNumber(name: string): number {
  switch (name) {
    case 'IN':
      return 1;
    case 'CS':
      return 2;
    case 'CH':
      return 3;
    case 'HS':
      return 4;
    case 'ANY':
      return 255;
    default:
      return Number(name.replace('UNKNOWN_', ''));
  }
}

/** Writes a name in full and returns its length. Throws {@link WireError} where a label or the name is too long. */
function writeName(name: string, buffer: Buffer, start: number): number {
  let at = start;
  let label = 0;
  if (name !== '.') {
    const octets = isAscii(name) ? undefined : Buffer.from(name);
    const length = (octets ?? name).length;
    for (let from = 0; from <= length; from++) {
      const octet = from === length ? DOT : octets === undefined ? name.charCodeAt(from) : octets[from]!;
      if (octet !== DOT) {
        buffer[at + 1 + label++] = octet;
      } else if (label > 0) {
        if (label > MAX_LABEL) throw new WireError(`"${name}" is not a domain name`);
        buffer[at] = label;
        at += label + 1;
        label = 0;
      }
    }
  }
  buffer[at] = 0;
  const bytes = at + 1 - start;
  if (bytes > MAX_NAME) throw new WireError(`"${name}" is not a domain name`);
  return bytes;
}

function isAscii(name: string): boolean {
  for (let at = 0; at < name.length; at++) if (name.charCodeAt(at) > 127) return false;
  return true;
}

const ESCAPE = /\\(\d{3}|.)/g;

/**
 * Writes the name of a question and returns its length. Its labels may hold any octets, escaped: dns-packet writes a name of the
 * same length, into which they are put.
 */
function writeQuestionName(name: string, buffer: Buffer, start: number): number {
  const escaped = name.includes('\\');
  const plain = escaped ? name.replace(ESCAPE, 'x') : name;
  const bytes = writeName(plain, buffer, start);
  if (!escaped) return bytes;
  let at = start;
  for (const label of name.slice(0, -1).split(/(?<!\\)\./)) {
    at++;
    for (const part of label.match(/\\\d{3}|\\.|[^\\]/g) ?? []) {
      buffer[at++] = /^\\\d{3}$/.test(part) ? Number(part.slice(1)) : part.charCodeAt(part.length - 1);
    }
  }
  return bytes;
}

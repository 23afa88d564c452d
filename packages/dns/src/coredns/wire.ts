import packet from 'dns-packet';
import { AA, AD, CD, DO, QR, RA, RD, rcodeNumber, rcodeOf, TC } from './header.ts';
import {
  type DnsMessage,
  type Edns,
  knownTypeName,
  packetTypeName,
  type Question,
  type Rcode,
  type ResourceRecord,
} from './message.ts';
import { labelsOf } from './names.ts';
import { plainQuery } from './plain-query.ts';

/** Thrown for octets that are not a DNS message. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/** Reads a whole message, a plain query by a short way. Throws {@link WireError}; never reads outside the octets nor follows a pointer twice. */
export function decodeMessage(bytes: Uint8Array): DnsMessage {
  return plainQuery(bytes) ?? decodeWhole(bytes);
}

function decodeWhole(bytes: Uint8Array): DnsMessage {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < 12) throw new WireError(`a DNS header is 12 octets, not ${buffer.length}`);
  const counts = buffer.readUInt16BE(4) + buffer.readUInt16BE(6) + buffer.readUInt16BE(8) + buffer.readUInt16BE(10);
  // A question takes 5 octets at least, so that a count that cannot be true is refused before any list is made.
  if (counts * 5 > buffer.length - 12) throw new WireError(`${counts} entries do not fit into ${buffer.length} octets`);
  let decoded: packet.Packet;
  try {
    decoded = packet.decode(buffer);
  } catch (error) {
    throw new WireError(error instanceof Error ? error.message : String(error));
  }
  const flags = buffer.readUInt16BE(2);
  let edns: Edns | undefined;
  let extended = 0;
  const additionals: ResourceRecord[] = [];
  for (const record of decoded.additionals ?? []) {
    if (record.type !== 'OPT') {
      additionals.push(fromPacket(record));
    } else if (edns === undefined) {
      extended = record.extendedRcode << 4;
      edns = {
        size: record.udpPayloadSize,
        version: record.ednsVersion,
        dnssecOk: (record.flags & DO) !== 0,
        options: record.options.map(({ code, data }) => ({ code: Number(code), data: data ?? new Uint8Array() })),
      };
    }
  }
  const message: DnsMessage = {
    id: buffer.readUInt16BE(0),
    response: (flags & QR) !== 0,
    opcode: (flags >> 11) & 15,
    aa: (flags & AA) !== 0,
    tc: (flags & TC) !== 0,
    rd: (flags & RD) !== 0,
    ra: (flags & RA) !== 0,
    ad: (flags & AD) !== 0,
    cd: (flags & CD) !== 0,
    rcode: rcodeOf((flags & 15) | extended),
    questions: questionsOf(decoded, buffer),
    answers: (decoded.answers ?? []).map(fromPacket),
    authorities: (decoded.authorities ?? []).map(fromPacket),
    additionals,
  };
  return edns === undefined ? message : { ...message, edns };
}

/** The OPT record as dns-packet wants it. */
export function optRecord(edns: Edns, rcode: Rcode): packet.OptAnswer {
  return {
    type: 'OPT',
    name: '.',
    udpPayloadSize: edns.size,
    extendedRcode: rcodeNumber(rcode) >> 4,
    ednsVersion: edns.version,
    flags: edns.dnssecOk ? DO : 0,
    flag_do: edns.dnssecOk,
    // dns-packet takes any number as a code; its types list only the registered ones.
    options: edns.options.map(({ code, data }) => ({ code, data: Buffer.from(data) })) as packet.PacketOpt[],
  };
}

/** One record as dns-packet wants it. Throws {@link WireError} for names that no message can hold. */
export function toPacket(record: ResourceRecord): packet.Answer {
  checkName(record.name);
  switch (record.type) {
    case 'CNAME':
    case 'NS':
    case 'PTR':
    case 'DNAME':
      checkName(record.data);
      return record as packet.Answer;
    case 'SRV':
      checkName(record.data.target);
      return record as packet.Answer;
    case 'SOA':
      checkName(record.data.mname);
      checkName(record.data.rname);
      return record as packet.Answer;
    case 'MX':
      checkName(record.data.exchange);
      return record as packet.Answer;
    case 'TXT':
      return { ...ownerOf(record), type: 'TXT', data: [...record.data] };
    case 'CAA':
      return { ...ownerOf(record), type: 'CAA', data: { ...record.data } };
    case 'OPAQUE':
      return {
        ...ownerOf(record),
        type: `UNKNOWN_${record.typeCode}` as 'NULL',
        data: Buffer.from(record.data),
      };
    default:
      return record as packet.Answer;
  }
}

const MAX_NAME = 254;
const MAX_LABEL = 63;

/** dns-packet would write a label of any length, and so another message. */
function checkName(name: string): void {
  if (name.length <= MAX_LABEL) return;
  if (name.length > MAX_NAME || labelsOf(name).some((label) => label.length > MAX_LABEL)) {
    throw new WireError(`"${name}" is not a domain name`);
  }
}

function ownerOf(record: ResourceRecord): { name: string; ttl: number; class: packet.RecordClass } {
  return { name: record.name, ttl: record.ttl, class: record.class as packet.RecordClass };
}

function fromPacket(answer: packet.Answer): ResourceRecord {
  const name = dotted(answer.name);
  if (answer.type === 'OPT') return { name, class: 'IN', ttl: 0, type: 'OPAQUE', typeCode: 41, data: new Uint8Array() };
  const owner = { name, class: answer.class ?? 'IN', ttl: answer.ttl ?? 0 };
  switch (answer.type) {
    case 'A':
    case 'AAAA':
      return { ...owner, type: answer.type, data: answer.data };
    case 'CNAME':
    case 'NS':
    case 'PTR':
    case 'DNAME':
      return { ...owner, type: answer.type, data: dotted(answer.data) };
    case 'SRV': {
      const { priority = 0, weight = 0, port, target } = answer.data;
      return { ...owner, type: 'SRV', data: { priority, weight, port, target: dotted(target) } };
    }
    case 'SOA': {
      const { mname, rname, serial = 0, refresh = 0, retry = 0, expire = 0, minimum = 0 } = answer.data;
      const data = { mname: dotted(mname), rname: dotted(rname), serial, refresh, retry, expire, minimum };
      return { ...owner, type: 'SOA', data };
    }
    case 'MX':
      return {
        ...owner,
        type: 'MX',
        data: { preference: answer.data.preference ?? 0, exchange: dotted(answer.data.exchange) },
      };
    case 'TXT': {
      const list = Array.isArray(answer.data) ? answer.data : [answer.data];
      return { ...owner, type: 'TXT', data: list.map(String) };
    }
    case 'NAPTR':
      return { ...owner, type: 'NAPTR', data: { ...answer.data, replacement: dotted(answer.data.replacement) } };
    case 'CAA':
      return {
        ...owner,
        type: 'CAA',
        data: { flags: answer.data.flags ?? 0, tag: answer.data.tag, value: answer.data.value },
      };
    case 'HINFO':
      return { ...owner, type: 'HINFO', data: answer.data };
    default:
      return opaque(owner, answer);
  }
}

function opaque(owner: { name: string; class: string; ttl: number }, answer: packet.Answer): ResourceRecord {
  // Re-encoding is the one way to the raw octets of a type that dns-packet takes apart (RRSIG, DS, ...).
  const encoded = packet.encode({ type: 'response', answers: [{ ...answer, name: '.' }] });
  const typeCode = answer.type.startsWith('UNKNOWN_') ? Number(answer.type.slice(8)) : typeCodeOf(answer.type);
  return { ...owner, type: 'OPAQUE', typeCode, data: Uint8Array.from(encoded.subarray(23)) };
}

/** The number of a type that dns-packet knows, by way of an encoded question. */
export function typeCodeOf(type: string): number {
  const name = packetTypeName(type);
  if (name.startsWith('UNKNOWN_')) return Number(name.slice(8));
  const bytes = packet.encode({ type: 'query', questions: [{ name: '.', type: name as packet.RecordType }] });
  return bytes.readUInt16BE(13);
}

function dotted(name: string): string {
  return name === '.' ? name : `${name}.`;
}

/**
 * The questions, names escaped where a label holds a dot, a backslash or octets outside printable ASCII: dns-packet
 * joins labels with dots and decodes UTF-8, which would make another name of such labels.
 */
function questionsOf(decoded: packet.Packet, buffer: Buffer): Question[] {
  let offset = 12;
  return (decoded.questions ?? []).map((question) => {
    const { name, next } = rawName(buffer, offset, question.name);
    offset = next;
    const type = knownTypeName(question.type);
    return { name, type: type === 'ANY' ? 'ANY' : type, class: question.class ?? 'IN' };
  });
}

const PLAIN = /^[!-~]*$/;

function rawName(buffer: Buffer, start: number, decoded: string): { name: string; next: number } {
  let offset = start;
  let labels = 0;
  while (buffer[offset]! > 0 && buffer[offset]! < 0x40) {
    offset += buffer[offset]! + 1;
    labels++;
  }
  const pointer = buffer[offset]! >= 0xc0;
  const next = offset + (pointer ? 2 : 1) + 4;
  const same = PLAIN.test(decoded) && !decoded.includes('\\') && (labels === 0 || decoded.split('.').length === labels);
  if (pointer || same) return { name: dotted(decoded), next };
  let text = '';
  for (let at = start; buffer[at]! > 0; at += buffer[at]! + 1) {
    text += `${escapeLabel(buffer.subarray(at + 1, at + 1 + buffer[at]!))}.`;
  }
  return { name: text, next };
}

function escapeLabel(label: Uint8Array): string {
  let text = '';
  for (const octet of label) {
    if (octet === 0x2e || octet === 0x5c) text += `\\${String.fromCharCode(octet)}`;
    else if (octet > 0x20 && octet < 0x7f) text += String.fromCharCode(octet);
    else text += `\\${String(octet).padStart(3, '0')}`;
  }
  return text;
}

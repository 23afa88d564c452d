/** Names of the record types that netsim works on by name; others pass through as `UNKNOWN_<number>` with raw bytes. */
export type RecordType = string;

export interface Question {
  /** Fully qualified, with the trailing dot, in the case in which it was asked. */
  readonly name: string;
  readonly type: RecordType;
  readonly class: string;
}

export interface SrvData {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly target: string;
}
export interface SoaData {
  readonly mname: string;
  readonly rname: string;
  readonly serial: number;
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  readonly minimum: number;
}
export interface MxData {
  readonly preference: number;
  readonly exchange: string;
}
export interface NaptrData {
  readonly order: number;
  readonly preference: number;
  readonly flags: string;
  readonly services: string;
  readonly regexp: string;
  readonly replacement: string;
}
export interface CaaData {
  readonly flags: number;
  readonly tag: 'issue' | 'issuewild' | 'iodef';
  readonly value: string;
}
export interface HinfoData {
  readonly cpu: string;
  readonly os: string;
}

interface Owner {
  /** Fully qualified owner name. */
  readonly name: string;
  readonly class: string;
  /** Seconds. */
  readonly ttl: number;
}
/** Address as text. */
export interface AddressRecord extends Owner {
  readonly type: 'A' | 'AAAA';
  readonly data: string;
}
/** A record that is one name. */
export interface NameRecord extends Owner {
  readonly type: 'CNAME' | 'NS' | 'PTR' | 'DNAME';
  readonly data: string;
}
export interface SrvRecord extends Owner {
  readonly type: 'SRV';
  readonly data: SrvData;
}
export interface SoaRecord extends Owner {
  readonly type: 'SOA';
  readonly data: SoaData;
}
export interface MxRecord extends Owner {
  readonly type: 'MX';
  readonly data: MxData;
}
export interface TxtRecord extends Owner {
  readonly type: 'TXT';
  readonly data: readonly string[];
}
export interface NaptrRecord extends Owner {
  readonly type: 'NAPTR';
  readonly data: NaptrData;
}
export interface CaaRecord extends Owner {
  readonly type: 'CAA';
  readonly data: CaaData;
}
export interface HinfoRecord extends Owner {
  readonly type: 'HINFO';
  readonly data: HinfoData;
}
/** Any other type, uninterpreted. */
export interface OpaqueRecord extends Owner {
  readonly type: 'OPAQUE';
  /** The type's number. */
  readonly typeCode: number;
  readonly data: Uint8Array;
}
export type ResourceRecord =
  | AddressRecord
  | NameRecord
  | SrvRecord
  | SoaRecord
  | MxRecord
  | TxtRecord
  | NaptrRecord
  | CaaRecord
  | HinfoRecord
  | OpaqueRecord;

export type Rcode =
  | 'NOERROR'
  | 'FORMERR'
  | 'SERVFAIL'
  | 'NXDOMAIN'
  | 'NOTIMP'
  | 'REFUSED'
  | 'YXDOMAIN'
  | 'YXRRSET'
  | 'NXRRSET'
  | 'NOTAUTH'
  | 'NOTZONE'
  | 'BADVERS';

export const RCODES: readonly Rcode[] = [
  'NOERROR',
  'FORMERR',
  'SERVFAIL',
  'NXDOMAIN',
  'NOTIMP',
  'REFUSED',
  'YXDOMAIN',
  'YXRRSET',
  'NXRRSET',
  'NOTAUTH',
  'NOTZONE',
];
export const BADVERS = 16;

/** The OPT record of EDNS(0), RFC 6891. */
export interface Edns {
  /** Largest UDP message that the sender takes, in octets. */
  readonly size: number;
  readonly version: number;
  readonly dnssecOk: boolean;
  readonly options: readonly { readonly code: number; readonly data: Uint8Array }[];
}

/** A DNS message. Messages are values: a plugin that changes one makes a new one. */
export interface DnsMessage {
  readonly id: number;
  readonly response: boolean;
  /** 0 is QUERY, 4 is NOTIFY. */
  readonly opcode: number;
  readonly rcode: Rcode;
  readonly aa: boolean;
  readonly tc: boolean;
  readonly rd: boolean;
  readonly ra: boolean;
  readonly ad: boolean;
  readonly cd: boolean;
  readonly questions: readonly Question[];
  readonly answers: readonly ResourceRecord[];
  readonly authorities: readonly ResourceRecord[];
  /** Without the OPT record, which is `edns`. */
  readonly additionals: readonly ResourceRecord[];
  readonly edns?: Edns;
}

const NONE: readonly never[] = [];

/** A query as a stub resolver sends it. */
export function queryMessage(
  name: string,
  type: RecordType,
  options: { readonly id?: number; readonly edns?: Edns; readonly class?: string; readonly rd?: boolean } = {},
): DnsMessage {
  const message: DnsMessage = {
    id: options.id ?? 0,
    response: false,
    opcode: 0,
    rcode: 'NOERROR',
    aa: false,
    tc: false,
    rd: options.rd ?? true,
    ra: false,
    ad: false,
    cd: false,
    questions: [{ name: name.endsWith('.') ? name : `${name}.`, type, class: options.class ?? 'IN' }],
    answers: NONE,
    authorities: NONE,
    additionals: NONE,
  };
  return options.edns === undefined ? message : { ...message, edns: options.edns };
}

export interface ReplyParts {
  readonly rcode?: Rcode;
  readonly aa?: boolean;
  readonly tc?: boolean;
  readonly answers?: readonly ResourceRecord[];
  readonly authorities?: readonly ResourceRecord[];
  readonly additionals?: readonly ResourceRecord[];
}

/** A reply to a query: same id, question, RD and CD; no EDNS yet. */
export function replyTo(query: DnsMessage, parts: ReplyParts): DnsMessage {
  return {
    id: query.id,
    response: true,
    opcode: query.opcode,
    rcode: parts.rcode ?? 'NOERROR',
    aa: parts.aa ?? false,
    tc: parts.tc ?? false,
    rd: query.opcode === 0 && query.rd,
    ra: false,
    ad: false,
    cd: query.opcode === 0 && query.cd,
    questions: query.questions,
    answers: parts.answers ?? NONE,
    authorities: parts.authorities ?? NONE,
    additionals: parts.additionals ?? NONE,
  };
}

/** The type of a record as its number's name: `A`, `SRV`, `UNKNOWN_65`. */
export function typeOf(record: ResourceRecord): RecordType {
  return record.type === 'OPAQUE' ? (TYPE_NAMES.get(record.typeCode) ?? `UNKNOWN_${record.typeCode}`) : record.type;
}

/** Types that dns-packet does not know by name, which CoreDNS and dig do. */
const EXTRA_TYPES: Readonly<Record<string, number>> = {
  SVCB: 64,
  HTTPS: 65,
  SPF: 99,
  URI: 256,
  CAA: 257,
  MB: 7,
  MG: 8,
  MR: 9,
  MINFO: 14,
  X25: 19,
  ISDN: 20,
  RT: 21,
  NID: 104,
  L32: 105,
  L64: 106,
  LP: 107,
  EUI48: 108,
  EUI64: 109,
  MAILB: 253,
  MAILA: 254,
  ZONEMD: 63,
  CSYNC: 62,
  OPENPGPKEY: 61,
  SMIMEA: 53,
};
const TYPE_NAMES = new Map(Object.entries(EXTRA_TYPES).map(([name, code]) => [code, name]));

/** The name of a type that dns-packet leaves as `UNKNOWN_<n>`, and the other way round. */
export function knownTypeName(packetName: string): RecordType {
  if (!packetName.startsWith('UNKNOWN_')) return packetName;
  return TYPE_NAMES.get(Number(packetName.slice(8))) ?? packetName;
}
export function packetTypeName(type: RecordType): string {
  const code = EXTRA_TYPES[type];
  return code === undefined || type === 'CAA' || type === 'URI' ? type : `UNKNOWN_${code}`;
}

import type { Ip, Prefix } from '@netsim/wire';
import { formatIp, formatPrefix, tryParseIp } from '@netsim/wire';
import { iptablesProtocol, protocolNumber } from '../iptables/names.ts';
import type { NftScalar, NftValue } from './ruleset.ts';
import {
  addressTypes,
  ctDirections,
  ctStates,
  ctStatuses,
  dscpNames,
  etherTypes,
  icmp6Codes,
  icmp6Types,
  icmpCodes,
  icmpTypes,
  nfProtocols,
  packetTypes,
  tcpFlags,
} from './symbols.ts';

/** Types of values, by nft's names. */
export type NftDataType =
  | 'ipv4_addr'
  | 'ipv6_addr'
  | 'inet_proto'
  | 'inet_service'
  | 'mark'
  | 'ifname'
  | 'iface_index'
  | 'ct_state'
  | 'ct_status'
  | 'ct_dir'
  | 'fib_addrtype'
  | 'nf_proto'
  | 'ether_type'
  | 'icmp_type'
  | 'icmp_code'
  | 'icmpv6_type'
  | 'icmpv6_code'
  | 'pkt_type'
  | 'dscp'
  | 'tcp_flag'
  | 'integer';

interface DataType {
  /** Bytes that a value takes in a concatenation. */
  readonly bytes: number;
  /** Bytes in the machine's order, not the network's: decides the order of printing. */
  readonly host?: true;
  /** Elements of a set on one line. */
  readonly perLine: number;
  readonly symbols?: Readonly<Record<string, number>>;
  /** Values are sets of bits: `a,b` is both. */
  readonly bits?: true;
  readonly hex?: number;
}

const types: Readonly<Record<NftDataType, DataType>> = {
  ipv4_addr: { bytes: 4, perLine: 2 },
  ipv6_addr: { bytes: 16, perLine: 1 },
  inet_proto: { bytes: 1, perLine: 5 },
  inet_service: { bytes: 2, perLine: 5 },
  mark: { bytes: 4, host: true, perLine: 5, hex: 8 },
  ifname: { bytes: 16, host: true, perLine: 1 },
  iface_index: { bytes: 4, host: true, perLine: 1 },
  ct_state: { bytes: 4, host: true, perLine: 2, symbols: ctStates, bits: true },
  ct_status: { bytes: 4, host: true, perLine: 2, symbols: ctStatuses, bits: true },
  ct_dir: { bytes: 1, host: true, perLine: 5, symbols: ctDirections },
  fib_addrtype: { bytes: 4, host: true, perLine: 1, symbols: addressTypes },
  nf_proto: { bytes: 1, host: true, perLine: 5, symbols: nfProtocols },
  ether_type: { bytes: 2, perLine: 1, symbols: etherTypes, hex: 4 },
  icmp_type: { bytes: 1, perLine: 1, symbols: icmpTypes },
  icmp_code: { bytes: 1, perLine: 1, symbols: icmpCodes },
  icmpv6_type: { bytes: 1, perLine: 1, symbols: icmp6Types },
  icmpv6_code: { bytes: 1, perLine: 1, symbols: icmp6Codes },
  pkt_type: { bytes: 1, host: true, perLine: 2, symbols: packetTypes },
  dscp: { bytes: 1, perLine: 1, symbols: dscpNames, hex: 2 },
  tcp_flag: { bytes: 1, perLine: 1, symbols: tcpFlags, bits: true },
  integer: { bytes: 4, host: true, perLine: 1 },
};

export const dataTypeNames = Object.keys(types) as readonly NftDataType[];

export function isDataType(name: string): name is NftDataType {
  return Object.hasOwn(types, name);
}
export function isFlagType(type: NftDataType): boolean {
  return types[type].bits === true;
}
export function elementsPerLine(type: NftDataType): number {
  return types[type].perLine;
}

/** Words that stand for values of a type. */
export function symbolsOf(type: NftDataType): readonly string[] {
  return Object.keys(types[type].symbols ?? {});
}

/** Reads one value (no range, no prefix); undefined where the text is not one of the type. */
export function readScalar(type: NftDataType, text: string): NftScalar | undefined {
  switch (type) {
    case 'ipv4_addr': {
      const ip = tryParseIp(text);
      return typeof ip === 'number' ? ip : undefined;
    }
    case 'ipv6_addr': {
      const ip = tryParseIp(text);
      return typeof ip === 'bigint' ? ip : undefined;
    }
    case 'ifname':
      return text;
    case 'iface_index':
      // A device by its name; 0 is none. Other numbers say nothing here, where devices have no index of their own.
      return text === '0' ? 0 : text;
    case 'inet_proto':
      return readNumber(text, 0xff) ?? protocolNumber(text);
    default: {
      const { bytes, symbols } = types[type];
      const named = symbols !== undefined && Object.hasOwn(symbols, text) ? symbols[text] : undefined;
      return named ?? readNumber(text, 2 ** (8 * bytes) - 1);
    }
  }
}

export function readNumber(text: string, max: number): number | undefined {
  if (!/^(0x[0-9a-fA-F]+|[0-9]+)$/.test(text)) return undefined;
  const value = Number(text);
  return value <= max ? value : undefined;
}

export function printScalar(type: NftDataType, value: NftScalar): string {
  if (typeof value === 'bigint') return formatIp(value);
  if (typeof value === 'string') return `"${value}"`;
  if (type === 'ipv4_addr') return formatIp(value);
  if (type === 'inet_proto') return iptablesProtocol(value);
  const { symbols, bits, hex } = types[type];
  if (symbols !== undefined) {
    const names = namesOf(symbols, value, bits === true);
    if (names !== undefined) return names;
  }
  return hex === undefined ? String(value) : `0x${(value >>> 0).toString(16).padStart(hex, '0')}`;
}

function namesOf(symbols: Readonly<Record<string, number>>, value: number, bits: boolean): string | undefined {
  if (!bits) return Object.keys(symbols).find((name) => symbols[name] === value);
  const names: string[] = [];
  let rest = value;
  for (const [name, bit] of Object.entries(symbols)) {
    if ((rest & bit) === 0) continue;
    names.push(name);
    rest &= ~bit;
  }
  return rest === 0 && names.length > 0 ? names.join(',') : undefined;
}

function isPrefix(value: NftValue): value is Prefix {
  return typeof value === 'object' && 'length' in value;
}

export function printValue(type: NftDataType, value: NftValue): string {
  if (typeof value !== 'object') return printScalar(type, value);
  if (isPrefix(value)) return formatPrefix(value);
  return `${printScalar(type, value.from)}-${printScalar(type, value.to)}`;
}

/** A value in the order in which addresses and numbers are compared: without a sign. */
export function ordinal(value: NftScalar): number | bigint {
  if (typeof value === 'string') return 0;
  return typeof value === 'number' ? value >>> 0 : value;
}

/** First and last of the values that a value stands for. */
export function bounds(value: NftValue): { readonly from: NftScalar; readonly to: NftScalar } {
  if (typeof value !== 'object') return { from: value, to: value };
  if (!isPrefix(value)) return value;
  const { address, length } = value;
  if (typeof address === 'number') return { from: address, to: address | (length === 32 ? 0 : -1 >>> length) };
  return { from: address, to: address | ((1n << BigInt(128 - length)) - 1n) };
}

/** Bytes of a value as they lie in memory, for the order of printing. */
export function valueBytes(type: NftDataType, value: NftScalar): number[] {
  const { bytes, host } = types[type];
  if (typeof value === 'string') {
    const text = [...value].map((char) => char.charCodeAt(0));
    return Array.from({ length: bytes }, (_, i) => text[i] ?? 0);
  }
  let rest = typeof value === 'bigint' ? value : BigInt(value >>> 0);
  const out: number[] = [];
  for (let i = 0; i < bytes; i++, rest >>= 8n) out.push(Number(rest & 255n));
  return host === true ? out : out.reverse();
}

/** A value that may be an address. */
export function isIp(value: NftScalar | undefined): value is Ip {
  return typeof value === 'number' || typeof value === 'bigint';
}

import { Address4, Address6 } from 'ip-address';

/** An IPv4 address as a signed 32-bit integer, so that V8 keeps it as a small integer and never boxes it. */
export type Ipv4 = number;
/** An IPv6 address as a 128-bit bigint. */
export type Ipv6 = bigint;
/**
 * An IP address of either family. `typeof` tells the family; `===` compares, and a Map takes it as key.
 * Text is read and made at the borders only: {@link parseIp}, {@link formatIp}.
 */
export type Ip = Ipv4 | Ipv6;
export type Family = 4 | 6;

/** A block of addresses; `address` has its host bits cleared. */
export interface Prefix {
  readonly address: Ip;
  readonly length: number;
}

/** Thrown for text that is not an address or prefix. */
export class AddressError extends Error {
  override readonly name = 'AddressError';
  readonly text: string;
  constructor(text: string, what: string) {
    super(`${JSON.stringify(text)} is not ${what}`);
    this.text = text;
  }
}

export function familyOf(ip: Ip): Family {
  return typeof ip === 'number' ? 4 : 6;
}

/** Number of bits in an address of the family: 32 or 128. */
export function familyBits(family: Family): number {
  return family === 4 ? 32 : 128;
}

/** Reads an address in canonical or RFC 4291 text; no zone, no prefix length, no leading zeros. */
export function parseIp(text: string): Ip {
  const ip = tryParseIp(text);
  if (ip === undefined) throw new AddressError(text, 'an IP address');
  return ip;
}

/** As {@link parseIp}, but `undefined` where the text is not an address. */
export function tryParseIp(text: string): Ip | undefined {
  const quad = dottedQuad(text);
  if (quad !== undefined) return quad;
  if (text.includes('/') || text.includes('%')) return undefined;
  try {
    if (text.includes(':')) return new Address6(text).bigInt();
    return Number(new Address4(text).bigInt()) | 0;
  } catch {
    return undefined;
  }
}

/** The address of `a.b.c.d` in plain decimal, as nearly all are: much is read. Undefined for any other text. */
function dottedQuad(text: string): Ipv4 | undefined {
  let address = 0;
  let part = -1;
  let dots = 0;
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit >= 0 && digit <= 9) {
      // A zero in front may mean octal.
      if (part === 0) return undefined;
      part = part < 0 ? digit : part * 10 + digit;
      if (part > 255) return undefined;
    } else if (digit === -2 && part >= 0 && dots < 3) {
      address = (address << 8) | part;
      part = -1;
      dots++;
    } else {
      return undefined;
    }
  }
  return dots === 3 && part >= 0 ? (address << 8) | part : undefined;
}

/** Canonical text: dotted quad, or RFC 5952 (an IPv4-mapped address as `::ffff:1.2.3.4`, as Linux prints it). */
export function formatIp(ip: Ip): string {
  if (typeof ip === 'number') return `${ip >>> 24}.${(ip >>> 16) & 255}.${(ip >>> 8) & 255}.${ip & 255}`;
  if (ip >> 32n === 0xffffn) return `::ffff:${formatIp(Number(ip & 0xffff_ffffn) | 0)}`;
  return Address6.fromBigInt(ip).correctForm();
}

/** `ip:port`, with brackets around an IPv6 address. */
export function formatEndpoint(ip: Ip, port: number): string {
  return typeof ip === 'number' ? `${formatIp(ip)}:${port}` : `[${formatIp(ip)}]:${port}`;
}

/** The network mask of a prefix length. */
export function prefixMask(family: Family, length: number): Ip {
  if (family === 4) return length === 0 ? 0 : (-1 << (32 - length)) | 0;
  return length === 0 ? 0n : (BigInt(1) << 128n) - (1n << BigInt(128 - length));
}

/** Makes a prefix of an address, clearing its host bits. */
export function prefixOf(ip: Ip, length: number): Prefix {
  if (typeof ip === 'number') return { address: ip & (prefixMask(4, length) as number), length };
  return { address: ip & (prefixMask(6, length) as bigint), length };
}

/** Reads `address/length`; a bare address is a host prefix. Host bits are cleared. */
export function parsePrefix(text: string): Prefix {
  const prefix = tryParsePrefix(text);
  if (prefix === undefined) throw new AddressError(text, 'a CIDR');
  return prefix;
}

export function tryParsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf('/');
  const ip = tryParseIp(slash < 0 ? text : text.slice(0, slash));
  if (ip === undefined) return undefined;
  const bits = familyBits(familyOf(ip));
  if (slash < 0) return { address: ip, length: bits };
  const tail = text.slice(slash + 1);
  if (!/^(0|[1-9][0-9]{0,2})$/.test(tail) || Number(tail) > bits) return undefined;
  return prefixOf(ip, Number(tail));
}

export function formatPrefix(prefix: Prefix): string {
  return `${formatIp(prefix.address)}/${prefix.length}`;
}

export function prefixContains(prefix: Prefix, ip: Ip): boolean {
  const { address, length } = prefix;
  if (typeof address === 'number') {
    return typeof ip === 'number' && (length === 0 || (address ^ ip) >>> (32 - length) === 0);
  }
  return typeof ip === 'bigint' && (address ^ ip) >> BigInt(128 - length) === 0n;
}

/** The address `offset` places after the start of a prefix. No check that it is inside. */
export function addressAt(prefix: Prefix, offset: number): Ip {
  return typeof prefix.address === 'number' ? (prefix.address + offset) | 0 : prefix.address + BigInt(offset);
}

/** A MAC address as canonical text (`0a:58:0a:f4:01:05`): compared by identity of text, never computed with. */
export type Mac = string;
export const BROADCAST_MAC: Mac = 'ff:ff:ff:ff:ff:ff';

import type { Causes, FieldPath } from './cause.ts';

/** IP text as the API server reads it. Only what validation needs; the addresses themselves are values of the wire package. */
export interface ParsedIp {
  readonly family: 4 | 6;
  /** Address as a number, 32 or 128 bits. */
  readonly value: bigint;
}

/** An IPv4 or IPv6 address. Leading zeros are taken as decimal, as the server's lenient parser does for old fields. */
export function parseIp(text: string): ParsedIp | undefined {
  if (text.includes(':')) return parseIpv6(text);
  const value = parseIpv4(text);
  return value === undefined ? undefined : { family: 4, value };
}

function parseIpv4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0n;
  for (const part of parts) {
    if (!/^\d+$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256n + BigInt(part);
  }
  return value;
}

function parseIpv6(text: string): ParsedIp | undefined {
  let body = text;
  const lastColon = text.lastIndexOf(':');
  const tail = text.slice(lastColon + 1);
  if (tail.includes('.')) {
    const v4 = parseIpv4(tail);
    if (v4 === undefined) return undefined;
    body = `${text.slice(0, lastColon + 1)}${(v4 >> 16n).toString(16)}:${(v4 & 0xffffn).toString(16)}`;
  }
  const halves = body.split('::');
  if (halves.length > 2) return undefined;
  const groups = halves.map((half) => (half === '' ? [] : half.split(':')));
  const count = groups.reduce((sum, list) => sum + list.length, 0);
  if (halves.length === 2 ? count > 7 : count !== 8) return undefined;
  const all = halves.length === 2 ? [...groups[0]!, ...Array<string>(8 - count).fill('0'), ...groups[1]!] : groups[0]!;
  let value = 0n;
  for (const group of all) {
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
    value = value * 65536n + BigInt(`0x${group}`);
  }
  // An IPv4 address in IPv6 form is an IPv4 address to Go.
  if (value >> 32n === 0xffffn) return { family: 4, value: value & 0xffffffffn };
  return { family: 6, value };
}

export interface ParsedCidr {
  readonly family: 4 | 6;
  readonly value: bigint;
  readonly bits: number;
}

export function parseCidr(text: string): ParsedCidr | undefined {
  const slash = text.indexOf('/');
  if (slash === -1) return undefined;
  const ip = parseIp(text.slice(0, slash));
  const mask = text.slice(slash + 1);
  if (ip === undefined || !/^\d+$/.test(mask)) return undefined;
  const family = text.includes(':') ? 6 : 4;
  const bits = Number(mask);
  return bits <= (family === 4 ? 32 : 128) ? { family, value: ip.value, bits } : undefined;
}

export function contains(cidr: ParsedCidr, ip: ParsedIp): boolean {
  const shift = BigInt((cidr.family === 4 ? 32 : 128) - cidr.bits);
  return cidr.family === ip.family && ip.value >> shift === cidr.value >> shift;
}

/** Whether `inner` lies in `outer`, and is not as large. */
export function isStrictSubnet(inner: ParsedCidr, outer: ParsedCidr): boolean {
  if (inner.family !== outer.family || inner.bits <= outer.bits) return false;
  const shift = BigInt((outer.family === 4 ? 32 : 128) - outer.bits);
  return inner.value >> shift === outer.value >> shift;
}

const LEADING_ZERO = /(^|[.:])0\d+\./;
const MAPPED = /^[0:]*:ffff:/i;

/** Causes where `text` is no IP address in its usual form. Returns the address where it can be read as one. */
export function checkIp(causes: Causes, at: FieldPath, text: string): ParsedIp | undefined {
  const ip = parseIp(text);
  if (ip === undefined) causes.invalid(at, text, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)');
  else if (LEADING_ZERO.test(`${text}.`)) causes.invalid(at, text, 'must not have leading 0s');
  else if (ip.family === 4 && MAPPED.test(text)) causes.invalid(at, text, 'must not be an IPv4-mapped IPv6 address');
  return ip;
}

export function checkCidr(causes: Causes, at: FieldPath, text: string): ParsedCidr | undefined {
  const cidr = parseCidr(text);
  if (cidr === undefined) {
    causes.invalid(at, text, 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)');
    return undefined;
  }
  const address = text.slice(0, text.indexOf('/'));
  const hostBits = BigInt((cidr.family === 4 ? 32 : 128) - cidr.bits);
  if (LEADING_ZERO.test(`${address}.`) || /\/0\d/.test(text)) {
    causes.invalid(at, text, 'must not have leading 0s in IP or prefix length');
  } else if (MAPPED.test(address) && parseIp(address)?.family === 4) {
    causes.invalid(at, text, 'must not have an IPv4-mapped IPv6 address');
  } else if ((cidr.value >> hostBits) << hostBits !== cidr.value) {
    causes.invalid(at, text, 'must not have bits set beyond the prefix length');
  }
  return cidr;
}

/** Addresses that cannot stand for a machine elsewhere (ValidateNonSpecialIP). */
export function checkNonSpecialIp(causes: Causes, at: FieldPath, text: string): void {
  const ip = parseIp(text);
  if (ip === undefined) {
    causes.invalid(at, text, 'must be a valid IP address');
    return;
  }
  const { family, value } = ip;
  const top = (bits: number) => value >> BigInt((family === 4 ? 32 : 128) - bits);
  if (value === 0n) causes.invalid(at, text, 'may not be unspecified (0.0.0.0 or ::)');
  if (family === 4 ? top(8) === 127n : value === 1n) {
    causes.invalid(at, text, 'may not be in the loopback range (127.0.0.0/8, ::1/128)');
  }
  if (family === 4 ? top(16) === 0xa9fen : top(10) === 0xfe80n >> 6n) {
    causes.invalid(at, text, 'may not be in the link-local range (169.254.0.0/16, fe80::/10)');
  }
  if (family === 4 ? top(24) === 0xe00000n : top(16) === 0xff02n) {
    causes.invalid(at, text, 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)');
  }
}

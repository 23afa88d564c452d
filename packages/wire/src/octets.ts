import type { Ip, Ipv4, Ipv6, Mac } from './address.ts';
import { WireError } from './error.ts';

/** Reads an address in network byte order. */
export function readIp(data: DataView, offset: number, family: 4): Ipv4;
export function readIp(data: DataView, offset: number, family: 6): Ipv6;
export function readIp(data: DataView, offset: number, family: 4 | 6): Ip {
  if (family === 4) return data.getInt32(offset);
  return (data.getBigUint64(offset) << 64n) | data.getBigUint64(offset + 8);
}

/** Writes an address in network byte order: 4 or 16 bytes. */
export function writeIp(data: DataView, offset: number, ip: Ip): void {
  if (typeof ip === 'number') {
    data.setInt32(offset, ip);
    return;
  }
  data.setBigUint64(offset, ip >> 64n);
  data.setBigUint64(offset + 8, ip & 0xffff_ffff_ffff_ffffn);
}

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

export function readMac(bytes: Uint8Array, offset: number): Mac {
  let text = hex[bytes[offset]];
  for (let i = 1; i < 6; i++) text += `:${hex[bytes[offset + i]]}`;
  return text;
}

/** Writes a MAC address; the empty text (no address known) is six zeros. Throws {@link WireError} for other text. */
export function writeMac(bytes: Uint8Array, offset: number, mac: Mac): void {
  if (mac === '') {
    bytes.fill(0, offset, offset + 6);
    return;
  }
  if (!isMac(mac)) throw new WireError('Ethernet', 'malformed', `${JSON.stringify(mac)} is not a MAC address`);
  for (let i = 0; i < 6; i++) bytes[offset + i] = Number.parseInt(mac.slice(i * 3, i * 3 + 2), 16);
}

/** Is it canonical text: six pairs of hex digits in lower case, with colons? */
export function isMac(text: string): boolean {
  return /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(text);
}

/** Group bit (RFC 7042): broadcast and multicast addresses. */
export function isGroupMac(mac: Mac): boolean {
  return (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;
}

/** Solicited-node multicast address of an IPv6 address: ff02::1:ffXX:XXXX (RFC 4291, 2.7.1). */
export function solicitedNode(ip: bigint): bigint {
  return 0xff02_0000_0000_0000_0000_0001_ff00_0000n | (ip & 0xff_ffffn);
}

/** MAC address of a multicast IP address: 01:00:5e + 23 bits (RFC 1112), or 33:33 + 32 bits (RFC 2464). */
export function multicastMac(ip: Ip): Mac {
  const low = typeof ip === 'number' ? ip & 0x7f_ffff : Number(ip & 0xffff_ffffn);
  const tail = `${hex[(low >>> 16) & 255]}:${hex[(low >>> 8) & 255]}:${hex[low & 255]}`;
  return typeof ip === 'number' ? `01:00:5e:${tail}` : `33:33:${hex[low >>> 24]}:${tail}`;
}

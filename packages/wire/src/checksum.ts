import type { Ip } from './address.ts';

/** Sum of 16-bit words in network order, to go on from or to fold (RFC 1071). An odd last byte counts as the high half. */
export function addWords(bytes: Uint8Array, sum = 0): number {
  const even = bytes.length & ~1;
  let total = sum;
  for (let i = 0; i < even; i += 2) total += (bytes[i] << 8) | bytes[i + 1];
  if (even !== bytes.length) total += bytes[even] << 8;
  return total;
}

/** Ones' complement of a sum of words, folded to 16 bits. */
export function foldChecksum(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded % 0x1_0000) + Math.floor(folded / 0x1_0000);
  return ~folded & 0xffff;
}

/** Internet checksum (RFC 1071). Over bytes that hold their own right checksum it is 0. */
export function internetChecksum(bytes: Uint8Array, sum = 0): number {
  return foldChecksum(addWords(bytes, sum));
}

/** Ends of a transport packet, as its checksum sees them. Both of one family. */
export interface Ends {
  readonly src: Ip;
  readonly dst: Ip;
}

/** Sum of the words of the pseudo header: IPv4 (RFC 9293, 3.1) or IPv6 (RFC 8200, 8.1). */
export function pseudoHeaderSum(ends: Ends, protocol: number, length: number): number {
  return addressWords(ends.src) + addressWords(ends.dst) + protocol + (length >>> 16) + (length & 0xffff);
}

function addressWords(ip: Ip): number {
  if (typeof ip === 'number') return (ip >>> 16) + (ip & 0xffff);
  let sum = 0;
  for (let rest = ip; rest > 0n; rest >>= 16n) sum += Number(rest & 0xffffn);
  return sum;
}

const castagnoli = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** CRC32c (RFC 9260, appendix A), as an unsigned number. SCTP writes it little endian. */
export function crc32c(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) crc = castagnoli[(crc ^ byte) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

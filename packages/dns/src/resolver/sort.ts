import { familyOf, type Ip, type Ipv6, parseIp } from '@netsim/wire';
import type { Libc } from './resolv-conf.ts';

/** The address that the kernel would send from to a destination, and the length of its prefix; undefined without a route. */
export type SourceAddress = (destination: Ip) => { readonly address: Ip; readonly length: number } | undefined;

interface Policy {
  readonly prefix: Ipv6;
  readonly length: number;
  readonly label: number;
  readonly precedence: number;
}
const policy = (prefix: Ipv6, length: number, label: number, precedence: number): Policy => ({
  prefix,
  length,
  label,
  precedence,
});

/** Built-in tables: glibc has that of RFC 3484, musl that of RFC 6724. Longest prefix first. */
const tables: Record<Libc, readonly Policy[]> = {
  glibc: [
    policy(1n, 128, 0, 50),
    policy(0xffffn << 32n, 96, 4, 10),
    policy(0n, 96, 3, 20),
    policy(0x2001n << 112n, 32, 7, 40),
    policy(0x2002n << 112n, 16, 2, 30),
    policy(0xfec0n << 112n, 10, 5, 40),
    policy(0xfc00n << 112n, 7, 6, 40),
    policy(0n, 0, 1, 40),
  ],
  musl: [
    policy(1n, 128, 0, 50),
    policy(0xffffn << 32n, 96, 4, 35),
    policy(0x2001n << 112n, 32, 5, 5),
    policy(0x2002n << 112n, 16, 2, 30),
    policy(0xfc00n << 112n, 7, 13, 3),
    policy(0n, 0, 1, 40),
  ],
};

/**
 * The order in which a program tries the addresses: RFC 6724 section 6 as each libc has it. Each key is compared from
 * the left, greater first; equal keys keep their order.
 */
export function sortAddresses(
  addresses: readonly string[],
  libc: Libc,
  source: SourceAddress = () => undefined,
): string[] {
  if (addresses.length < 2) return [...addresses];
  const keyed = addresses.map((text) => ({ text, ip: parseIp(text), key: keyOf(parseIp(text), libc, source) }));
  keyed.sort((a, b) => {
    for (const [i, value] of a.key.entries()) {
      // glibc compares prefixes within one family only.
      if (i === PREFIX_KEY && libc === 'glibc' && familyOf(a.ip) !== familyOf(b.ip)) return 0;
      if (value !== b.key[i]) return b.key[i]! - value;
    }
    return 0;
  });
  return keyed.map(({ text }) => text);
}

const PREFIX_KEY = 5;

function keyOf(destination: Ip, libc: Libc, source: SourceAddress): number[] {
  const from = source(destination);
  const own = policyOf(destination, libc);
  const scope = scopeOf(destination);
  return [
    from === undefined ? 0 : 1,
    from !== undefined && scopeOf(from.address) === scope ? 1 : 0,
    from !== undefined && policyOf(from.address, libc).label === own.label ? 1 : 0,
    own.precedence,
    15 - scope,
    from === undefined ? 0 : commonBits(destination, from, libc),
  ];
}

function mapped(ip: Ip): Ipv6 {
  return typeof ip === 'bigint' ? ip : (0xffffn << 32n) | BigInt(ip >>> 0);
}

function policyOf(ip: Ip, libc: Libc): Policy {
  const address = mapped(ip);
  return tables[libc].find(({ prefix, length }) => (address ^ prefix) >> BigInt(128 - length) === 0n)!;
}

/** RFC 4291 scope: 2 link, 5 site, 14 global; loopback and 169.254/16 are link-local. */
function scopeOf(ip: Ip): number {
  if (typeof ip === 'number') return ip >>> 24 === 127 || ip >>> 16 === 0xa9fe ? 2 : 14;
  if (ip >> 120n === 0xffn) return Number((ip >> 112n) & 15n);
  if (ip === 1n || ip >> 118n === 0x3fan) return 2;
  return ip >> 118n === 0x3fbn ? 5 : 14;
}

function commonBits(destination: Ip, from: { address: Ip; length: number }, libc: Libc): number {
  const bits = leadingEqual(mapped(destination), mapped(from.address));
  // glibc looks at the bits of an IPv4 address only where source and destination are in one subnet.
  if (libc === 'glibc' && typeof destination === 'number') return bits - 96 >= from.length ? bits - 96 : 0;
  return bits;
}

function leadingEqual(a: Ipv6, b: Ipv6): number {
  const difference = a ^ b;
  return difference === 0n ? 128 : 128 - difference.toString(2).length;
}

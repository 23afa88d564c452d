import { Netmask } from 'netmask';
import { familyBits, familyOf, formatIp, type Ip, type Prefix, parseIp, prefixContains } from './address.ts';

/**
 * Arithmetic over blocks of addresses, for those who hand out addresses and subnets. IPv4 stands on `netmask`, which is
 * always given canonical text (of other text it believes too much); IPv6 is our own integers.
 */

function netmask(prefix: Prefix): Netmask {
  return new Netmask(`${formatIp(prefix.address)}/${prefix.length}`);
}

/** Number of addresses in a prefix, hosts or not. */
export function prefixSize(prefix: Prefix): bigint {
  return 1n << BigInt(familyBits(familyOf(prefix.address)) - prefix.length);
}

/** The last address of a prefix: for IPv4 its broadcast address, up to /30. */
export function lastAddress(prefix: Prefix): Ip {
  const { address, length } = prefix;
  if (typeof address === 'bigint') return address | ((1n << BigInt(128 - length)) - 1n);
  return length === 32 ? address : address | (-1 >>> length);
}

/** The first address a host may have: after the network address (IPv4, up to /30), or after the subnet-router anycast address (IPv6, up to /126). */
export function firstHost(prefix: Prefix): Ip {
  if (typeof prefix.address === 'number') return parseIp(netmask(prefix).first);
  return prefix.length >= 127 ? prefix.address : prefix.address + 1n;
}

/** The last address a host may have: before the broadcast address of IPv4; IPv6 has none. */
export function lastHost(prefix: Prefix): Ip {
  return typeof prefix.address === 'number' ? parseIp(netmask(prefix).last) : lastAddress(prefix);
}

/** All addresses a host may have, in order. Lazy: a prefix may be huge. */
export function* prefixHosts(prefix: Prefix): Generator<Ip, void, undefined> {
  const first = firstHost(prefix);
  const count = addressOffset({ address: first, length: prefix.length }, lastHost(prefix));
  for (let i = 0n; i <= count; i++) {
    yield typeof first === 'number' ? (first + Number(i)) | 0 : first + i;
  }
}

/** How many places an address stands after the start of a prefix; negative before it. The inverse of `addressAt`. */
export function addressOffset(prefix: Prefix, ip: Ip): bigint {
  if (typeof prefix.address === 'number') return BigInt(Number(ip) >>> 0) - BigInt(prefix.address >>> 0);
  return BigInt(ip) - prefix.address;
}

/** How many subnets of a length a prefix has; 0 where it is smaller than one. */
export function subnetCount(prefix: Prefix, newLength: number): bigint {
  return newLength < prefix.length ? 0n : 1n << BigInt(newLength - prefix.length);
}

/** The subnet with that index (from 0) among those of that length. Throws RangeError where the prefix does not have it. */
export function subnet(prefix: Prefix, newLength: number, index: number): Prefix {
  const { address, length } = prefix;
  const bits = familyBits(familyOf(address));
  const there = newLength > bits ? 0n : subnetCount(prefix, newLength);
  if (!Number.isInteger(index) || index < 0 || BigInt(index) >= there) {
    throw new RangeError(
      `${formatIp(address)}/${length} has ${there} subnets of /${newLength}: there is no number ${index}`,
    );
  }
  if (index === 0) return { address, length: newLength };
  if (typeof address === 'bigint') {
    return { address: address + (BigInt(index) << BigInt(128 - newLength)), length: newLength };
  }
  return { address: parseIp(netmask({ address, length: newLength }).next(index).base), length: newLength };
}

/** All subnets of a length, in order. Lazy. */
export function* splitPrefix(prefix: Prefix, newLength: number): Generator<Prefix, void, undefined> {
  const count = subnetCount(prefix, newLength);
  const step = familyBits(familyOf(prefix.address)) - newLength;
  for (let i = 0n; i < count; i++) {
    const { address } = prefix;
    yield typeof address === 'number'
      ? { address: (address + Number(i << BigInt(step))) | 0, length: newLength }
      : { address: address + (i << BigInt(step)), length: newLength };
  }
}

/** Is every address of the second also in the first? */
export function prefixCovers(outer: Prefix, inner: Prefix): boolean {
  return inner.length >= outer.length && prefixContains(outer, inner.address);
}

/** Have they an address in common? */
export function prefixesOverlap(a: Prefix, b: Prefix): boolean {
  return prefixCovers(a, b) || prefixCovers(b, a);
}

/** The address `places` after an address; wraps at the end of the family. */
export function nextAddress(ip: Ip, places = 1): Ip {
  if (typeof ip === 'number') return (ip + places) | 0;
  return BigInt.asUintN(128, ip + BigInt(places));
}

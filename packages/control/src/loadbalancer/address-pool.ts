import {
  addressAt,
  type Family,
  familyBits,
  familyOf,
  formatIp,
  type Ip,
  lastAddress,
  tryParseIp,
  tryParsePrefix,
} from '@netsim/wire';

/** Addresses from `first` to `last`, both included, of one family. */
export interface AddressRange {
  readonly first: Ip;
  readonly last: Ip;
}

/** Reads `192.168.1.11-192.168.1.19` or a CIDR, as MetalLB's pools write ranges; `undefined` where it is neither. */
export function parseRange(text: string): AddressRange | undefined {
  const [from, to, ...more] = text.split('-').map((part) => part.trim());
  if (to === undefined) {
    const prefix = tryParsePrefix(from!);
    return prefix === undefined ? undefined : { first: prefix.address, last: lastAddress(prefix) };
  }
  const first = tryParseIp(from!);
  const last = tryParseIp(to);
  if (more.length > 0 || first === undefined || last === undefined || familyOf(first) !== familyOf(last)) {
    return undefined;
  }
  return orderOf(first) > orderOf(last) ? undefined : { first, last };
}

export function formatRange({ first, last }: AddressRange): string {
  return first === last ? formatIp(first) : `${formatIp(first)}-${formatIp(last)}`;
}

export function rangeContains(range: AddressRange, ip: Ip): boolean {
  if (familyOf(range.first) !== familyOf(ip)) return false;
  return orderOf(range.first) <= orderOf(ip) && orderOf(ip) <= orderOf(range.last);
}

export function rangesOverlap(a: AddressRange, b: AddressRange): boolean {
  return rangeContains(a, b.first) || rangeContains(b, a.first);
}

/** More addresses than any cluster has services: a larger range is looked through no further. */
const farEnough = 1 << 20;

/** The addresses of a family in some ranges, in order. */
export function* addressesOf(ranges: readonly AddressRange[], family: Family): Generator<Ip, void, undefined> {
  for (const range of ranges) {
    if (familyOf(range.first) !== family) continue;
    const size = orderOf(range.last) - orderOf(range.first);
    const start = { address: range.first, length: familyBits(family) };
    for (let i = 0; i <= size && i < farEnough; i++) yield addressAt(start, i);
  }
}

/** An IPv4 address that ends in 0 or 255: some old home routers take it for a broadcast. */
export function confusesBuggyFirmware(ip: Ip): boolean {
  return typeof ip === 'number' && ((ip & 255) === 0 || (ip & 255) === 255);
}

/** IPv4 addresses are signed numbers; in their own order they are not. */
function orderOf(ip: Ip): bigint {
  return typeof ip === 'number' ? BigInt(ip >>> 0) : ip;
}

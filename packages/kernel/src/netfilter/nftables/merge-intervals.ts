import { type Family, familyBits, familyOf, type Prefix, prefixOf } from '@netsim/wire';
import type { NftDataType } from './datatype.ts';
import type { NftElement, NftScalar, NftValue } from './ruleset.ts';

const familyOfType: ReadonlyMap<NftDataType, Family> = new Map([
  ['ipv4_addr', 4],
  ['ipv6_addr', 6],
]);

interface Interval {
  readonly from: bigint;
  to: bigint;
}

/**
 * Elements of an anonymous set of addresses, those that overlap or touch made one, as nft does before it gives such a set to the
 * kernel (auto-merge): `{ 10.0.0.0/24, 10.0.1.0/24 }` is listed as `{ 10.0.0.0/23 }`. Nothing overlaps afterwards, which look-ups
 * rely on. Elements that are not addresses or hold more than a key stay as they are.
 */
export function mergeIntervals(type: readonly NftDataType[], elements: readonly NftElement[]): readonly NftElement[] {
  const family = type.length === 1 ? familyOfType.get(type[0]!) : undefined;
  if (family === undefined || !elements.every(isPlain)) return elements;
  const intervals = elements.map(({ key }) => intervalOf(key[0]!)).sort((a, b) => (a.from < b.from ? -1 : 1));
  const merged: Interval[] = [];
  for (const interval of intervals) {
    const last = merged.at(-1);
    if (last === undefined || interval.from > last.to + 1n) merged.push({ ...interval });
    else if (interval.to > last.to) last.to = interval.to;
  }
  return merged.map((interval) => ({ key: [blockOf(interval, family)] }));
}

function isPlain({ key, data, comment, timeout }: NftElement): boolean {
  return key.length === 1 && data === undefined && comment === undefined && timeout === undefined;
}

function isPrefix(value: NftValue): value is Prefix {
  return typeof value === 'object' && 'length' in value;
}

/** Addresses as unsigned numbers. */
function unsigned(value: NftScalar): bigint {
  return typeof value === 'number' ? BigInt(value >>> 0) : BigInt(value);
}

function intervalOf(value: NftValue): Interval {
  if (typeof value !== 'object') return { from: unsigned(value), to: unsigned(value) };
  if (!isPrefix(value)) return { from: unsigned(value.from), to: unsigned(value.to) };
  const from = unsigned(value.address);
  const free = BigInt(familyBits(familyOf(value.address)) - value.length);
  return { from, to: from + (1n << free) - 1n };
}

/** One address, a block where the interval is one, else a range. */
function blockOf({ from, to }: Interval, family: Family): NftValue {
  const scalar = (value: bigint): number | bigint => (family === 4 ? Number(BigInt.asIntN(32, value)) : value);
  if (from === to) return scalar(from);
  const size = to - from + 1n;
  if ((size & (size - 1n)) !== 0n || from % size !== 0n) return { from: scalar(from), to: scalar(to) };
  return prefixOf(scalar(from), familyBits(family) - (size.toString(2).length - 1));
}

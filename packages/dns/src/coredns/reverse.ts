import { formatIp, tryParseIp } from '@netsim/wire';

const V4 = '.in-addr.arpa.';
const V6 = '.ip6.arpa.';

/** 1 for a name under in-addr.arpa, 2 under ip6.arpa, 0 for others. */
export function reverseKind(name: string): 0 | 1 | 2 {
  if (name === 'in-addr.arpa.' || name.endsWith(V4)) return 1;
  if (name === 'ip6.arpa.' || name.endsWith(V6)) return 2;
  return 0;
}

/** The address (canonical text) that a complete reverse name in lower case stands for, or undefined. */
export function addressOfReverse(name: string): string | undefined {
  if (name.endsWith(V4)) {
    const text = name.slice(0, -V4.length).split('.').reverse().join('.');
    const ip = tryParseIp(text);
    return typeof ip === 'number' ? formatIp(ip) : undefined;
  }
  if (name.endsWith(V6)) {
    const nibbles = name.slice(0, -V6.length).split('.').reverse();
    if (nibbles.length !== 32 || !nibbles.every((nibble) => /^[0-9a-f]$/.test(nibble))) return undefined;
    return formatIp(BigInt(`0x${nibbles.join('')}`));
  }
  return undefined;
}

/**
 * The reverse zones that cover a block, as CoreDNS makes them of a CIDR in a Corefile: a length that is not on an octet
 * (or nibble) becomes the several zones of the next boundary. Undefined where the text is not a CIDR.
 */
export function reverseZonesOf(cidr: string): string[] | undefined {
  const slash = cidr.indexOf('/');
  if (slash < 0) return undefined;
  const ip = tryParseIp(cidr.slice(0, slash));
  const length = Number(cidr.slice(slash + 1));
  if (ip === undefined || !/^[0-9]+$/.test(cidr.slice(slash + 1))) return undefined;
  const v4 = typeof ip === 'number';
  const bits = v4 ? 32 : 128;
  const unit = v4 ? 8 : 4;
  if (length > bits) return undefined;
  const value = v4 ? BigInt(ip >>> 0) : ip;
  const kept = Math.min(bits, Math.ceil(length / unit) * unit);
  const base = length === 0 ? 0n : (value >> BigInt(bits - length)) << BigInt(kept - length);
  const zones: string[] = [];
  for (let at = 0n; at < 1n << BigInt(kept - length); at++) zones.push(zoneOfPrefix(base + at, kept, v4));
  return zones;
}

function zoneOfPrefix(prefix: bigint, bits: number, v4: boolean): string {
  const labels: string[] = [];
  const unit = v4 ? 8 : 4;
  for (let shift = 0; shift < bits; shift += unit) {
    const part = (prefix >> BigInt(shift)) & (v4 ? 255n : 15n);
    labels.push(v4 ? part.toString() : part.toString(16));
  }
  return [...labels, v4 ? 'in-addr.arpa.' : 'ip6.arpa.'].join('.');
}

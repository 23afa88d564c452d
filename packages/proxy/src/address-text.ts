import type { Ip, Prefix } from '@netsim/wire';
import { familyBits, familyOf, prefixOf, tryParseIp } from '@netsim/wire';

/**
 * Reads an address as Kubernetes does in objects that are already stored (Go: netutils.ParseIPSloppy): leading zeros in an
 * IPv4 address are allowed and mean nothing.
 */
export function parseIpSloppy(text: string): Ip | undefined {
  if (text.includes(':')) return tryParseIp(text);
  let value = 0;
  let parts = 0;
  let digits = 0;
  let part = 0;
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : 46;
    if (code === 46) {
      if (digits === 0 || part > 255 || ++parts > 4) return undefined;
      value = (value << 8) | part;
      digits = 0;
      part = 0;
    } else if (code >= 48 && code <= 57 && digits < 16) {
      part = Math.min(part * 10 + code - 48, 256);
      digits++;
    } else return undefined;
  }
  return parts === 4 ? value : undefined;
}

/** As {@link parseIpSloppy}, for `address/length`. Blanks around it are allowed, as in loadBalancerSourceRanges. */
export function parsePrefixSloppy(text: string): Prefix | undefined {
  const [address, length, more] = text.trim().split('/');
  if (address === undefined || length === undefined || more !== undefined || !/^[0-9]{1,4}$/.test(length))
    return undefined;
  const ip = parseIpSloppy(address);
  if (ip === undefined || Number(length) > familyBits(familyOf(ip))) return undefined;
  return prefixOf(ip, Number(length));
}

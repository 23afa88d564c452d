import { type Ip, tryParseIp } from '@netsim/wire';

/**
 * A numeric host as getaddrinfo takes it: IPv6 text, or IPv4 in any form of `inet_aton` (`10.1`, `0x7f000001`,
 * `127.1`, octal parts). Undefined where it is a name.
 */
export function parseNumeric(text: string): Ip | undefined {
  if (text.includes(':')) return tryParseIp(text);
  const parts = text.split('.');
  if (parts.length > 4) return undefined;
  const numbers: number[] = [];
  for (const part of parts) {
    if (/^0[xX][0-9a-fA-F]{1,8}$/.test(part)) numbers.push(Number.parseInt(part.slice(2), 16));
    else if (/^0[0-7]{0,11}$/.test(part)) numbers.push(Number.parseInt(part, 8));
    else if (/^[1-9][0-9]{0,9}$/.test(part)) numbers.push(Number(part));
    else return undefined;
  }
  const last = numbers.pop()!;
  const room = 4 - numbers.length;
  if (last >= 256 ** room || numbers.some((number) => number > 255)) return undefined;
  return numbers.reduce((sum, number, i) => sum + number * 256 ** (3 - i), last) | 0;
}

import { familyOf, type Ip, tryParseIp } from '@netsim/wire';
import type { ExecContext } from './tool.ts';

/** Addresses of a host as written: an address itself, `localhost`, or a name that is looked up; of one family where wanted. */
export async function addressesOf(host: string, context: ExecContext, family?: 4 | 6): Promise<Ip[]> {
  const fits = (ip: Ip) => family === undefined || familyOf(ip) === family;
  const literal = tryParseIp(host.replace(/^\[(.*)\]$/, '$1'));
  if (literal !== undefined) return fits(literal) ? [literal] : [];
  if (host === 'localhost') return [0x7f000001, 1n].filter(fits);
  const found = await context.resolve(host);
  return [...(found ?? [])].filter(fits);
}

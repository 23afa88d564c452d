import { formatIp, tryParseIp } from '@netsim/wire';
import type { Family } from './io.ts';
import { parseNumeric } from './numeric.ts';

/** What `/etc/hosts` says of a name. `otherFamily`: the name is there, but with addresses of the other family only. */
export interface HostsAnswer {
  readonly addresses: readonly string[];
  readonly canonicalName?: string;
  readonly otherFamily: boolean;
}

/** As glibc's `nss_files` with `multi on`: names compared without case, all lines of the name taken. */
export function lookupHostsGlibc(text: string, name: string, family: Family): HostsAnswer {
  const wanted = name.toLowerCase();
  const addresses: string[] = [];
  let canonicalName: string | undefined;
  let otherFamily = false;
  for (const { address, names } of entries(text)) {
    if (!names.some((candidate) => candidate.toLowerCase() === wanted)) continue;
    const ip = tryParseIp(address);
    if (ip === undefined) continue;
    if (family === (typeof ip === 'number' ? 'inet6' : 'inet')) {
      otherFamily = true;
      continue;
    }
    addresses.push(formatIp(ip));
    canonicalName ??= names[0];
  }
  return { addresses, ...(canonicalName === undefined ? {} : { canonicalName }), otherFamily };
}

/** As musl's `name_from_hosts`: names compared with case, all lines of the name taken. */
export function lookupHostsMusl(text: string, name: string, family: Family): HostsAnswer {
  const addresses: string[] = [];
  let canonicalName: string | undefined;
  let otherFamily = false;
  for (const { address, names } of entries(text)) {
    if (!names.includes(name)) continue;
    const ip = parseNumeric(address);
    if (ip === undefined) continue;
    if (family === (typeof ip === 'number' ? 'inet6' : 'inet')) otherFamily = true;
    else addresses.push(formatIp(ip));
    canonicalName = names[0];
  }
  return { addresses, ...(canonicalName === undefined ? {} : { canonicalName }), otherFamily };
}

function* entries(text: string): Generator<{ address: string; names: string[] }> {
  for (const line of text.split('\n')) {
    const hash = line.indexOf('#');
    const words = (hash < 0 ? line : line.slice(0, hash)).split(/\s+/).filter((word) => word !== '');
    if (words.length >= 2) yield { address: words[0]!, names: words.slice(1) };
  }
}

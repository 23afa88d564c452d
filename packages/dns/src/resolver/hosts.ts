import { formatIp, tryParseIp } from '@netsim/wire';
import type { Family } from './io.ts';
import { parseNumeric } from './numeric.ts';

/** What `/etc/hosts` says of a name. `otherFamily`: the name is there, but with addresses of the other family only. */
export interface HostsAnswer {
  readonly addresses: readonly string[];
  readonly canonicalName?: string;
  readonly otherFamily: boolean;
}

/** A line of `/etc/hosts`. */
export interface HostsEntry {
  readonly address: string;
  readonly names: readonly string[];
}

/** As glibc's `nss_files` with `multi on`: names compared without case, all lines of the name taken. */
export function lookupHostsGlibc(hosts: readonly HostsEntry[], name: string, family: Family): HostsAnswer {
  const wanted = name.toLowerCase();
  const addresses: string[] = [];
  let canonicalName: string | undefined;
  let otherFamily = false;
  for (const { address, names } of hosts) {
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
export function lookupHostsMusl(hosts: readonly HostsEntry[], name: string, family: Family): HostsAnswer {
  const addresses: string[] = [];
  let canonicalName: string | undefined;
  let otherFamily = false;
  for (const { address, names } of hosts) {
    if (!names.includes(name)) continue;
    const ip = parseNumeric(address);
    if (ip === undefined) continue;
    if (family === (typeof ip === 'number' ? 'inet6' : 'inet')) otherFamily = true;
    else addresses.push(formatIp(ip));
    canonicalName = names[0];
  }
  return { addresses, ...(canonicalName === undefined ? {} : { canonicalName }), otherFamily };
}

/** The lines of `/etc/hosts` that say something. */
export function parseHosts(text: string): HostsEntry[] {
  return text.split('\n').flatMap((line) => {
    const hash = line.indexOf('#');
    const words = (hash < 0 ? line : line.slice(0, hash)).split(/\s+/).filter((word) => word !== '');
    return words.length >= 2 ? [{ address: words[0]!, names: words.slice(1) }] : [];
  });
}

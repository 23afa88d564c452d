import type { LookupResult } from '../io.ts';
import type { ToolOutput } from './reply.ts';

const NOT_FOUND: ToolOutput = { stdout: '', stderr: '', status: 2 };

/** `getent ahosts NAME` of glibc: each address for each kind of socket, the canonical name beside the first. */
export function formatGetentAhosts({ addresses, canonicalName = '' }: LookupResult): ToolOutput {
  if (addresses.length === 0) return NOT_FOUND;
  let stdout = '';
  addresses.forEach((address, i) => {
    const start = address.padEnd(15);
    stdout += `${start} STREAM ${i === 0 ? canonicalName : ''}\n${start} DGRAM  \n${start} RAW    \n`;
  });
  return { stdout, stderr: '', status: 0 };
}

/** What `getent hosts` prints: one line for each address, the canonical name, then the others. */
export interface HostEntry {
  readonly addresses: readonly string[];
  readonly canonicalName: string;
  readonly aliases: readonly string[];
}

/**
 * `getent hosts NAME...`: for a name the entry of the first family that has one, IPv6 before IPv4; for an address the
 * entry of its reverse name. Status 2 where one is missing.
 */
export function formatGetentHosts(entries: readonly (HostEntry | undefined)[]): ToolOutput {
  let stdout = '';
  for (const entry of entries) {
    for (const address of entry?.addresses ?? []) {
      stdout += `${address.padEnd(15)} ${[entry!.canonicalName, ...entry!.aliases].join(' ')}\n`;
    }
  }
  return { stdout, stderr: '', status: entries.some((entry) => entry === undefined) ? 2 : 0 };
}

/**
 * The family that a program asks for with AI_ADDRCONFIG and no family of its own, as `getent` and many programs do: with
 * addresses of one family only (loopback aside), that family.
 */
export function addrconfigFamily(has: { readonly ipv4: boolean; readonly ipv6: boolean }): 'unspec' | 'inet' | 'inet6' {
  if (has.ipv4 === has.ipv6) return 'unspec';
  return has.ipv4 ? 'inet' : 'inet6';
}

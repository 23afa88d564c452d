import { fqdn } from '../coredns/names.ts';
import { reverseZonesOf } from '../coredns/reverse.ts';

export type Scheme = 'dns' | 'tls' | 'quic' | 'grpc' | 'https' | 'https3';

/** Where and for which zone a key of a server block serves. */
export interface ServerAddress {
  readonly scheme: Scheme;
  /** In lower case, fully qualified. */
  readonly zone: string;
  readonly port: number;
}

const PORTS: Readonly<Record<Scheme, number>> = { dns: 53, tls: 853, quic: 853, grpc: 443, https: 443, https3: 443 };

/** Reads one key: several zones where a CIDR is not on an octet boundary. Returns a message for a key that is wrong. */
export function parseServerKey(key: string): ServerAddress[] | string {
  const match = /^(?:([a-z0-9]+):\/\/)?(.*)$/i.exec(key)!;
  const name = (match[1] ?? 'dns').toLowerCase();
  if (!isScheme(name)) return `unknown scheme "${name}" in "${key}"`;
  let host = match[2]!;
  let port = PORTS[name];
  const colon = /^(.*):([^:/\]]*)$/.exec(host);
  if (colon !== null && (!colon[1]!.includes(':') || colon[1]!.includes('/'))) {
    if (!/^[0-9]{1,5}$/.test(colon[2]!) || Number(colon[2]) > 65535) return `invalid port in "${key}"`;
    host = colon[1]!;
    port = Number(colon[2]);
  }
  if (host === '') return `can not be empty: "${key}"`;
  const zones = zonesOf(host);
  if (typeof zones === 'string') return zones;
  return zones.map((zone) => ({ scheme: name, zone, port }));
}

/** A zone name, or the reverse zones of a CIDR, in lower case and fully qualified. */
export function zonesOf(text: string): string[] | string {
  const reverse = text.includes('/') ? reverseZonesOf(text) : undefined;
  if (reverse !== undefined) return reverse;
  const zone = fqdn(text.toLowerCase());
  if (zone.length > 255) return `"${text}" is too long for a domain name`;
  if (
    zone !== '.' &&
    zone
      .slice(0, -1)
      .split(/(?<!\\)\./)
      .some((label) => label === '' || label.length > 63)
  ) {
    return `"${text}" is not a valid domain name`;
  }
  return [zone];
}

function isScheme(name: string): name is Scheme {
  return Object.hasOwn(PORTS, name);
}

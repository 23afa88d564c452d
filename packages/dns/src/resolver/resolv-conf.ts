import { formatIp } from '@netsim/wire';
import { parseNumeric } from './numeric.ts';

/** Which C library reads `/etc/resolv.conf`. */
export type Libc = 'glibc' | 'musl';

/** `/etc/resolv.conf` as a libc understood it. Addresses in canonical text, domains as written there. */
export interface ResolvConf {
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
  readonly ndots: number;
  /** Seconds. */
  readonly timeout: number;
  readonly attempts: number;
  /** Other options that are set and that this libc honours: `rotate`, `edns0`, `use-vc`, `single-request`, ... */
  readonly options: ReadonlySet<string>;
}

const MAX_NAMESERVERS = 3;
const MAX_NDOTS = 15;

/**
 * Reads `/etc/resolv.conf` as glibc 2.36 (`resolv/res_init.c`) or musl 1.2.3 (`src/network/resolvconf.c`) does.
 * Never fails: what is not understood is passed over, as there. `hostname` gives glibc its search domain where the file has none.
 */
export function parseResolvConf(text: string, libc: Libc, hostname = ''): ResolvConf {
  return libc === 'glibc' ? parseGlibc(text, hostname) : parseMusl(text);
}

/** Options of glibc that are flags; a longer word that begins with one of them counts as well. */
const glibcFlags = [
  'rotate',
  'edns0',
  'single-request-reopen',
  'single-request',
  'no_tld_query',
  'no-tld-query',
  'no-reload',
  'use-vc',
  'trust-ad',
  'no-aaaa',
];

function parseGlibc(text: string, hostname: string): ResolvConf {
  const nameservers: string[] = [];
  let search: string[] = [];
  let ndots = 1;
  let timeout = 5;
  let attempts = 2;
  const options = new Set<string>();
  for (const line of text.split('\n')) {
    const match = /^(domain|search|nameserver|options)[ \t]+(.*)$/s.exec(line);
    if (match === null) continue;
    const rest = match[2]!;
    const words = rest.split(/[ \t]+/).filter((word) => word !== '');
    if (words.length === 0) continue;
    switch (match[1]) {
      case 'domain':
        search = [words[0]!];
        break;
      case 'search':
        search = words;
        break;
      case 'nameserver':
        nameservers.push(...address(words[0]!));
        break;
      default:
        for (const word of words) {
          if (word.startsWith('ndots:')) ndots = Math.min(atoi(word.slice(6)), MAX_NDOTS);
          else if (word.startsWith('timeout:')) timeout = Math.min(atoi(word.slice(8)), 30);
          else if (word.startsWith('attempts:')) attempts = Math.min(atoi(word.slice(9)), 5);
          else {
            const flag = glibcFlags.find((candidate) => word.startsWith(candidate));
            if (flag !== undefined) options.add(flag === 'no_tld_query' ? 'no-tld-query' : flag);
          }
        }
    }
  }
  if (search.length === 0) {
    const dot = hostname.indexOf('.');
    if (dot >= 0) search = [hostname.slice(dot + 1)];
  }
  return {
    nameservers: nameservers.length === 0 ? ['127.0.0.1'] : nameservers.slice(0, MAX_NAMESERVERS),
    search,
    ndots,
    timeout,
    attempts,
    options,
  };
}

/** musl reads lines into 256 octets, and passes over a line that fills them. */
const MUSL_LINE = 255;

function parseMusl(text: string): ResolvConf {
  const nameservers: string[] = [];
  let search: string[] = [];
  let ndots = 1;
  let timeout = 5;
  let attempts = 2;
  for (const line of text.split('\n')) {
    if (new TextEncoder().encode(line).length >= MUSL_LINE) continue;
    const match = /^(options|nameserver|domain|search)\s(.*)$/s.exec(`${line}\n`);
    if (match === null) continue;
    const rest = match[2]!;
    if (match[1] === 'options') {
      ndots = number(line, /ndots:([0-9]+)/, 15) ?? ndots;
      attempts = number(line, /attempts:([0-9]+)/, 10) ?? attempts;
      timeout = number(line, /timeout:([0-9]+)/, 60) ?? timeout;
    } else if (match[1] === 'nameserver') {
      const word = rest.trimStart().split(/\s/)[0]!;
      if (nameservers.length < MAX_NAMESERVERS) nameservers.push(...address(word));
    } else {
      search = rest.split(/\s+/).filter((word) => word !== '');
    }
  }
  return {
    nameservers: nameservers.length === 0 ? ['127.0.0.1'] : nameservers,
    search,
    ndots,
    timeout,
    attempts: Math.max(1, attempts),
    options: new Set(),
  };
}

/** musl looks for the first place where the option's name stands in the line, whatever is before it. */
function number(line: string, pattern: RegExp, most: number): number | undefined {
  const match = pattern.exec(line);
  return match === null ? undefined : Math.min(Number(match[1]), most);
}

/** As C's `atoi`: digits at the start, zero without any. Negative numbers are of no use here. */
function atoi(text: string): number {
  return Number(/^\s*\+?([0-9]+)/.exec(text)?.[1] ?? 0);
}

/** The address in canonical text with its zone, or nothing where it is none. */
function address(text: string): string[] {
  const [host = '', zone] = text.split('%');
  const ip = parseNumeric(host);
  if (ip === undefined) return [];
  return [zone === undefined ? formatIp(ip) : `${formatIp(ip)}%${zone}`];
}

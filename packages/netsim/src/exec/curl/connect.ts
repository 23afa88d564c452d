import type { TcpConnection } from '@netsim/kernel';
import { formatIp, type Ip, tryParseIp } from '@netsim/wire';
import { strerror } from '../errno.ts';
import { addressesOf } from '../lookup.ts';
import { connectTcp, Inbox, type TcpAttempt } from '../tcp-attempt.ts';
import type { ExecContext } from '../tool.ts';
import type { ConnectTo, CurlOptions } from './options.ts';

/** Where a request goes: by the URL, and by --connect-to. */
export interface Place {
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  /** Set where --connect-to leads elsewhere. */
  readonly instead?: { readonly host: string | undefined; readonly port: number | undefined };
}

/** What was made of it: a connection, or curl's exit status and message. */
export type Connected =
  | { readonly inbox: Inbox; readonly ip: Ip; readonly connection: TcpConnection }
  | { readonly code: number; readonly error: string };

/** The first entry of --connect-to that fits. */
export function placeOf(
  scheme: string,
  host: string,
  port: number,
  { connectTo }: Pick<CurlOptions, 'connectTo'>,
): Place {
  const fits = (entry: ConnectTo): boolean =>
    (entry.host === '' || entry.host.toLowerCase() === host.toLowerCase()) &&
    (entry.port === '' || Number(entry.port) === port);
  const entry = connectTo.find(fits);
  if (entry === undefined || (entry.toHost === '' && entry.toPort === '')) return { scheme, host, port };
  const instead = {
    host: entry.toHost === '' ? undefined : entry.toHost,
    port: entry.toPort === '' ? undefined : Number(entry.toPort),
  };
  return { scheme, host, port, instead };
}

/** What was looked up in one run of curl: it asks for a name once a minute at most. */
export type NameCache = Map<string, { readonly addresses: readonly Ip[]; readonly until: number }>;

const CACHED = 60_000;

/** The addresses that a place has. */
export async function lookUp(
  { host, port, instead }: Place,
  options: CurlOptions,
  context: ExecContext,
  cache: NameCache,
  log: (line: string) => void,
): Promise<readonly Ip[]> {
  if (instead?.host !== undefined) log(`* Connecting to hostname: ${instead.host}`);
  if (instead?.port !== undefined) log(`* Connecting to port: ${instead.port}`);
  const name = instead?.host ?? host;
  const at = instead?.port ?? port;
  const given = options.resolve.find((entry) => (entry.host === name || entry.host === '*') && entry.port === at);
  if (given !== undefined && tryParseIp(name) === undefined) {
    log(`* Hostname ${name} was found in DNS cache`);
    const fits = (ip: Ip): boolean =>
      options.family === undefined || (typeof ip === 'number') === (options.family === 4);
    return given.addresses.map(tryParseIp).filter((ip) => ip !== undefined && fits(ip)) as Ip[];
  }
  const { clock } = context.netns.world;
  const known = cache.get(`${name}:${at}`);
  if (known !== undefined && clock.now < known.until) {
    log(`* Hostname ${name} was found in DNS cache`);
    return known.addresses;
  }
  const addresses = await addressesOf(name, context, options.family);
  if (addresses.length > 0) cache.set(`${name}:${at}`, { addresses, until: clock.now + CACHED });
  return addresses;
}

/** Tries the addresses in turn. */
export function connect(
  addresses: readonly Ip[],
  place: Place,
  options: CurlOptions,
  { netns }: ExecContext,
  log: (line: string) => void,
): Connected {
  const host = place.instead?.host ?? place.host;
  const port = place.instead?.port ?? place.port;
  const { clock } = netns.world;
  const started = clock.now;
  const { maxTime, connectTimeout } = options;
  const patience = Math.min(maxTime ?? Number.POSITIVE_INFINITY, connectTimeout ?? Number.POSITIVE_INFINITY);
  const bound = options.source === undefined ? undefined : sourceOf(options.source, netns);
  if (bound === null) {
    const error = `Couldn't bind to '${options.source}'`;
    log(`*   Trying ${bracketed(addresses[0]!)}:${port}...`);
    log(`* Could not resolve host: ${options.source}`);
    log(`* ${error}`);
    log(`* Failed to connect to ${host} port ${port} after 0 ms: Failed binding local connection end`);
    return { code: 45, error };
  }
  let last: TcpAttempt | undefined;
  for (const ip of addresses) {
    log(`*   Trying ${bracketed(ip)}:${port}...`);
    if (bound !== undefined) {
      const family = typeof bound === 'number' ? 2 : 10;
      log(`* Name '${options.source}' family ${family} resolved to '${formatIp(bound)}' family ${family}`);
      log('* Local port: 0');
    }
    const inbox = new Inbox();
    const timeout = Math.max(0, patience - (clock.now - started));
    const attempt = connectTcp(
      netns,
      {
        dst: ip,
        dport: port,
        program: 'curl',
        src: bound,
        timeout: timeout === Number.POSITIVE_INFINITY ? undefined : timeout,
      },
      inbox,
    );
    const { outcome, connection, immediate } = attempt;
    if (outcome === '') return { inbox, ip, connection };
    last = attempt;
    if (outcome === 'timeout') break;
    const address = formatIp(ip);
    if (immediate) log(`* Immediate connect fail for ${address}: ${strerror(outcome)}`);
    else log(`* connect to ${address} port ${port} failed: ${strerror(outcome)}`);
  }
  const elapsed = clock.now - started;
  if (last?.outcome === 'timeout') {
    // curl's timer fires a millisecond after the time that was asked for.
    const total = maxTime !== undefined && maxTime <= (connectTimeout ?? Number.POSITIVE_INFINITY);
    const error = total
      ? `Connection timed out after ${elapsed + 1} milliseconds`
      : `Failed to connect to ${host} port ${port} after ${elapsed + 1} ms: Timeout was reached`;
    log(`* ${error}`);
    return { code: 28, error };
  }
  const error = `Failed to connect to ${host} port ${port} after ${elapsed} ms: Couldn't connect to server`;
  log(`* ${error}`);
  return { code: last?.outcome === 'ETIMEDOUT' ? 28 : 7, error };
}

/** An address of this machine, or the first one of a device; null where there is neither. */
function sourceOf(text: string, netns: ExecContext['netns']): Ip | null {
  const name = text.replace(/^(if|host)!/, '');
  const ip = tryParseIp(name);
  if (ip !== undefined) return ip;
  return netns.device(name)?.addresses[0]?.address ?? null;
}

function bracketed(ip: Ip): string {
  return typeof ip === 'bigint' ? `[${formatIp(ip)}]` : formatIp(ip);
}

import type { TcpConnection } from '@netsim/kernel';
import { formatIp, type Ip, tryParseIp } from '@netsim/wire';
import { strerror } from '../errno.ts';
import { addressesOf } from '../lookup.ts';
import { connectTcp, Inbox, type TcpAttempt } from '../tcp-attempt.ts';
import type { ExecContext } from '../tool.ts';
import { waitUntil } from '../wait.ts';
import type { CurlOptions } from './options.ts';
import { type HandshakeOptions, handshake } from './tls.ts';

/** What one request came to. `code` is curl's exit status. */
export interface Transfer {
  readonly code: number;
  readonly error: string;
  readonly url: string;
  readonly status: number;
  /** Status line and headers as they came, each with its CRLF, and the empty line. */
  readonly head: string;
  readonly body: Uint8Array;
  readonly location: string | undefined;
  readonly contentType: string | undefined;
  readonly remote: { readonly ip: string; readonly port: number } | undefined;
  readonly local: { readonly ip: string; readonly port: number } | undefined;
  /** Milliseconds since the start, in virtual time. */
  readonly connectedAt: number;
  readonly endedAt: number;
}

/** A server that accepts and never answers: the real curl waits for ever, here it ends after this many milliseconds. */
const ENDLESS = 300_000;
const defaultPorts: Readonly<Record<string, number>> = { http: 80, https: 443, ftp: 21 };

/** A URL as curl takes it: the scheme may be missing. */
function readUrl(text: string): { url: URL; scheme: string } | undefined {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase() ?? 'http';
  try {
    return { url: new URL(text.includes('://') ? text : `http://${text}`), scheme };
  } catch {
    return undefined;
  }
}

/** Makes one request; `log` gets the lines of -v. */
export async function transfer(
  target: string,
  options: CurlOptions,
  context: ExecContext,
  number: number,
  log: (line: string) => void,
): Promise<Transfer> {
  const { netns } = context;
  const { world } = netns;
  const started = world.clock.now;
  const since = () => world.clock.now - started;
  const result = (code: number, error: string, more: Partial<Transfer> = {}): Transfer => ({
    code,
    error,
    url: target,
    status: 0,
    head: '',
    body: new Uint8Array(0),
    location: undefined,
    contentType: undefined,
    remote: undefined,
    local: undefined,
    connectedAt: 0,
    endedAt: since(),
    ...more,
  });

  const read = readUrl(target);
  if (read === undefined) return result(3, 'URL using bad/illegal format or missing URL');
  const { url, scheme } = read;
  const defaultPort = defaultPorts[scheme];
  if (defaultPort === undefined) return result(1, `Protocol "${scheme}" not supported or disabled in libcurl`);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port === '' ? defaultPort : Number(url.port);

  const addresses = await lookUp(host, port, options, context, log);
  if (addresses.length === 0) {
    log(`* Could not resolve host: ${host}`);
    log(`* Closing connection ${number}`);
    return result(6, `Could not resolve host: ${host}`);
  }
  const attempt = connect(addresses, host, port, options, context, log);
  if ('error' in attempt) {
    log(`* Closing connection ${number}`);
    return result(attempt.code, attempt.error);
  }
  const { connection, inbox, ip } = attempt;
  const ends = {
    remote: { ip: formatIp(ip), port },
    local: { ip: formatIp(connection.localAddress ?? 0), port: connection.localPort },
    connectedAt: since(),
  };
  log(`* Connected to ${host} (${formatIp(ip)}) port ${port} (#${number})`);
  const left = (): number => (options.maxTime === undefined ? ENDLESS : Math.max(0, options.maxTime - since()));
  const through =
    scheme === 'http'
      ? connection
      : await secured(scheme, connection, inbox, {
          host,
          insecure: options.insecure,
          now: context.dns?.now().getTime() ?? world.clock.now,
          log,
          settle: (done) => settle(context, done, left()),
        });
  if ('code' in through) {
    connection.abort();
    world.run();
    log(`* Closing connection ${number}`);
    return result(through.code, through.error, ends);
  }

  for (const line of requestLines(url, host, port, defaultPort, options)) log(`> ${line}`);
  log('> ');
  const body = options.data === undefined ? '' : options.data;
  through.send(
    new TextEncoder().encode(`${requestLines(url, host, port, defaultPort, options).join('\r\n')}\r\n\r\n${body}`),
  );
  const response = new ResponseReader(options.head);
  await settle(context, () => response.feed(inbox), left());
  const { head, error } = response;
  const ended = { ...ends, head, body: response.body(), ...response.facts(), endedAt: since() };
  for (const line of head.split('\r\n').slice(0, -1)) log(`< ${line}`);

  if (!response.complete) {
    const { error: broken } = inbox;
    const over = inbox.ended || inbox.closed;
    connection.abort();
    world.run();
    log(`* Closing connection ${number}`);
    if (broken === 'ECONNRESET') return result(56, 'Recv failure: Connection reset by peer', ended);
    if (over) return result(52, 'Empty reply from server', ended);
    if (options.maxTime === undefined) {
      return result(28, 'netsim: the server accepted and never answers; the real curl would wait for ever', ended);
    }
    const got = response.received;
    const bytes =
      response.length === undefined
        ? `with ${got} bytes received`
        : `with ${got} out of ${response.length} bytes received`;
    return result(28, `Operation timed out after ${since() + 1} milliseconds ${bytes}`, ended);
  }
  through.close();
  world.run();
  if (error !== undefined) {
    log(`* ${error}`);
    log(`* Closing connection ${number}`);
    return result(1, error, ended);
  }
  log(`* Connection #${number} to host ${host} left intact`);
  if (options.failOnError && ended.status >= 400) {
    return result(22, `The requested URL returned error: ${ended.status}`, { ...ended, body: new Uint8Array(0) });
  }
  return result(0, '', ended);
}

/** TLS, the only other thing that is spoken. */
async function secured(
  scheme: string,
  connection: TcpConnection,
  inbox: Inbox,
  options: HandshakeOptions,
): Promise<Awaited<ReturnType<typeof handshake>>> {
  if (scheme === 'https') return handshake(connection, inbox, options);
  return { code: 35, error: `netsim: ${scheme} is not emulated; the TCP connection was made` };
}

/** Waits in virtual time, and in real time for programs that were asked and have not answered yet. */
async function settle({ netns, programs }: ExecContext, done: () => boolean, patience: number): Promise<void> {
  const { world } = netns;
  const end = world.clock.now + patience;
  const pending = (): boolean => programs !== undefined && programs.pending > 0;
  world.run();
  while (!done()) {
    if (pending()) await programs!.answered();
    else {
      waitUntil(world, () => done() || pending(), end - world.clock.now);
      if (!pending()) return;
    }
  }
}

async function lookUp(
  host: string,
  port: number,
  options: CurlOptions,
  context: ExecContext,
  log: (line: string) => void,
): Promise<Ip[]> {
  for (const { host: name, port: at, address } of options.resolve) log(`* Added ${name}:${at}:${address} to DNS cache`);
  const given = options.resolve.find((entry) => entry.host === host && entry.port === port);
  if (given !== undefined) {
    log(`* Hostname ${host} was found in DNS cache`);
    const ip = tryParseIp(given.address);
    return ip === undefined ? [] : [ip];
  }
  return addressesOf(host, context, options.family);
}

type Connected = { readonly inbox: Inbox; readonly ip: Ip } & Pick<TcpAttempt, 'connection'>;

/** Tries the addresses in turn. */
function connect(
  addresses: readonly Ip[],
  host: string,
  port: number,
  options: CurlOptions,
  { netns }: ExecContext,
  log: (line: string) => void,
): Connected | { readonly code: number; readonly error: string } {
  const { clock } = netns.world;
  const started = clock.now;
  const { maxTime, connectTimeout } = options;
  const patience = Math.min(maxTime ?? Number.POSITIVE_INFINITY, connectTimeout ?? Number.POSITIVE_INFINITY);
  const src = options.source === undefined ? undefined : tryParseIp(options.source);
  let last: TcpAttempt | undefined;
  for (const ip of addresses) {
    log(`*   Trying ${typeof ip === 'bigint' ? `[${formatIp(ip)}]` : formatIp(ip)}:${port}...`);
    const inbox = new Inbox();
    const timeout = Math.max(0, patience - (clock.now - started));
    const attempt = connectTcp(
      netns,
      {
        dst: ip,
        dport: port,
        program: 'curl',
        src,
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

function requestLines(url: URL, host: string, port: number, defaultPort: number, options: CurlOptions): string[] {
  const { headers, data, userAgent, method } = options;
  const given = new Set(headers.map((header) => header.split(/[:;]/, 1)[0]!.toLowerCase()));
  const hostHeader = headers.find((header) => /^host:/i.test(header));
  const name = host.includes(':') ? `[${host}]` : host;
  const lines = [`${method} ${url.pathname}${url.search} HTTP/1.1`];
  lines.push(hostHeader ?? `Host: ${name}${port === defaultPort ? '' : `:${port}`}`);
  if (!given.has('user-agent') && userAgent !== '') lines.push(`User-Agent: ${userAgent}`);
  if (!given.has('accept')) lines.push('Accept: */*');
  // `-H 'Name:'` takes a header away, `-H 'Name;'` sends it empty.
  for (const header of headers) {
    if (header === hostHeader || /^[^:]+:\s*$/.test(header)) continue;
    lines.push(header.replace(/;\s*$/, ':'));
  }
  if (data !== undefined) {
    if (!given.has('content-length')) lines.push(`Content-Length: ${new TextEncoder().encode(data).length}`);
    if (!given.has('content-type')) lines.push('Content-Type: application/x-www-form-urlencoded');
  }
  return lines;
}

/** Reads one HTTP/1.1 response from an inbox, keeping its head as it came. */
class ResponseReader {
  readonly #headOnly: boolean;
  #bytes: Uint8Array = new Uint8Array(0);
  #bodyStart = -1;
  head = '';
  complete = false;
  error: string | undefined;
  length: number | undefined;

  constructor(headOnly: boolean) {
    this.#headOnly = headOnly;
  }

  get received(): number {
    return this.#bodyStart < 0 ? 0 : this.#bytes.length - this.#bodyStart;
  }

  /** Looks at what has come. True when there is nothing more to wait for. */
  feed(inbox: Inbox): boolean {
    this.#bytes = inbox.bytes;
    const over = inbox.ended || inbox.closed;
    if (this.#bodyStart < 0) {
      const text = new TextDecoder('latin1').decode(this.#bytes);
      if (text.length >= 5 && !text.startsWith('HTTP/')) {
        this.error = 'Received HTTP/0.9 when not allowed';
        this.complete = true;
        return true;
      }
      const end = text.indexOf('\r\n\r\n');
      if (end < 0) return over;
      this.head = text.slice(0, end + 4);
      this.#bodyStart = end + 4;
      const length = this.header('content-length');
      this.length = length === undefined ? undefined : Number(length);
    }
    const { status } = this.facts();
    if (
      this.#headOnly ||
      status === 204 ||
      status === 304 ||
      (this.length !== undefined && this.received >= this.length)
    ) {
      this.complete = true;
      return true;
    }
    // Without a length the body ends with the connection.
    if (over && this.length === undefined && inbox.error === '') this.complete = true;
    return over;
  }

  header(name: string): string | undefined {
    for (const line of this.head.split('\r\n').slice(1)) {
      const colon = line.indexOf(':');
      if (colon > 0 && line.slice(0, colon).toLowerCase() === name) return line.slice(colon + 1).trim();
    }
    return undefined;
  }

  facts(): { status: number; location: string | undefined; contentType: string | undefined } {
    const status = Number(/^HTTP\/1\.[01] ([0-9]{3})/.exec(this.head)?.[1] ?? 0);
    return { status, location: this.header('location'), contentType: this.header('content-type') };
  }

  body(): Uint8Array {
    if (this.#bodyStart < 0 || this.#headOnly) return new Uint8Array(0);
    return this.#bytes.subarray(this.#bodyStart, this.length === undefined ? undefined : this.#bodyStart + this.length);
  }
}

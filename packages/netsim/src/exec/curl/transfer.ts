import type { TcpConnection } from '@netsim/kernel';
import { formatIp, tryParseIp } from '@netsim/wire';
import type { Stream } from '../../http/stream.ts';
import { readAuthorities } from '../authorities.ts';
import type { Inbox } from '../tcp-attempt.ts';
import type { ExecContext } from '../tool.ts';
import { waitUntil } from '../wait.ts';
import { connect, lookUp, type NameCache, type Place, placeOf } from './connect.ts';
import { Cookies } from './cookies.ts';
import type { CurlOptions } from './options.ts';
import { type RequestState, requestOf } from './request.ts';
import { ResponseReader } from './response-reader.ts';
import { handshake } from './tls.ts';

/** What one request came to. `code` is curl's exit status. */
export interface Transfer {
  readonly code: number;
  readonly error: string;
  /** The URL as it was asked for, and as it is after redirects. */
  readonly asked: string;
  readonly url: string;
  /** Which of the command line's URLs. */
  readonly number: number;
  readonly method: string;
  readonly status: number;
  /** Status line and headers as they came, each with its CRLF, and the empty line. */
  readonly head: string;
  readonly body: Uint8Array;
  readonly location: string | undefined;
  readonly contentType: string | undefined;
  readonly remote: { readonly ip: string; readonly port: number } | undefined;
  readonly local: { readonly ip: string; readonly port: number } | undefined;
  /** Milliseconds since the start, in virtual time. */
  readonly resolvedAt: number;
  readonly connectedAt: number;
  readonly endedAt: number;
  /** Figures over all requests of a chain of redirects. */
  readonly connects: number;
  readonly redirects: number;
  readonly redirectTime: number;
  readonly headBytes: number;
  readonly requestBytes: number;
  readonly uploaded: number;
  /** File that the body went to. */
  readonly savedAs?: string;
}

/** A connection that may be used once more. */
interface Open {
  readonly number: number;
  readonly connection: TcpConnection;
  readonly inbox: Inbox;
  readonly through: Pick<Stream, 'send' | 'close'>;
  readonly remote: { readonly ip: string; readonly port: number };
  readonly secure: boolean;
}

/** A server that accepts and never answers: the real curl waits for ever, here it ends after this many milliseconds. */
const ENDLESS = 300_000;
const defaultPorts: Readonly<Record<string, number>> = { http: 80, https: 443, ftp: 21 };
/** In place of the pointer that the real one prints. */
const BUNDLE = '0x55d4c8a0e3b0';

/** A URL as curl takes it: the scheme may be missing; no spaces. `path` is as it was written, dots and all. */
function readUrl(text: string): { url: URL; scheme: string; path: string | undefined } | undefined {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase() ?? 'http';
  if (/[\s\0]/.test(text)) return undefined;
  const whole = text.includes('://') ? text : `http://${text}`;
  if (!URL.canParse(whole)) return undefined;
  const url = new URL(whole);
  return { url, scheme, path: /^[^:]+:\/\/[^/?#]*(\/[^?#]*)/.exec(whole)?.[1] };
}

/** One run of curl: its connections are kept open from one URL to the next. */
export class Session {
  readonly #options: CurlOptions;
  readonly #context: ExecContext;
  readonly #log: (line: string) => void;
  readonly #open = new Map<string, Open>();
  readonly cookies: Cookies;
  readonly #names: NameCache = new Map();
  #connections = 0;

  /** `log` gets the lines of -v. */
  constructor(options: CurlOptions, context: ExecContext, log: (line: string) => void) {
    this.#options = options;
    this.#context = context;
    this.#log = log;
    this.cookies = new Cookies(() => this.#now());
  }

  #now(): number {
    return this.#context.dns?.now().getTime() ?? this.#context.netns.world.clock.now;
  }

  /** Closes what is still open. */
  end(): void {
    for (const { through } of this.#open.values()) through.close();
    this.#open.clear();
    this.#context.netns.world.run();
  }

  /** What -v says of --resolve before each URL. */
  announce(number: number): void {
    for (const { host, port, addresses } of this.#options.resolve) {
      if (number > 0) this.#log(`* RESOLVE ${host}:${port} is - old addresses discarded`);
      this.#log(`* Added ${host}:${port}:${addresses.join(',')} to DNS cache`);
      if (host === '*') this.#log(`* RESOLVE *:${port} is wildcard, enabling wildcard checks`);
    }
  }

  /** Makes one request. */
  async transfer(target: string, number: number, state: RequestState): Promise<Transfer> {
    const options = this.#options;
    const { world } = this.#context.netns;
    const started = world.clock.now;
    const since = (): number => world.clock.now - started;
    const result = (code: number, error: string, more: Partial<Transfer> = {}): Transfer => ({
      ...nothing,
      code,
      error,
      asked: target,
      url: target,
      number,
      endedAt: since(),
      ...more,
    });
    const read = readUrl(target);
    if (read === undefined) {
      this.#log('* Closing connection -1');
      return result(3, 'URL using bad/illegal format or missing URL');
    }
    const { url, scheme } = read;
    const path = options.pathAsIs ? (read.path ?? '/') : url.pathname;
    const defaultPort = defaultPorts[scheme];
    if (defaultPort === undefined) return result(1, `Protocol "${scheme}" not supported or disabled in libcurl`);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const place = placeOf(scheme, host, url.port === '' ? defaultPort : Number(url.port), options);
    const left = (): number => (options.maxTime === undefined ? ENDLESS : Math.max(0, options.maxTime - since()));

    const reached = await this.#reach(place, left, since);
    if ('code' in reached) return result(reached.code, reached.error, reached.ends);
    const { open, ends } = reached;
    const { connection, inbox, through } = open;
    const request = requestOf(url, path, options, state, this.cookies);
    if (request.user !== undefined) this.#log(`* Server auth using Basic with user '${request.user.split(':')[0]}'`);
    for (const line of request.lines) this.#log(`> ${line}`);
    this.#log('> ');
    const head = `${request.lines.join('\r\n')}\r\n\r\n`;
    through.send(new TextEncoder().encode(head + request.body));
    const response = new ResponseReader(options.head);
    await this.#settle(() => response.feed(inbox), left());
    const uploaded = new TextEncoder().encode(request.body).length;
    const ended: Partial<Transfer> = {
      ...ends,
      method: request.method,
      head: response.head,
      headBytes: response.head.length,
      requestBytes: head.length + uploaded,
      uploaded,
      body: response.body(),
      status: response.status,
      location: response.header('location'),
      contentType: response.header('content-type'),
      endedAt: since(),
    };
    const closing = (): void => {
      this.#log(`* Closing connection ${open.number}`);
      if (open.secure) this.#log('* TLSv1.2 (OUT), TLS alert, close notify (256):');
    };
    const failing = options.failOnError === 'fail' && response.status >= 400;
    this.#logHead(response, url, failing);

    if (!response.complete) {
      const [code, error] = brokenOff(response, inbox, options, since());
      connection.abort();
      world.run();
      if (code !== 28 || options.maxTime !== undefined) this.#log(`* ${error}`);
      closing();
      return result(code, error, ended);
    }
    if (response.error !== undefined) {
      through.close();
      world.run();
      this.#log(`* ${response.error}`);
      closing();
      return result(1, response.error, { ...ended, body: new Uint8Array(0) });
    }
    if (failing) {
      const error = `The requested URL returned error: ${response.status}`;
      this.#log(`* ${error}`);
      through.close();
      world.run();
      closing();
      return result(22, error, { ...ended, body: new Uint8Array(0) });
    }
    const redirected = options.follow && isRedirect(ended);
    if (redirected && response.body().length > 0) this.#log('* Ignoring the response-body');
    const key = keyOf(place);
    if (response.keepsAlive && !inbox.ended && !inbox.closed) {
      inbox.chunks.length = 0;
      this.#open.set(key, open);
      this.#log(`* Connection #${open.number} to host ${shownHost(place)} left intact`);
    } else {
      through.close();
      world.run();
      closing();
    }
    if (options.failOnError === 'with-body' && response.status >= 400) {
      return result(22, `The requested URL returned error: ${response.status}`, ended);
    }
    return result(0, '', ended);
  }

  /** What -v shows of the head, with what the cookie engine says in between. */
  #logHead(response: ResponseReader, url: URL, cutShort: boolean): void {
    const lines = response.head.split('\r\n').slice(0, cutShort ? -2 : -1);
    const said = [...this.cookies.take(response.all('set-cookie'), url)];
    for (const line of lines) {
      const cookie = /^set-cookie:/i.test(line) ? said.shift() : undefined;
      if (cookie !== undefined && cookie !== '') this.#log(cookie);
      this.#log(`< ${line}`);
    }
  }

  /** A connection to the place: one that was kept, or a new one, with TLS where it is wanted. */
  async #reach(
    place: Place,
    left: () => number,
    since: () => number,
  ): Promise<
    | { readonly open: Open; readonly ends: Partial<Transfer> }
    | { readonly code: number; readonly error: string; readonly ends?: Partial<Transfer> }
  > {
    const options = this.#options;
    const context = this.#context;
    const log = this.#log;
    const kept = this.#open.get(keyOf(place));
    if (kept !== undefined) {
      this.#open.delete(keyOf(place));
      log(`* Found bundle for host: ${BUNDLE} [serially]`);
      log('* Can not multiplex, even if we wanted to');
      if (!kept.inbox.ended && !kept.inbox.closed) {
        log(`* Re-using existing connection #${kept.number} with host ${shownHost(place)}`);
        return { open: kept, ends: { remote: kept.remote, local: localOf(kept.connection), connects: 0 } };
      }
      log(`* Connection ${kept.number} seems to be dead`);
      log(`* Closing connection ${kept.number}`);
    }
    const number = this.#connections++;
    const fail = (code: number, error: string, ends: Partial<Transfer> = {}) => {
      log(`* Closing connection ${number}`);
      return { code, error, ends };
    };
    const addresses = await lookUp(place, options, context, this.#names, log);
    const resolvedAt = since();
    if (addresses.length === 0) {
      const error = `Could not resolve host: ${place.instead?.host ?? place.host}`;
      log(`* ${error}`);
      return fail(6, error);
    }
    const made = connect(addresses, place, options, context, log);
    if ('error' in made) return fail(made.code, made.error);
    const { connection, inbox, ip } = made;
    const remote = { ip: formatIp(ip), port: place.instead?.port ?? place.port };
    log(`* Connected to ${shownHost(place)} (${remote.ip}) port ${remote.port} (#${number})`);
    const ends: Partial<Transfer> = {
      remote,
      local: localOf(connection),
      resolvedAt,
      connectedAt: since(),
      connects: 1,
    };
    const through = await this.#secure(place, connection, inbox, left);
    if ('code' in through) {
      connection.abort();
      context.netns.world.run();
      return fail(through.code, through.error, ends);
    }
    return { open: { number, connection, inbox, through, remote, secure: place.scheme === 'https' }, ends };
  }

  async #secure(
    { scheme, host }: Place,
    connection: TcpConnection,
    inbox: Inbox,
    left: () => number,
  ): Promise<Awaited<ReturnType<typeof handshake>> | TcpConnection> {
    if (scheme === 'http') return connection;
    if (scheme !== 'https')
      return { code: 35, error: `netsim: ${scheme} is not emulated; the TCP connection was made` };
    const { insecure, caFile } = this.#options;
    const authorities = caFile === undefined ? [] : readAuthorities(caFile, this.#context.files);
    return handshake(connection, inbox, {
      host,
      insecure,
      caFile,
      authorities,
      now: this.#now(),
      log: this.#log,
      settle: (done) => this.#settle(done, left()),
    });
  }

  /** Waits in virtual time, and in real time for programs that were asked and have not answered yet. */
  async #settle(done: () => boolean, patience: number): Promise<void> {
    const { netns, programs } = this.#context;
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
}

const nothing: Omit<Transfer, 'code' | 'error' | 'asked' | 'url' | 'number' | 'endedAt'> = {
  method: '',
  status: 0,
  head: '',
  body: new Uint8Array(0),
  location: undefined,
  contentType: undefined,
  remote: undefined,
  local: undefined,
  resolvedAt: 0,
  connectedAt: 0,
  connects: 0,
  redirects: 0,
  redirectTime: 0,
  headBytes: 0,
  requestBytes: 0,
  uploaded: 0,
};

/** Does the response lead on to another URL? */
export function isRedirect({ status = 0, location }: Pick<Partial<Transfer>, 'status' | 'location'>): boolean {
  return location !== undefined && status >= 300 && status < 400;
}

/** Exit status and message where a response is not whole. */
function brokenOff(
  response: ResponseReader,
  inbox: Inbox,
  options: CurlOptions,
  elapsed: number,
): readonly [number, string] {
  const { received, length } = response;
  if (inbox.error === 'ECONNRESET') return [56, 'Recv failure: Connection reset by peer'];
  if (inbox.ended || inbox.closed) {
    if (!response.started) return [52, 'Empty reply from server'];
    const missing = length === undefined ? '' : ` with ${length - received} bytes remaining to read`;
    return [18, `transfer closed${missing}`];
  }
  if (options.maxTime === undefined) {
    return [28, 'netsim: the server accepted and never answers; the real curl would wait for ever'];
  }
  const bytes = length === undefined ? `${received} bytes` : `${received} out of ${length} bytes`;
  return [28, `Operation timed out after ${elapsed + 1} milliseconds with ${bytes} received`];
}

function localOf(connection: TcpConnection): { ip: string; port: number } {
  return { ip: formatIp(connection.localAddress ?? 0), port: connection.localPort };
}

function keyOf({ scheme, host, port, instead }: Place): string {
  return [scheme, host.toLowerCase(), port, instead?.host ?? '', instead?.port ?? ''].join(' ');
}

/** As curl 7.88 names the host where --connect-to gives an address. */
function shownHost({ host, instead }: Place): string {
  if (instead?.host === undefined) return host;
  return tryParseIp(instead.host) === undefined ? instead.host : '(nil)';
}

import type { AuthRequest, Forward, FrontRequest, NextEndpoint, Outcome } from '@netsim/ingress';
import type { Netns } from '@netsim/kernel';
import type { ObjectStore } from '@netsim/manifest';
import type { Ip } from '@netsim/wire';
import { formatEndpoint, formatIp } from '@netsim/wire';
import { askStream, type HttpFailure } from '../http/client.ts';
import { encodeResponse, type Field, fieldOf, type HttpRequest, type HttpResponse } from '../http/message.ts';
import { ConnectionPool } from '../http/pool.ts';
import { serveHttp } from '../http/server.ts';
import type { Stream } from '../http/stream.ts';
import { AuthCache, authMessage, givenCookies, replacedFields } from './auth-service.ts';
import { type BackendTlsGround, secureBackend } from './backend-tls.ts';
import { backendName, endpointOfHash, hashedEndpoint, PeakEwma, RoundRobin, StickyChoice } from './balancer.ts';
import type { CompiledDoor } from './certificates.ts';
import type { Controller, ControllerListener } from './controllers.ts';
import { type BackendSource, endpointsOf, type ProxyEndpoint } from './endpoints.ts';
import { endToEnd, forwardedFields, upstreamFields } from './forwarded.ts';
import { gkeFields } from './gke/fields.ts';
import { RequestLimiter } from './limits.ts';
import { googlePage, nginxPage, plainPage, plainToTlsPage } from './pages.ts';
import { failureStatus } from './statuses.ts';

/** Milliseconds that ingress-nginx keeps a connection to a pod (`upstream-keepalive-timeout`). */
const KEEPALIVE = 60_000;
/** Where a rule has none of its own (`proxy-connect-timeout`, `proxy-read-timeout`; in milliseconds). */
const CONNECT_TIMEOUT = 5_000;
const READ_TIMEOUT = 60_000;
/** Longer than anything waits: no limit for the request as a whole. */
const NO_LIMIT = 3_600_000;
/** `proxy_next_upstream` of ingress-nginx, and of a front door that tries nothing again. */
const NGINX_NEXT: NextEndpoint = { on: ['error', 'timeout'], tries: 3, timeout: 0 };
const NO_NEXT: NextEndpoint = { on: [], tries: 1, timeout: 0 };
/** Where nginx has no limit, a dead backend would be asked for ever. */
const MAX_TRIES = 100;
/** Not tried again once they have been sent, for they may have had an effect. */
const notIdempotent = new Set(['POST', 'LOCK', 'PATCH']);

export interface ProxyOptions {
  readonly netns: Netns;
  readonly controller: Controller;
  readonly backends: BackendSource;
  readonly store: ObjectStore;
  /** What the controller has compiled from the objects as they are now. */
  compiled(): CompiledDoor;
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** The address of a name that the controller has to look up itself (auth-url). */
  resolve(host: string): Ip | undefined;
}

/** What one request is about, on its way through the proxy. */
interface Exchange {
  readonly front: FrontRequest;
  readonly request: HttpRequest;
  readonly reply: (response: HttpResponse) => void;
  /** `X-Request-ID`. */
  readonly id: string;
}

/** The program of a controller's pod: requests come in, are decided by the router, and go to endpoints over connections of its own. */
export class FrontProxy {
  readonly #options: ProxyOptions;
  readonly #pool: ConnectionPool;
  readonly #robin: RoundRobin;
  readonly #ewma: PeakEwma;
  readonly #limiter = new RequestLimiter();
  readonly #authCache = new AuthCache();

  constructor(options: ProxyOptions) {
    this.#options = options;
    const { netns, controller } = options;
    this.#pool = new ConnectionPool(netns, controller.container, KEEPALIVE);
    this.#robin = new RoundRobin(netns.random);
    this.#ewma = new PeakEwma(netns.random);
  }

  /** Serves one connection that came to one of the controller's ports. `sni`: of the TLS that was ended. */
  serve(stream: Stream, { port, scheme }: ControllerListener, sni?: string): void {
    const { remoteAddress } = stream.connection;
    const clientAddress = remoteAddress === undefined ? '' : formatIp(remoteAddress);
    serveHttp(stream, {
      badRequest: this.#page(400),
      answer: (request, reply) => {
        const door = this.#options.compiled();
        const front: FrontRequest = {
          scheme,
          method: request.method,
          version: request.version,
          host: fieldOf(request, 'host'),
          target: request.target,
          headers: request.fields.filter(([name]) => name.toLowerCase() !== 'host' && door.takesField(name)),
          ...(sni === undefined ? {} : { sni }),
          port,
          clientAddress,
        };
        const id = this.#idOf(request);
        this.#decided({ front, request, id, reply: (response) => reply(this.#dated(response)) }, stream);
      },
    });
  }

  /** Somebody speaks HTTP to the port for TLS. */
  refusePlain(stream: Stream): void {
    const page = this.#options.controller.kind === 'ingress-nginx' ? plainToTlsPage() : plainPage(400);
    stream.send(encodeResponse(this.#dated({ ...page, fields: [...page.fields, ['Connection', 'close']] })));
    stream.close();
  }

  /** ingress-nginx keeps the client's own (`$req_id`). */
  #idOf(request: HttpRequest): string {
    const { netns, controller } = this.#options;
    const sent = controller.kind === 'ingress-nginx' ? fieldOf(request, 'x-request-id') : undefined;
    if (sent !== undefined && sent !== '') return sent;
    return Array.from({ length: 8 }, () => netns.random.below(0x10000).toString(16).padStart(4, '0')).join('');
  }

  #decided(exchange: Exchange, stream: Stream): void {
    const outcome = this.#options.compiled().router.decide(exchange.front, this.#chance());
    switch (outcome.kind) {
      case 'forward':
        this.#forward(exchange, outcome);
        return;
      case 'redirect':
        exchange.reply(this.#page(outcome.status, [['Location', outcome.location], ...outcome.headers]));
        return;
      case 'respond':
        exchange.reply(this.#ownAnswer(outcome));
        return;
      case 'pass-through':
      case 'close':
        stream.close();
    }
  }

  #chance(): number {
    const { random } = this.#options.netns;
    return random.below(2 ** 30) / 2 ** 30;
  }

  #page(status: number, fields: readonly Field[] = []): HttpResponse {
    switch (this.#options.controller.kind) {
      case 'ingress-nginx':
        return nginxPage(status, fields);
      case 'gce':
        return status >= 500 ? googlePage(status) : plainPage(status, fields);
      default:
        return plainPage(status, fields);
    }
  }

  #ownAnswer({ status, headers, body }: Extract<Outcome, { kind: 'respond' }>): HttpResponse {
    if (body === '' && status >= 300) return this.#page(status, headers);
    return { status, fields: headers, body: new TextEncoder().encode(body) };
  }

  #dated(response: HttpResponse): HttpResponse {
    const fields = endToEnd(response.fields).filter(([name]) => !/^(date|server)$/i.test(name));
    return { ...response, fields: [['Date', new Date(this.#options.now()).toUTCString()], ...fields] };
  }

  // --- to a backend --------------------------------------------------------------------------------------------------

  #forward(exchange: Exchange, forward: Forward): void {
    const { request } = exchange;
    const { maxBody = 0, limits, auth, backend } = forward;
    if (maxBody > 0 && request.body.length > maxBody) {
      this.#answerOwn(exchange, forward, 413);
      return;
    }
    if (this.#isNginx && endpointsOf(this.#options.backends, backend).list.length === 0) {
      this.#answerOwn(exchange, forward, backend.kind === 'default-backend' ? 404 : 503);
      return;
    }
    const admitted = limits === undefined ? undefined : this.#limiter.admit(limits, this.#options.now());
    if (typeof admitted === 'number') {
      this.#answerOwn(exchange, forward, admitted);
      return;
    }
    const { reply } = exchange;
    const counted: Exchange = {
      ...exchange,
      reply: (response) => {
        admitted?.();
        reply(response);
      },
    };
    if (auth === undefined) this.#send(counted, forward);
    else this.#authorize(counted, forward, auth);
  }

  get #isNginx(): boolean {
    return this.#options.controller.kind === 'ingress-nginx';
  }

  #send(exchange: Exchange, forward: Forward): void {
    for (const mirror of forward.mirrors) this.#ask(exchange, { ...forward, backend: mirror }, () => {});
    for (const copy of forward.copies ?? []) this.#copy(exchange, copy);
    this.#ask(exchange, forward, (response, own) => this.#answer(exchange, forward, response, own));
  }

  /** An answer of the front door's own, with what the rule does to all answers. */
  #answerOwn(exchange: Exchange, forward: Forward, status: number, fields: readonly Field[] = []): void {
    this.#answer(exchange, forward, this.#page(status, fields), true);
  }

  #answer(exchange: Exchange, forward: Forward, response: HttpResponse, own: boolean): void {
    const { onStatus, response: changes } = forward;
    const done = (given: HttpResponse): void => exchange.reply({ ...given, fields: changed(given.fields, changes) });
    if (onStatus === undefined || !onStatus.codes.includes(response.status) || (onStatus.ownOnly && !own)) {
      done(response);
      return;
    }
    const { affinity: _cookie, balance: _balance, ...rest } = forward;
    const query = exchange.front.target.indexOf('?');
    const other: Forward = {
      ...rest,
      backend: onStatus.backend,
      target: query === -1 ? '/' : `/${exchange.front.target.slice(query)}`,
      headers: [...exchange.front.headers, ['X-Code', String(response.status)], ...onStatus.headers],
    };
    this.#ask(exchange, other, done);
  }

  /** The request as the backend is to get it, and its answer, or the front door's own where there is none. */
  #ask(exchange: Exchange, forward: Forward, done: (response: HttpResponse, own: boolean) => void): void {
    const { backend, affinity, balance } = forward;
    const endpoints = endpointsOf(this.#options.backends, backend).list;
    if (endpoints.length === 0) {
      done(this.#page(backend.kind === 'default-backend' ? 404 : this.#failure('nobody')), true);
      return;
    }
    const name = backendName(backend);
    const { netns, now } = this.#options;
    const { random, world } = netns;
    const sticky =
      affinity === undefined ? undefined : new StickyChoice(affinity, endpoints, { random, backend: name, now: now() });
    const begun = world.clock.now;
    let first: ProxyEndpoint | undefined;
    const pick = (failed: ReadonlySet<string>): ProxyEndpoint => {
      if (sticky !== undefined) return sticky.pick(failed);
      if (balance?.kind === 'hash') return endpointOfHash(balance, endpoints, random);
      if (forward.clientAffinity === true) return hashedEndpoint(exchange.front.clientAddress ?? '', endpoints);
      if (balance?.kind !== 'ewma') return this.#robin.pick(name, endpoints);
      const drawn = this.#ewma.pick(endpoints, world.clock.now);
      first ??= drawn;
      return drawn;
    };
    new Attempts(this.#pool, this.#message(exchange, forward), forward, {
      pick,
      now: () => world.clock.now,
      next: forward.next ?? (this.#isNginx ? NGINX_NEXT : NO_NEXT),
      ground: this.#options,
      done: (result) => {
        if (first !== undefined) this.#ewma.answered(first, world.clock.now - begun, world.clock.now);
        const response =
          typeof result === 'number' ? this.#page(this.#failure(result === 504 ? 'silent' : 'refused')) : result;
        const cookie = sticky?.setCookie;
        const fields: readonly Field[] =
          cookie === undefined ? response.fields : [...response.fields, ['Set-Cookie', cookie]];
        done({ ...response, fields }, typeof result === 'number');
      },
    }).next();
  }

  #failure(failure: Parameters<typeof failureStatus>[1]): number {
    return failureStatus(this.#options.controller, failure);
  }

  #message({ front, request, id }: Exchange, { host, target, headers, client }: Forward): HttpRequest {
    const { controller, netns } = this.#options;
    const own =
      controller.address === undefined
        ? forwardedFields(controller.kind, front, { host: front.host ?? host, id, client })
        : gkeFields(front, controller.address, netns.random);
    const { method, body } = request;
    return { method, target, version: '1.1', fields: upstreamFields(host, own, headers), body };
  }

  /** Where a URL of an annotation leads; undefined: nowhere that can be reached. */
  #endpointOf(text: string): { readonly url: URL; readonly endpoint: ProxyEndpoint } | undefined {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const ip = url?.protocol === 'http:' ? this.#options.resolve(url.hostname) : undefined;
    if (url === undefined || ip === undefined) return undefined;
    const port = Number(url.port || 80);
    return { url, endpoint: { ip, port, text: formatEndpoint(ip, port) } };
  }

  /** `mirror-target`: nobody waits for the answer. */
  #copy({ front, request }: Exchange, { url: target, host, body }: NonNullable<Forward['copies']>[0]): void {
    const found = this.#endpointOf(target);
    if (found === undefined) return;
    const { url, endpoint } = found;
    const message: HttpRequest = {
      method: request.method,
      target: url.pathname + url.search,
      version: '1.1',
      fields: upstreamFields(host, [], front.headers),
      body: body ? request.body : new Uint8Array(0),
    };
    this.#askOnce(message, endpoint, () => {});
  }

  #askOnce(message: HttpRequest, endpoint: ProxyEndpoint, done: (result: HttpResponse | number) => void): void {
    const { netns } = this.#options;
    const timeouts = { request: 0, backendRequest: READ_TIMEOUT, connect: CONNECT_TIMEOUT };
    new Attempts(
      this.#pool,
      message,
      { timeouts, tlsToBackend: false },
      {
        pick: () => endpoint,
        now: () => netns.world.clock.now,
        next: NO_NEXT,
        ground: this.#options,
        done,
      },
    ).next();
  }

  /** `auth-url`: a request of its own, whose answer lets the client's pass or not (nginx: `auth_request`). */
  #authorize(exchange: Exchange, forward: Forward, auth: AuthRequest): void {
    const kept = this.#authCache.get(auth, this.#options.now());
    const found = kept === undefined ? this.#endpointOf(auth.url) : undefined;
    if (kept !== undefined) this.#authorized(exchange, forward, auth, kept);
    else if (found === undefined) this.#answerOwn(exchange, forward, 500);
    else {
      const { front, id } = exchange;
      const { clientAddress = '' } = front;
      const { address = clientAddress, forwardedFor = clientAddress } = forward.client ?? {};
      const message = authMessage(auth, found.url, front, { id, address, forwardedFor });
      this.#askOnce(message, found.endpoint, (result) => {
        if (typeof result === 'number') this.#answerOwn(exchange, forward, 500);
        else {
          this.#authCache.put(auth, result, this.#options.now());
          this.#authorized(exchange, forward, auth, result);
        }
      });
    }
  }

  #authorized(exchange: Exchange, forward: Forward, auth: AuthRequest, said: HttpResponse): void {
    const { status } = said;
    const withCookies: Exchange = {
      ...exchange,
      reply: (response) =>
        exchange.reply({ ...response, fields: [...response.fields, ...givenCookies(auth, said, response.status)] }),
    };
    if (status >= 200 && status < 300) {
      this.#send(withCookies, { ...forward, headers: replacedFields(forward.headers, auth, said) });
    } else if (status === 401 && auth.signin !== undefined) {
      this.#answerOwn(withCookies, forward, 302, [['Location', auth.signin]]);
    } else if (status === 401 || status === 403) {
      const challenge = said.fields.filter(([name]) => name.toLowerCase() === 'www-authenticate');
      this.#answerOwn(withCookies, forward, status, challenge);
    } else this.#answerOwn(withCookies, forward, 500);
  }
}

type AttemptForward = Pick<Forward, 'timeouts' | 'retry' | 'tlsToBackend' | 'backendTls'>;

interface AttemptOptions {
  /** `failed`: the endpoints that it has been tried on. */
  pick(failed: ReadonlySet<string>): ProxyEndpoint;
  now(): number;
  readonly next: NextEndpoint;
  readonly ground: BackendTlsGround;
  /** The answer, or the status that stands for the lack of one. */
  done(result: HttpResponse | number): void;
}

/** One request, tried on an endpoint and, where that fails, on the next (nginx: `proxy_next_upstream`). */
class Attempts {
  readonly #pool: ConnectionPool;
  readonly #message: HttpRequest;
  readonly #forward: AttemptForward;
  readonly #options: AttemptOptions;
  readonly #begun: number;
  readonly #end: number;
  readonly #failedOn = new Set<string>();
  #left: number;
  #retries: number;
  /** The endpoint that it is tried on now. */
  #at = '';

  constructor(pool: ConnectionPool, message: HttpRequest, forward: AttemptForward, options: AttemptOptions) {
    this.#pool = pool;
    this.#message = message;
    this.#forward = forward;
    this.#options = options;
    this.#left = Math.min(options.next.tries || MAX_TRIES, MAX_TRIES);
    this.#retries = forward.retry?.attempts ?? 0;
    this.#begun = options.now();
    this.#end = this.#begun + (forward.timeouts.request || NO_LIMIT);
  }

  next(): void {
    const { pick, now, done } = this.#options;
    const { connect } = this.#forward.timeouts;
    const rest = this.#end - now();
    if (rest <= 0) {
      done(504);
      return;
    }
    this.#left--;
    const { ip, port, text } = pick(this.#failedOn);
    this.#at = text;
    const kind = this.#kind;
    const target = { ip, port, timeout: Math.min(connect || CONNECT_TIMEOUT, rest) };
    this.#pool.take(kind === undefined ? target : { ...target, kind }, (stream, reused) => {
      if (typeof stream === 'string') {
        const late = stream === 'ETIMEDOUT';
        this.#failed(late ? 504 : 502, this.#goesOn(late ? 'timeout' : 'error', false));
        return;
      }
      if (reused || !this.#forward.tlsToBackend) {
        this.#ask(stream, reused);
        return;
      }
      const timeout = Math.min(connect || CONNECT_TIMEOUT, rest);
      secureBackend(stream, this.#forward.backendTls, { ...this.#options.ground, timeout }, (secured) => {
        if (typeof secured === 'number')
          this.#failed(secured, this.#goesOn(secured === 504 ? 'timeout' : 'error', false));
        else this.#ask(secured, false);
      });
    });
  }

  #ask(stream: Stream, reused: boolean): void {
    const { backendRequest } = this.#forward.timeouts;
    const patience = Math.min(backendRequest || READ_TIMEOUT, this.#end - this.#options.now());
    askStream(stream, this.#message, patience, (result, keep) => {
      if ('code' in result) this.#broken(stream, reused, result);
      else {
        if (keep) this.#pool.give(stream, this.#kind);
        else stream.close();
        this.#answered(result);
      }
    });
  }

  /** Connections inside TLS are kept apart by what was asked of the certificate. */
  get #kind(): string | undefined {
    const { tlsToBackend, backendTls } = this.#forward;
    return tlsToBackend ? `tls ${JSON.stringify(backendTls ?? '')}` : undefined;
  }

  /** Whether another endpoint is asked after what happened, in nginx's word for it. */
  #goesOn(what: string, sent: boolean): boolean {
    const { next, now } = this.#options;
    if (this.#left <= 0 || !next.on.includes(what)) return false;
    if (next.timeout > 0 && now() - this.#begun >= next.timeout) return false;
    return !sent || !notIdempotent.has(this.#message.method) || next.on.includes('non_idempotent');
  }

  #broken(stream: Stream, reused: boolean, { code }: HttpFailure): void {
    stream.abort();
    if (reused && code !== 'ETIMEDOUT') {
      // It was closed while it waited: that says nothing of the endpoint.
      this.#left++;
      this.next();
      return;
    }
    const late = code === 'ETIMEDOUT';
    const what = late ? 'timeout' : code === 'EPROTO' ? 'invalid_header' : 'error';
    this.#failed(late ? 504 : 502, this.#goesOn(what, true));
  }

  #failed(status: number, again: boolean): void {
    this.#failedOn.add(this.#at);
    if (again) this.next();
    else if (this.#retries > 0 && (this.#forward.retry?.codes.includes(status) ?? false)) this.#again();
    else this.#options.done(status);
  }

  #answered(response: HttpResponse): void {
    if (response.status >= 400 && this.#goesOn(`http_${response.status}`, true)) {
      this.#failedOn.add(this.#at);
      this.next();
    } else if (this.#retries > 0 && this.#forward.retry?.codes.includes(response.status)) this.#again();
    else this.#options.done(response);
  }

  #again(): void {
    this.#retries--;
    this.#left++;
    this.next();
  }
}

function changed(fields: readonly Field[], changes: Forward['response']): Field[] {
  let result: Field[] = [...endToEnd(fields)];
  for (const change of changes) {
    const name = change.name.toLowerCase();
    if (change.kind !== 'add') result = result.filter(([each]) => each.toLowerCase() !== name);
    if (change.kind !== 'remove') result.push([change.name, change.value]);
  }
  return result;
}

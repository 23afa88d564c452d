import type { Backend, Forward, FrontRequest, Outcome } from '@netsim/ingress';
import type { Netns } from '@netsim/kernel';
import type { ObjectStore } from '@netsim/manifest';
import type { Ip } from '@netsim/wire';
import { formatIp } from '@netsim/wire';
import { askStream, type HttpFailure } from '../http/client.ts';
import { encodeResponse, type Field, fieldOf, type HttpRequest, type HttpResponse } from '../http/message.ts';
import { ConnectionPool } from '../http/pool.ts';
import { serveHttp } from '../http/server.ts';
import type { Stream } from '../http/stream.ts';
import { type BackendTlsGround, secureBackend } from './backend-tls.ts';
import { newCookie, RoundRobin, stickyEndpoint } from './balancer.ts';
import type { CompiledDoor } from './certificates.ts';
import type { Controller, ControllerListener } from './controllers.ts';
import type { BackendSource, ProxyEndpoint } from './endpoints.ts';
import { endToEnd, forwardedFields, upstreamFields } from './forwarded.ts';
import { gkeFields } from './gke/fields.ts';
import { googlePage, nginxPage, plainPage, plainToTlsPage } from './pages.ts';
import { failureStatus } from './statuses.ts';

/** Milliseconds that ingress-nginx keeps a connection to a pod (`upstream-keepalive-timeout`). */
const KEEPALIVE = 60_000;
/** Where a rule has none of its own (`proxy-connect-timeout`, `proxy-read-timeout`; in milliseconds). */
const CONNECT_TIMEOUT = 5_000;
const READ_TIMEOUT = 60_000;
/** Longer than anything waits: no limit for the request as a whole. */
const NO_LIMIT = 3_600_000;
/** `proxy_next_upstream_tries`. */
const NGINX_TRIES = 3;
const idempotent = new Set(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE']);

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
}

/** The program of a controller's pod: requests come in, are decided by the router, and go to endpoints over connections of its own. */
export class FrontProxy {
  readonly #options: ProxyOptions;
  readonly #pool: ConnectionPool;
  readonly #robin: RoundRobin;

  constructor(options: ProxyOptions) {
    this.#options = options;
    const { netns, controller } = options;
    this.#pool = new ConnectionPool(netns, controller.container, KEEPALIVE);
    this.#robin = new RoundRobin(netns.random);
  }

  /** Serves one connection that came to one of the controller's ports. `sni`: of the TLS that was ended. */
  serve(stream: Stream, { port, scheme }: ControllerListener, sni?: string): void {
    const { remoteAddress } = stream.connection;
    const clientAddress = remoteAddress === undefined ? '' : formatIp(remoteAddress);
    serveHttp(stream, {
      badRequest: this.#page(400),
      answer: (request, reply) => {
        const front: FrontRequest = {
          scheme,
          method: request.method,
          version: request.version,
          host: fieldOf(request, 'host'),
          target: request.target,
          headers: request.fields.filter(([name]) => name.toLowerCase() !== 'host' && this.#takes(name)),
          ...(sni === undefined ? {} : { sni }),
          port,
          clientAddress,
        };
        this.#decided({ front, request, reply: (response) => reply(this.#dated(response)) }, stream);
      },
    });
  }

  /** Somebody speaks HTTP to the port for TLS. */
  refusePlain(stream: Stream): void {
    const page = this.#options.controller.kind === 'ingress-nginx' ? plainToTlsPage() : plainPage(400);
    stream.send(encodeResponse(this.#dated({ ...page, fields: [...page.fields, ['Connection', 'close']] })));
    stream.close();
  }

  /** nginx leaves out fields with other characters than letters, digits and hyphens (`ignore_invalid_headers`). */
  #takes(name: string): boolean {
    return this.#options.controller.kind !== 'ingress-nginx' || /^[A-Za-z0-9-]+$/.test(name);
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
    const { request, reply } = exchange;
    const { maxBody = 0 } = forward;
    if (maxBody > 0 && request.body.length > maxBody) {
      reply(this.#page(413));
      return;
    }
    for (const mirror of forward.mirrors) this.#ask(exchange, { ...forward, backend: mirror }, () => {});
    if (forward.auth === undefined) this.#send(exchange, forward);
    else this.#authorize(exchange, forward, forward.auth);
  }

  #send(exchange: Exchange, forward: Forward): void {
    this.#ask(exchange, forward, (response) => {
      const { onStatus } = forward;
      if (onStatus?.codes.includes(response.status)) {
        const code = String(response.status);
        const headers: Field[] = [
          ...forward.headers,
          ['X-Code', code],
          ['X-Format', fieldOf(exchange.request, 'accept') ?? ''],
        ];
        this.#ask(exchange, { ...forward, backend: onStatus.backend, headers }, exchange.reply);
      } else exchange.reply(response);
    });
  }

  /** The request as the backend is to get it; the answer with the changes that the rule makes to it. */
  #ask(exchange: Exchange, forward: Forward, done: (response: HttpResponse) => void): void {
    const { backend, affinity } = forward;
    const endpoints = this.#endpoints(backend);
    if (endpoints.length === 0) {
      done(this.#page(backend.kind === 'default-backend' ? 404 : failureStatus(this.#options.controller, 'nobody')));
      return;
    }
    const name = backendName(backend);
    const { netns, now } = this.#options;
    const cookie =
      affinity === undefined
        ? undefined
        : { ...affinity, value: affinity.value ?? newCookie(netns.random, now(), name) };
    const pick = (): ProxyEndpoint =>
      cookie !== undefined
        ? stickyEndpoint(cookie, endpoints)
        : forward.clientAffinity === true
          ? stickyEndpoint({ value: exchange.front.clientAddress ?? '' }, endpoints)
          : this.#robin.pick(name, endpoints);
    const isNew = cookie !== undefined && affinity?.value === undefined;
    new Attempts(this.#pool, this.#message(exchange, forward), forward, {
      pick,
      now: () => netns.world.clock.now,
      tries: this.#options.controller.kind === 'ingress-nginx' ? NGINX_TRIES : 1,
      ground: this.#options,
      done: (result) => {
        if (typeof result === 'number') {
          done(this.#page(failureStatus(this.#options.controller, result === 504 ? 'silent' : 'refused')));
        } else {
          const fields = changed(result.fields, forward.response);
          if (isNew) fields.push(['Set-Cookie', `${cookie.cookie}=${cookie.value}${cookie.attributes}`]);
          done({ ...result, fields });
        }
      },
    }).next();
  }

  #endpoints(backend: Backend): readonly ProxyEndpoint[] {
    if (backend.kind !== 'service') return [];
    return this.#options.backends.of(backend.namespace, backend.name, backend.port).list;
  }

  #message({ front, request }: Exchange, { host, target, headers }: Forward): HttpRequest {
    const { controller, netns } = this.#options;
    const id = Array.from({ length: 8 }, () => netns.random.below(0x10000).toString(16).padStart(4, '0')).join('');
    const own =
      controller.address === undefined
        ? forwardedFields(controller.kind, front, front.host ?? host, id)
        : gkeFields(front, controller.address, netns.random);
    const { method, body } = request;
    return { method, target, version: '1.1', fields: upstreamFields(host, own, headers), body };
  }

  /** `auth-url`: a request of its own, whose answer lets the client's pass or not (nginx: `auth_request`). */
  #authorize(exchange: Exchange, forward: Forward, auth: NonNullable<Forward['auth']>): void {
    const { netns, controller, resolve } = this.#options;
    const { front, reply } = exchange;
    const fail = (): void => reply(this.#page(500));
    const url = URL.canParse(auth.url) ? new URL(auth.url) : undefined;
    const ip = url?.protocol === 'http:' ? resolve(url.hostname) : undefined;
    if (url === undefined || ip === undefined) {
      fail();
      return;
    }
    const own: Field[] = [
      ['X-Original-URL', `${front.scheme}://${front.host ?? ''}${front.target}`],
      ['X-Original-Method', front.method],
      ['X-Sent-From', 'nginx-ingress-controller'],
      ...forwardedFields(controller.kind, front, front.host ?? '', '').filter(
        ([name]) => name === 'X-Real-IP' || name === 'X-Forwarded-For',
      ),
      ['X-Auth-Request-Redirect', front.target],
    ];
    const headers = front.headers.filter(([name]) => !/^content-(length|type)$/i.test(name));
    const message: HttpRequest = {
      method: auth.method,
      target: url.pathname + url.search,
      version: '1.1',
      fields: upstreamFields(url.host, own, headers),
      body: new Uint8Array(0),
    };
    const port = Number(url.port || 80);
    const endpoint: ProxyEndpoint = { ip, port, text: `${formatIp(ip)}:${port}` };
    new Attempts(
      this.#pool,
      message,
      { ...forward, tlsToBackend: false },
      {
        pick: () => endpoint,
        now: () => netns.world.clock.now,
        tries: 1,
        ground: this.#options,
        done: (result) => {
          if (typeof result === 'number') fail();
          else if (result.status >= 200 && result.status < 300) {
            const wanted = auth.responseHeaders.map((name) => name.toLowerCase());
            const extra = result.fields.filter(([name]) => wanted.includes(name.toLowerCase()));
            this.#send(exchange, { ...forward, headers: [...forward.headers, ...extra] });
          } else if (result.status === 401 && auth.signin !== undefined) {
            reply(this.#page(302, [['Location', auth.signin]]));
          } else if (result.status === 401 || result.status === 403) {
            const challenge = result.fields.filter(([name]) => name.toLowerCase() === 'www-authenticate');
            reply(this.#page(result.status, challenge));
          } else fail();
        },
      },
    ).next();
  }
}

interface AttemptOptions {
  pick(): ProxyEndpoint;
  now(): number;
  readonly tries: number;
  readonly ground: BackendTlsGround;
  /** The answer, or the status that stands for the lack of one. */
  done(result: HttpResponse | number): void;
}

/** One request, tried on an endpoint and, where that fails, on the next (nginx: `proxy_next_upstream error timeout`). */
class Attempts {
  readonly #pool: ConnectionPool;
  readonly #message: HttpRequest;
  readonly #forward: Forward;
  readonly #options: AttemptOptions;
  readonly #end: number;
  #left: number;
  #retries: number;

  constructor(pool: ConnectionPool, message: HttpRequest, forward: Forward, options: AttemptOptions) {
    this.#pool = pool;
    this.#message = message;
    this.#forward = forward;
    this.#options = options;
    this.#left = options.tries;
    this.#retries = forward.retry?.attempts ?? 0;
    this.#end = options.now() + (forward.timeouts.request || NO_LIMIT);
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
    const { ip, port } = pick();
    const kind = this.#kind;
    const target = { ip, port, timeout: Math.min(connect || CONNECT_TIMEOUT, rest) };
    this.#pool.take(kind === undefined ? target : { ...target, kind }, (stream, reused) => {
      if (typeof stream === 'string') {
        this.#failed(stream === 'ETIMEDOUT' ? 504 : 502, true);
        return;
      }
      if (reused || !this.#forward.tlsToBackend) {
        this.#ask(stream, reused);
        return;
      }
      const timeout = Math.min(connect || CONNECT_TIMEOUT, rest);
      secureBackend(stream, this.#forward.backendTls, { ...this.#options.ground, timeout }, (secured) => {
        if (typeof secured === 'number') this.#failed(secured, true);
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

  #broken(stream: Stream, reused: boolean, { code }: HttpFailure): void {
    stream.abort();
    if (reused && code !== 'ETIMEDOUT') {
      // It was closed while it waited: that says nothing of the endpoint.
      this.#left++;
      this.next();
    } else this.#failed(code === 'ETIMEDOUT' ? 504 : 502, idempotent.has(this.#message.method));
  }

  #failed(status: number, again: boolean): void {
    if (again && this.#left > 0) this.next();
    else if (this.#retries > 0 && (this.#forward.retry?.codes.includes(status) ?? false)) this.#again();
    else this.#options.done(status);
  }

  #answered(response: HttpResponse): void {
    if (this.#retries > 0 && this.#forward.retry?.codes.includes(response.status)) this.#again();
    else this.#options.done(response);
  }

  #again(): void {
    this.#retries--;
    this.#left++;
    this.next();
  }
}

function backendName(backend: Backend): string {
  return backend.kind === 'service' ? `${backend.namespace}-${backend.name}-${backend.port}` : backend.kind;
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

import { together } from '../../http/host.ts';
import { type PathEntry, PathTables } from '../../http/path-tables.ts';
import { NONE } from '../../http/path-trie.ts';
import type { Backend, Forward, FrontRequest, HeaderField } from '../../model.ts';
import type { LocationMatch } from '../../nginx/locations.ts';
import { validateHost } from '../../nginx/request.ts';
import type { ServerIndex } from '../../nginx/servers.ts';
import type { CompiledPlace, CompiledServer } from './compile.ts';
import { isTls } from './protocol.ts';
import { UNSET } from './read-settings.ts';
import type { Upstream } from './render.ts';
import type { Settings } from './settings.ts';

/** How a location passes requests on that it does not change. */
interface PlainWay {
  readonly timeouts: Forward['timeouts'];
  readonly tlsToBackend: boolean;
  /** Bytes; 0: no limit. */
  readonly maxBody: number;
  /** Where the host has a certificate, a request in clear is redirected instead. */
  readonly wantsTls: boolean;
}

/** What is done with each request to a location that passes all on as it came. */
interface PlainForward {
  readonly backend: Backend;
  /** Number of the way. */
  readonly way: number;
}

const NO_CHANGES: Forward['response'] = [];
const NO_BACKENDS: readonly Backend[] = [];
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']);
const NOT_PLAIN = -1;
/** Longer ones may not fit nginx's buffers. */
const MAX_TARGET = 4096;
/** Settings that a location may have and yet pass all on: the others are as without annotations, or it is none of these. */
const CARRIED: ReadonlySet<string> = new Set<keyof Settings>([
  'bodySize',
  'connectTimeout',
  'readTimeout',
  'sslRedirect',
  'preserveTrailingSlash',
  'relativeRedirects',
  'portInRedirects',
  'protocol',
]);

/**
 * The common case of a decision, in tables of its own: the request names a server as it is written, its path needs no decoding,
 * and the location passes it on unchanged. What it does not know is decided by reading the request as nginx does; both come to
 * the same.
 */
export class PlainRoutes {
  /** By host, as requests name it. */
  readonly #tables = new Map<string, number>();
  readonly #paths = new PathTables<PlainForward | undefined>();
  /** Few: what differs from place to place is the backend. */
  readonly #ways: PlainWay[] = [];
  readonly #numbers = new Map<string, number>();
  /** By place, beside each other in the memory. */
  readonly #backends: readonly (Backend | undefined)[];
  readonly #wayOf: Int32Array;
  readonly #known = new Map<Upstream, PlainForward[]>();
  readonly #wayOfSettings = new Map<Settings | undefined, number>();

  readonly #secureChanges: Forward['response'];

  /** `secureChanges`: what is done to every answer over TLS. */
  constructor(
    servers: readonly CompiledServer[],
    index: ServerIndex<CompiledServer>,
    secureChanges: Forward['response'],
  ) {
    this.#secureChanges = secureChanges;
    const tables: [name: string, table: number][] = [];
    for (const server of servers) {
      if (server.redirectTo !== undefined || server.appRoot !== '' || server.index.hasRegexes) continue;
      // It has locations of its own beside those of Ingresses.
      if (server.isDefault) continue;
      const names = server.names.filter((name) => validateHost(name) === name && index.find(name) === server);
      if (names.length === 0) continue;
      const table = this.#paths.add(server.index.entries.map((entry) => this.#entry(entry)));
      for (const name of names) tables.push([name, table]);
    }
    const names = together(tables.map(([name]) => name));
    tables.forEach(([, table], i) => {
      this.#tables.set(names[i]!, table);
    });
    const { values } = this.#paths;
    this.#backends = values.map((plain) => plain?.backend);
    this.#wayOf = Int32Array.from(values, (plain) => plain?.way ?? 0);
  }

  /** `hasCertificate`: whether TLS can be spoken with a host. Undefined: the request is to be read with care. */
  decide(request: FrontRequest, hasCertificate: (host: string) => boolean): Forward | undefined {
    const { host, target, method } = request;
    const table = host === undefined ? undefined : this.#tables.get(host);
    if (table === undefined || !METHODS.has(method)) return undefined;
    const end = plainPathEnd(target);
    const place = end === -1 ? NONE : this.#paths.find(table, target, end);
    const backend = place === NONE ? undefined : this.#backends[place];
    if (backend === undefined) return undefined;
    const way = this.#ways[this.#wayOf[place]!]!;
    if (way.maxBody > 0 && contentLength(request.headers) > way.maxBody) return undefined;
    if (way.wantsTls && request.scheme === 'http' && hasCertificate(host!)) return undefined;
    return forward(request, backend, way, request.scheme === 'https' ? this.#secureChanges : NO_CHANGES);
  }

  #entry({ path, value, whole }: PathEntry<LocationMatch<CompiledPlace>>): PathEntry<PlainForward | undefined> {
    return { path, whole, value: value.kind === 'location' ? this.#plain(value.location) : undefined };
  }

  #plain({ settings, upstream, timeouts }: CompiledPlace): PlainForward | undefined {
    if (upstream.alternatives.length > 0 || upstream.affinity !== undefined) return undefined;
    if (!isUnset(upstream.balancing, UNSET.balancing)) return undefined;
    let way = this.#wayOfSettings.get(settings);
    if (way === undefined) {
      way = this.#way(settings, timeouts);
      this.#wayOfSettings.set(settings, way);
    }
    if (way === NOT_PLAIN) return undefined;
    const known = this.#known.get(upstream) ?? [];
    let plain = known.find((one) => one.way === way);
    if (plain === undefined) {
      plain = { backend: upstream.backend, way };
      this.#known.set(upstream, [...known, plain]);
    }
    return plain;
  }

  #way(settings: Settings | undefined, timeouts: Forward['timeouts']): number {
    if (settings !== undefined && !isPlain(settings)) return NOT_PLAIN;
    const protocol = settings?.protocol ?? 'HTTP';
    if (isTls(protocol, 'http') !== isTls(protocol, 'https')) return NOT_PLAIN;
    const way: PlainWay = {
      timeouts,
      tlsToBackend: isTls(protocol, 'http'),
      maxBody: settings?.bodySize ?? 0,
      wantsTls: settings?.sslRedirect ?? false,
    };
    const text = JSON.stringify(way);
    let number = this.#numbers.get(text);
    if (number === undefined) {
      number = this.#ways.push(way) - 1;
      this.#numbers.set(text, number);
    }
    return number;
  }
}

function isPlain(settings: Settings): boolean {
  if (settings === UNSET) return true;
  const names = Object.keys({ ...UNSET, ...settings }) as (keyof Settings)[];
  return names.every((name) => CARRIED.has(name) || isUnset(settings[name], UNSET[name]));
}

/** Settings hold texts, numbers, and small objects and lists of them. */
function isUnset(value: unknown, unset: unknown): boolean {
  if (value === unset) return true;
  if (typeof value !== 'object' || value === null || typeof unset !== 'object' || unset === null) return false;
  const own = Object.entries(value);
  const defaults = new Map(Object.entries(unset));
  return own.length === defaults.size && own.every(([key, each]) => isUnset(each, defaults.get(key)));
}

function forward(
  { target, host, headers }: FrontRequest,
  backend: Backend,
  { timeouts, tlsToBackend, maxBody }: PlainWay,
  response: Forward['response'],
): Forward {
  // Both without a spread: this is what each request costs.
  const kind = 'forward';
  const mirrors = NO_BACKENDS;
  if (maxBody === 0) {
    return { kind, backend, target, host: host!, headers, response, timeouts, tlsToBackend, mirrors };
  }
  return { kind, backend, target, host: host!, headers, response, timeouts, tlsToBackend, mirrors, maxBody };
}

export function contentLength(headers: readonly HeaderField[]): number {
  for (const [name, value] of headers) {
    if (name.length === 14 && name.toLowerCase() === 'content-length') return Number(value);
  }
  return 0;
}

/** Where the path of a target ends that nginx takes as it is; -1: it is to be read with care. */
function plainPathEnd(target: string): number {
  const { length } = target;
  if (length > MAX_TARGET || target.charCodeAt(0) !== 0x2f) return -1;
  let end = -1;
  let before = 0;
  for (let i = 0; i < length; i++) {
    const c = target.charCodeAt(i);
    if (c <= 0x20 || c >= 0x7f) return -1;
    if (end !== -1) continue;
    if (c === 0x3f) end = i;
    else if (c === 0x25 || c === 0x23 || c === 0x2b || (before === 0x2f && (c === 0x2f || c === 0x2e))) return -1;
    before = c;
  }
  return end === -1 ? length : end;
}

import { type PathEntry, PathTables } from '../../http/path-tables.ts';
import type { Backend, Forward, FrontRequest, HeaderField } from '../../model.ts';
import type { LocationMatch } from '../../nginx/locations.ts';
import { validateHost } from '../../nginx/request.ts';
import type { ServerIndex } from '../../nginx/servers.ts';
import type { CompiledPlace, CompiledServer } from './compile.ts';
import { PLAIN } from './read-settings.ts';
import type { Upstream } from './render.ts';
import type { Settings } from './settings.ts';

/** What is done with each request to a location that passes all on as it came. */
export interface PlainForward {
  readonly backend: Backend;
  readonly timeouts: Forward['timeouts'];
  readonly tlsToBackend: boolean;
  /** Bytes; 0: no limit. */
  readonly maxBody: number;
  /** Where the host has a certificate, a request in clear is redirected instead. */
  readonly wantsTls: boolean;
}

const NO_CHANGES: Forward['response'] = [];
const NO_BACKENDS: readonly Backend[] = [];
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']);
/** Longer ones may not fit nginx's buffers. */
const MAX_TARGET = 4096;
/** Settings that a location may have and yet pass all on: the others are as without annotations, or it is none of these. */
const CARRIED: ReadonlySet<string> = new Set<keyof Settings>([
  'bodySize',
  'connectTimeout',
  'readTimeout',
  'sslRedirect',
  'preserveTrailingSlash',
  'tlsToBackend',
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
  readonly #known = new Map<Upstream, PlainForward[]>();
  readonly #plainSettings = new Map<Settings, boolean>();

  constructor(servers: readonly CompiledServer[], index: ServerIndex<CompiledServer>) {
    for (const server of servers) {
      if (server.redirectTo !== undefined || server.appRoot !== '' || server.index.hasRegexes) continue;
      const names = server.names.filter((name) => validateHost(name) === name && index.find(name) === server);
      if (names.length === 0) continue;
      const table = this.#paths.add(server.index.entries.map((entry) => this.#entry(entry)));
      for (const name of names) this.#tables.set(name, table);
    }
  }

  /** Undefined: the request is to be read with care. */
  find({ host, target, method, headers }: FrontRequest): PlainForward | undefined {
    const table = host === undefined ? undefined : this.#tables.get(host);
    if (table === undefined || !METHODS.has(method)) return undefined;
    const end = plainPathEnd(target);
    const plain = end === -1 ? undefined : this.#paths.find(table, target, end);
    return plain === undefined || (plain.maxBody > 0 && contentLength(headers) > plain.maxBody) ? undefined : plain;
  }

  #entry({ path, value, whole }: PathEntry<LocationMatch<CompiledPlace>>): PathEntry<PlainForward | undefined> {
    return { path, whole, value: value.kind === 'location' ? this.#plain(value.location) : undefined };
  }

  #plain({ settings, upstream, timeouts }: CompiledPlace): PlainForward | undefined {
    if (settings !== undefined && !this.#isPlain(settings)) return undefined;
    if (upstream.alternatives.length > 0 || upstream.affinity !== undefined) return undefined;
    const plain: PlainForward = {
      backend: upstream.backend,
      timeouts,
      tlsToBackend: settings?.tlsToBackend ?? false,
      maxBody: settings?.bodySize ?? 0,
      wantsTls: settings?.sslRedirect ?? false,
    };
    // Locations that do the same share one object, and with it a place in the caches of the processor.
    const known = this.#known.get(upstream);
    const same = known?.find((one) => isSame(one, plain));
    if (same !== undefined) return same;
    if (known === undefined) this.#known.set(upstream, [plain]);
    else known.push(plain);
    return plain;
  }

  #isPlain(settings: Settings): boolean {
    let plain = this.#plainSettings.get(settings);
    if (plain === undefined) {
      const names = Object.keys({ ...PLAIN, ...settings }) as (keyof Settings)[];
      plain = names.every((name) => CARRIED.has(name) || isUnset(settings[name], PLAIN[name]));
      this.#plainSettings.set(settings, plain);
    }
    return plain;
  }
}

function isUnset(value: unknown, unset: unknown): boolean {
  return value === unset || (Array.isArray(value) && value.length === 0 && Array.isArray(unset) && unset.length === 0);
}

function isSame(a: PlainForward, b: PlainForward): boolean {
  return (
    a.tlsToBackend === b.tlsToBackend &&
    a.maxBody === b.maxBody &&
    a.wantsTls === b.wantsTls &&
    a.timeouts.backendRequest === b.timeouts.backendRequest &&
    a.timeouts.connect === b.timeouts.connect &&
    a.timeouts.request === b.timeouts.request
  );
}

export function forwardPlainly(
  { target, host, headers }: FrontRequest,
  { backend, timeouts, tlsToBackend, maxBody }: PlainForward,
): Forward {
  // Both without a spread: this is what each request costs.
  const kind = 'forward';
  const response = NO_CHANGES;
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

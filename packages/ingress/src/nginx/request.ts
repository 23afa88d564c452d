import type { FrontRequest } from '../model.ts';
import { toBytes } from '../regex/index.ts';
import { BAD_URI, normaliseUri } from './uri.ts';

/** A request that nginx has read. */
export interface NginxRequest {
  /** What server names are compared with: lower case, without port; '' where a request of HTTP/1.0 names none. */
  readonly server: string;
  /** `$http_host`: as sent. */
  readonly httpHost: string | undefined;
  readonly uri: string;
  readonly args: string;
  readonly quoted: boolean;
  /** `$request_uri`: path and query as sent. */
  readonly requestUri: string;
  /** A backend is sent the request URI as it is, as long as nothing rewrites it. */
  readonly intact: boolean;
}

/** The status of the answer to a request that nginx refuses to read. */
export interface Refused {
  readonly status: number;
  readonly why: string;
}

/** `large_client_header_buffers 4 8k`: what a request line may hold, line end included. */
const LINE_LIMIT = 8192;
// biome-ignore lint/suspicious/noControlCharactersInRegex: nginx refuses them
const CONTROL = /[\x00-\x20\x7f]/;
const ABSOLUTE = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/(\[[\w.:~!$&'()*+,;=-]*\]|[A-Za-z0-9.-]+)(?::\d*)?(?=$|[/?])/;

/** Reads the request line and the host as `ngx_http_parse_request_line` and `ngx_http_process_request_header` do. */
export function readRequest(request: FrontRequest): NginxRequest | Refused {
  const { method, version } = request;
  const target = received(request.target);
  if (method !== 'GET' && !/^[A-Z_-]+$/.test(method)) return { status: 400, why: 'invalid method' };
  if (method.length + target.length + 12 > LINE_LIMIT)
    return { status: 414, why: 'the request line is longer than 8k' };
  if (CONTROL.test(target)) return { status: 400, why: 'a blank or control character in the request line' };
  let path = target;
  let authority: string | undefined;
  let emptyPath = false;
  if (target.charCodeAt(0) !== 0x2f) {
    const absolute = ABSOLUTE.exec(target);
    if (absolute === null) return { status: 400, why: 'the request target is neither a path nor an absolute URL' };
    authority = absolute[1]!;
    path = target.slice(absolute[0].length);
    emptyPath = path.charCodeAt(0) === 0x3f;
    if (path === '' || emptyPath) path = `/${path}`;
  }
  const parsed = normaliseUri(path);
  if (parsed === BAD_URI) return { status: 400, why: 'the path leaves the root or has a bad percent sign' };
  const named = authority ?? request.host;
  const host = named === undefined ? undefined : received(named);
  let server = '';
  if (host !== undefined) {
    const valid = validateHost(host);
    if (valid === undefined) return { status: 400, why: 'invalid host' };
    server = valid;
  }
  if (authority !== undefined && request.host !== undefined && validateHost(received(request.host)) === undefined) {
    return { status: 400, why: 'invalid host' };
  }
  if (request.host === undefined && version !== '1.0' && !(version === '2' && authority !== undefined)) {
    return { status: 400, why: 'no Host header' };
  }
  if (method === 'CONNECT' || method === 'TRACE') return { status: 405, why: `${method} is not allowed` };
  return {
    server,
    httpHost: request.host === undefined ? undefined : received(request.host),
    ...parsed,
    requestUri: emptyPath ? path.slice(1) : path,
    intact: !emptyPath,
  };
}

/** Texts from the wire are bytes already; characters that are none came from a caller who thinks in Unicode. */
function received(text: string): string {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0xff) return toBytes(text);
  return text;
}

/** `ngx_http_validate_host`; undefined: nginx answers 400. */
export function validateHost(host: string): string | undefined {
  let dot = host.length;
  let end = host.length;
  let state: 'usual' | 'literal' | 'rest' = 'usual';
  for (let i = 0; i < host.length; i++) {
    const c = host.charCodeAt(i);
    if (c === 0x2e) {
      if (i > 0 && dot === i - 1) return undefined;
      dot = i;
    } else if (c === 0x3a) {
      if (state === 'usual') {
        end = i;
        state = 'rest';
      }
    } else if (c === 0x5b) {
      if (i === 0) state = 'literal';
    } else if (c === 0x5d) {
      if (state === 'literal') {
        end = i + 1;
        state = 'rest';
      }
    } else if (c === 0x2f || c <= 0x20 || c === 0x7f) return undefined;
  }
  if (dot === end - 1) end--;
  if (end === 0) return undefined;
  return asciiLower(host.slice(0, end));
}

export function asciiLower(text: string): string {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c >= 0x41 && c <= 0x5a) return text.replace(/[A-Z]+/g, (part) => part.toLowerCase());
  }
  return text;
}

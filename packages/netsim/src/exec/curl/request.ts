import type { Cookies } from './cookies.ts';
import { type CurlOptions, fieldName } from './options.ts';

/** What a redirect changes of a request. */
export interface RequestState {
  /** A POST has become a GET. */
  readonly bodyDropped: boolean;
  /** It goes to another host than the first: credentials stay behind. */
  readonly elsewhere: boolean;
}

/** The lines of a request's head, and its body. */
export interface RequestText {
  readonly method: string;
  readonly lines: readonly string[];
  readonly body: string;
  /** Of `-u` or of the URL; undefined where none is sent. */
  readonly user: string | undefined;
}

/** `path` stands in for that of the URL, from which dots are gone. */
export function requestOf(
  url: URL,
  path: string,
  options: CurlOptions,
  state: RequestState,
  cookies: Cookies,
): RequestText {
  const { customMethod, head, httpVersion, userAgent, requestTarget, range, compressed, referer } = options;
  const data = state.bodyDropped ? undefined : options.data;
  const kept = (header: string): boolean =>
    !(state.elsewhere && !options.trustRedirects && ['authorization', 'cookie', 'host'].includes(fieldName(header)));
  const headers = options.headers.filter(kept);
  const given = new Set(headers.map(fieldName));
  const hostHeader = headers.find((header) => fieldName(header) === 'host' && !/^host:\s*$/i.test(header));
  const method = customMethod ?? (head ? 'HEAD' : data === undefined ? 'GET' : 'POST');
  const user = userOf(url, options, state);
  const lines = [`${method} ${requestTarget ?? path + url.search} HTTP/${httpVersion}`];
  if (hostHeader !== undefined || !given.has('host')) lines.push(hostHeader ?? `Host: ${url.host}`);
  if (user !== undefined && !given.has('authorization')) {
    lines.push(`Authorization: Basic ${Buffer.from(user.includes(':') ? user : `${user}:`).toString('base64')}`);
  }
  if (range !== undefined && !given.has('range')) lines.push(`Range: bytes=${range}`);
  if (!given.has('user-agent') && userAgent !== '') lines.push(`User-Agent: ${userAgent}`);
  if (!given.has('accept')) lines.push('Accept: */*');
  if (compressed && !given.has('accept-encoding')) lines.push('Accept-Encoding: deflate, gzip, br, zstd');
  if (referer !== undefined && !given.has('referer')) lines.push(`Referer: ${referer}`);
  const own = options.cookies.filter((text) => text.includes('=')).join(';');
  const cookie = [cookies.header(url), own].filter((text) => text !== '');
  if (cookie.length > 0) lines.push(`Cookie: ${cookie.join('; ')}`);
  // `-H 'Name:'` takes a header away, `-H 'Name;'` sends it empty.
  for (const header of headers) {
    if (header === hostHeader || /^[^:]+:\s*$/.test(header) || !/[:;]/.test(header)) continue;
    if (data === undefined && fieldName(header) === 'content-type' && state.bodyDropped) continue;
    lines.push(header.includes(':') ? header : header.replace(/;\s*$/, ':'));
  }
  if (data !== undefined) {
    if (!given.has('content-length')) lines.push(`Content-Length: ${new TextEncoder().encode(data).length}`);
    if (!given.has('content-type')) lines.push('Content-Type: application/x-www-form-urlencoded');
  }
  return { method, lines, body: data ?? '', user: given.has('authorization') ? undefined : user };
}

function userOf(url: URL, { user, trustRedirects }: CurlOptions, { elsewhere }: RequestState): string | undefined {
  if (url.username !== '') return `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return elsewhere && !trustRedirects ? undefined : user;
}

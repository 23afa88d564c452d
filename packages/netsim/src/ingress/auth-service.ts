import type { AuthRequest, FrontRequest } from '@netsim/ingress';
import { type Field, fieldOf, type HttpRequest, type HttpResponse } from '../http/message.ts';
import { upstreamFields } from './forwarded.ts';

/** What an auth service is asked (`auth-url`): the client's request without its body, and what nginx adds. */
export function authMessage(
  auth: AuthRequest,
  url: URL,
  front: FrontRequest,
  told: { readonly id: string; readonly address: string; readonly forwardedFor: string },
): HttpRequest {
  const own: readonly Field[] = [
    ['X-Request-ID', told.id],
    ['X-Original-URL', `${front.scheme}://${front.host ?? ''}${front.target}`],
    ['X-Original-Method', front.method],
    ['X-Sent-From', 'nginx-ingress-controller'],
    ['X-Real-IP', told.address],
    ['X-Forwarded-For', told.forwardedFor],
    ['X-Auth-Request-Redirect', front.target],
    ...(auth.fields ?? []),
  ];
  // Of two fields of one name the later counts.
  const fields = new Map(own.map((field) => [field[0].toLowerCase(), field]));
  const headers = front.headers.filter(([name]) => !/^(content-length|x-forwarded-proto)$/i.test(name));
  return {
    method: auth.method,
    target: url.pathname + url.search,
    version: '1.1',
    // The port of the URL is no part of it.
    fields: upstreamFields(url.hostname, [...fields.values()], headers),
    body: new Uint8Array(0),
  };
}

/** The client's header fields with those of the service's answer in the place of its own. */
export function replacedFields(
  headers: readonly Field[],
  { responseHeaders }: AuthRequest,
  response: HttpResponse,
): readonly Field[] {
  if (responseHeaders.length === 0) return headers;
  const names = new Set(responseHeaders.map((name) => name.toLowerCase()));
  const kept = headers.filter(([name]) => !names.has(name.toLowerCase()));
  const given = responseHeaders.flatMap((name): Field[] => {
    const value = fieldOf(response, name);
    return value === undefined || value === '' ? [] : [[name, value]];
  });
  return [...kept, ...given];
}

/** Statuses whose answers nginx adds a header field to that is not marked `always`. */
const SOUND = new Set([200, 201, 204, 206, 301, 302, 303, 304, 307, 308]);

/** The cookies that the service gives to the client, for an answer of this status. */
export function givenCookies({ alwaysSetCookie }: AuthRequest, from: HttpResponse, status: number): Field[] {
  if (!alwaysSetCookie && !SOUND.has(status)) return [];
  return from.fields.filter(([name]) => name.toLowerCase() === 'set-cookie');
}

/** Answers of auth services that are good for a while (`proxy_cache`). */
export class AuthCache {
  readonly #kept = new Map<string, { readonly response: HttpResponse; readonly until: number }>();

  get({ cache }: AuthRequest, now: number): HttpResponse | undefined {
    const kept = cache === undefined ? undefined : this.#kept.get(cache.key);
    return kept !== undefined && now < kept.until ? kept.response : undefined;
  }

  /** nginx keeps nothing that sets a cookie or forbids it. */
  put({ cache }: AuthRequest, response: HttpResponse, now: number): void {
    if (cache === undefined || fieldOf(response, 'set-cookie') !== undefined) return;
    if (/no-cache|no-store|private/i.test(fieldOf(response, 'cache-control') ?? '')) return;
    const { status } = response;
    const time = cache.times.find(({ statuses }) =>
      statuses.length === 0 ? [200, 301, 302].includes(status) : statuses.includes(status),
    )?.time;
    if (time !== undefined) this.#kept.set(cache.key, { response, until: now + time });
  }
}

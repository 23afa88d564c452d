import type { HttpRequest, HttpResponse } from './message.ts';

/** A request of the Fetch standard as a message. */
export function requestMessage(request: Request, url: URL, body: Uint8Array): HttpRequest {
  const fields = [...request.headers].filter(([name]) => name !== 'host');
  return {
    method: request.method,
    target: url.pathname + url.search,
    version: '1.1',
    fields: [['host', url.host], ...fields],
    body,
  };
}

/** A message as a response of the Fetch standard. */
export function responseOf({ status, statusText = '', fields, body }: HttpResponse): Response {
  const bodyless = status === 204 || status === 205 || status === 304;
  const headers = new Headers();
  for (const [name, value] of fields) headers.append(name, value);
  return new Response(bodyless ? null : Uint8Array.from(body), { status, statusText, headers });
}

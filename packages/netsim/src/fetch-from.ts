import { X509Certificate } from 'node:crypto';
import { formatEndpoint, type Ip, tryParseIp } from '@netsim/wire';
import type { Cluster } from './cluster.ts';
import { addressesOf, lookUp } from './dns/look-up.ts';
import { type HttpFailure, httpCall } from './http/client.ts';
import { requestMessage, responseOf } from './http/fetch.ts';
import type { Stream } from './http/stream.ts';
import { connectTls } from './http/tls.ts';
import { certificateProblem } from './http/verify.ts';
import type { SourceRef } from './names.ts';
import { netnsOf } from './source-netns.ts';

/** How long `fetch` waits, in virtual milliseconds. */
const FETCH_TIMEOUT = 300_000;
/** As in the Fetch standard. */
const MAX_REDIRECTS = 20;

export interface FetchInit extends RequestInit {
  /** Takes any certificate, as `curl -k` does. */
  readonly insecure?: boolean;
}

/**
 * An HTTP request from a pod or a machine, over the emulated network in virtual time: name, service, overlay, and back.
 * Rejects with a TypeError, as `fetch` does, whose `cause` carries the error's code.
 */
export async function fetchFrom(
  cluster: Cluster,
  source: SourceRef,
  input: string | URL | Request,
  { insecure = false, ...init }: FetchInit = {},
): Promise<Response> {
  let request = new Request(input, init);
  const body = new Uint8Array(await request.arrayBuffer());
  for (let redirects = 0; ; redirects++) {
    const response = await once(cluster, source, request, body, insecure);
    const location = response.headers.get('location');
    if (response.status < 300 || response.status > 399 || location === null || request.redirect === 'manual')
      return response;
    if (request.redirect === 'error') throw failure('unexpected redirect');
    if (redirects === MAX_REDIRECTS) throw failure('redirect count exceeded');
    const becomesGet = response.status === 303 || (response.status < 303 && request.method === 'POST');
    const { headers } = request;
    request = new Request(new URL(location, request.url), { method: becomesGet ? 'GET' : request.method, headers });
  }
}

async function once(
  cluster: Cluster,
  source: SourceRef,
  request: Request,
  body: Uint8Array,
  insecure: boolean,
): Promise<Response> {
  const url = new URL(request.url);
  const secure = url.protocol === 'https:';
  if (!secure && url.protocol !== 'http:') throw failure(`unknown scheme ${url.protocol}`);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const ip = tryParseIp(host) ?? addressOf(cluster, source, host);
  await cluster.awaitHealth();
  const bodyless = request.method === 'GET' || request.method === 'HEAD';
  try {
    const answer = await httpCall({
      netns: netnsOf(cluster, source),
      programs: cluster.programs,
      ip,
      port: Number(url.port || (secure ? 443 : 80)),
      request: requestMessage(request, url, bodyless ? new Uint8Array(0) : body),
      timeout: FETCH_TIMEOUT,
      ...(secure ? { secure: secured(host, insecure, () => cluster.now) } : {}),
    });
    return responseOf(answer);
  } catch (cause) {
    throw failure(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

/** What Node.js calls the certificate errors of OpenSSL. */
const nodeCodes: Readonly<Record<number, HttpFailure['code']>> = {
  9: 'CERT_NOT_YET_VALID',
  10: 'CERT_HAS_EXPIRED',
  18: 'DEPTH_ZERO_SELF_SIGNED_CERT',
  19: 'SELF_SIGNED_CERT_IN_CHAIN',
  20: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
};

function secured(host: string, insecure: boolean, now: () => number) {
  return (below: Stream, ready: (stream: Stream | HttpFailure) => void): void => {
    const { connection } = below;
    const where = formatEndpoint(connection.remoteAddress!, connection.remotePort);
    const fail = (code: HttpFailure['code'], message: string): void => ready({ code, phase: 'connect', message });
    connectTls(below, {
      serverName: tryParseIp(host) === undefined ? host : undefined,
      accept: (certificates) => {
        if (insecure) return true;
        const chain = certificates.map((der) => new X509Certificate(der));
        const problem = certificateProblem(chain, { host, now: now() });
        if (problem === undefined) return true;
        if (problem.kind === 'chain') fail(nodeCodes[problem.code] ?? 'EPROTO', problem.text);
        else
          fail(
            'ERR_TLS_CERT_ALTNAME_INVALID',
            `Hostname/IP does not match certificate's altnames: Host: ${host}. is not in the cert's altnames: ${problem.names.map((name) => `DNS:${name}`).join(', ')}`,
          );
        return false;
      },
      ready,
      failed: ({ reason }) => fail('EPROTO', `${where}: ${reason}`),
    });
  };
}

function addressOf(cluster: Cluster, source: SourceRef, host: string): Ip {
  const found = lookUp(cluster, source, host);
  const [ip] = addressesOf(found);
  if (ip !== undefined) return ip;
  // Node.js calls EAI_NONAME so.
  const code = found.error === 'EAI_NONAME' || found.error === undefined ? 'ENOTFOUND' : found.error;
  throw new TypeError('fetch failed', { cause: new Error(`getaddrinfo ${code} ${host}`) });
}

function failure(message: string, cause?: unknown): TypeError {
  return new TypeError(`fetch failed: ${message}`, { cause: cause ?? new Error(message) });
}

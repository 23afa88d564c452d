import type { ObjectStore } from '@netsim/manifest';
import { changeHeaders } from '../../../src/gateway/changes.ts';
import type { Backend, FrontRequest, HeaderField, Outcome } from '../../../src/index.ts';
import type { Case, RequestData } from './types.ts';
import { handshakes, serverOf } from './world.ts';

/** A request that a case stands for, and how it is answered at one moment of chance. */
export interface Exchange {
  readonly request: FrontRequest;
  readonly decide: (chance: number) => Outcome;
  /** The connection is refused where the client shows no certificate. */
  readonly refuses: boolean;
  /** The suite's mesh client does not look at paths; they count where the test's routes rewrite them. */
  readonly ignoresPath?: boolean;
  readonly store: ObjectStore;
}

interface Answer {
  readonly status: number;
  readonly headers: readonly HeaderField[];
  readonly seen?: { readonly outcome: Extract<Outcome, { kind: 'forward' }>; readonly deployment: string | undefined };
}

/** Values that Go's code computes: they are not compared. */
export const isComputed = (value: unknown): boolean =>
  typeof value !== 'string' || value.includes('$') || /^(tc|s)\./.test(value) || /\b[a-z]+NN\b/.test(value);

/** The moments of chance that a case is asked at: weights and shares are hundredths. */
const MOMENTS = Array.from({ length: 100 }, (_, i) => (i + 0.5) / 100);

/** Why an exchange is not as the case expects; undefined where it is. */
export function mismatch(expected: Case, exchange: Exchange): string | undefined {
  for (const chance of MOMENTS) {
    const outcome = exchange.decide(chance);
    const problem = compare(expected, exchange, outcome);
    if (problem !== undefined) return problem;
  }
  return compareMirrors(expected, exchange);
}

function answerOf({ store, request }: Exchange, outcome: Outcome, expected: Case): Answer {
  switch (outcome.kind) {
    case 'respond':
      return { status: outcome.status, headers: outcome.headers };
    case 'redirect':
      return { status: outcome.status, headers: [...outcome.headers, ['Location', outcome.location]] };
    case 'pass-through': {
      const server = serverOf(store, outcome.backend);
      return { status: server === undefined ? 0 : 200, headers: [] };
    }
    case 'close':
      return { status: 0, headers: [] };
    case 'forward': {
      const server = serverOf(store, outcome.backend);
      if (server === undefined) return { status: 503, headers: [] };
      if (!handshakes(server, outcome.backendTls)) return { status: 502, headers: [] };
      // The echo server waits where the query says so.
      const delay = 1000 * Number(/[?&]delay=(\d+)s/.exec(request.target)?.[1] ?? 0);
      const { request: whole, backendRequest } = outcome.timeouts;
      if ([whole, backendRequest].some((limit) => limit > 0 && delay >= limit)) return { status: 504, headers: [] };
      const own = Object.entries(expected.BackendSetResponseHeaders ?? {});
      return {
        status: 200,
        headers: changeHeaders(own, outcome.response),
        seen: { outcome, deployment: server.deployment },
      };
    }
  }
}

function compare(expected: Case, exchange: Exchange, outcome: Outcome): string | undefined {
  const { Response: response = {}, RedirectRequest: redirect } = expected;
  if (typeof response === 'string') return undefined;
  const answer = answerOf(exchange, outcome, expected);
  const statuses = [
    ...(response.StatusCodes ?? []),
    ...(response.StatusCode === undefined ? [] : [response.StatusCode]),
  ];
  if (statuses.length === 0) statuses.push(response.Code !== undefined && response.Code !== 'codes.OK' ? 404 : 200);
  if (!statuses.includes(answer.status)) return `status ${answer.status}, not ${statuses.join(' or ')}`;
  if (redirect !== undefined) return compareRedirect(expected, exchange.request, answer);
  if (answer.seen !== undefined) {
    const problem = compareSeen(expected, exchange, answer.seen);
    if (problem !== undefined) return problem;
  }
  // The suite's gRPC client looks at the code and the backend, not at header fields: its own tests could not all hold.
  const isGrpc = (expected.EchoRequest ?? expected.EchoTwoRequest) !== undefined;
  return isGrpc ? undefined : compareHeaders(response, answer.headers);
}

function fieldOf(headers: readonly HeaderField[], name: string): string | undefined {
  const values = headers.filter(([field]) => field.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
  return values.length === 0 ? undefined : values.join(',');
}

function compareHeaders(
  response: Exclude<Case['Response'], string | undefined>,
  headers: readonly HeaderField[],
): string | undefined {
  const plain = (text: string | undefined) => (response.IgnoreWhitespace === true ? text?.replaceAll(/\s/g, '') : text);
  const valid: Record<string, readonly string[]> = { ...response.ValidHeaderValues };
  for (const [name, value] of Object.entries(response.Headers ?? {})) valid[name] = [String(value)];
  for (const [name, values] of Object.entries(valid)) {
    const found = plain(fieldOf(headers, name));
    if (!values.some((value) => plain(value) === found))
      return `answer's ${name} is ${found}, not ${values.join(' or ')}`;
  }
  const extra = (response.AbsentHeaders ?? []).find((name) => fieldOf(headers, name) !== undefined);
  return extra === undefined ? undefined : `the answer has ${extra}`;
}

function compareSeen(
  expected: Case,
  { ignoresPath }: Exchange,
  { outcome, deployment }: NonNullable<Answer['seen']>,
): string | undefined {
  const { backend } = outcome;
  const { Backend: name, Namespace: namespace } = expected;
  if (name !== undefined && !isComputed(name) && deployment !== undefined && !`${deployment}-`.startsWith(name)) {
    return `backend ${deployment}, not ${name}`;
  }
  if (name !== undefined && namespace && !expected.RequestMetadata && backend.kind === 'service') {
    const ofMesh = backend.namespace.startsWith('gateway-conformance-mesh');
    if (!ofMesh && backend.namespace !== namespace) return `namespace ${backend.namespace}, not ${namespace}`;
  }
  const wanted = expected.ExpectedRequest?.Request;
  const sent = typeof expected.Request === 'object' ? expected.Request : {};
  const path = wanted?.Path ?? (typeof sent.Path === 'string' && !isComputed(sent.Path) ? sent.Path : undefined);
  if (ignoresPath !== true && typeof path === 'string' && path !== '' && outcome.target !== path)
    return `path ${outcome.target}, not ${path}`;
  if (typeof wanted?.Host === 'string' && wanted.Host !== '' && outcome.host !== wanted.Host)
    return `host ${outcome.host}, not ${wanted.Host}`;
  const sni = wanted?.SNI ?? (outcome.backendTls === undefined ? undefined : sent.SNI);
  if (sni !== undefined && !isComputed(sni) && outcome.backendTls?.serverName !== sni) {
    return `server name ${outcome.backendTls?.serverName}, not ${sni}`;
  }
  const headers = wanted === undefined ? headersOf(sent) : headersOf(wanted);
  for (const [field, value] of Object.entries(headers)) {
    const found = field.toLowerCase() === 'host' ? outcome.host : fieldOf(outcome.headers, field);
    if (found !== value) return `backend's ${field} is ${found}, not ${value}`;
  }
  const absent = expected.ExpectedRequest?.AbsentHeaders;
  const extra = Array.isArray(absent)
    ? absent.find((field: string) => fieldOf(outcome.headers, field) !== undefined)
    : undefined;
  if (extra !== undefined) return `the backend sees ${extra}`;
  return undefined;
}

function headersOf({ Headers: headers }: RequestData): Readonly<Record<string, string>> {
  return typeof headers === 'object' && headers !== null ? headers : {};
}

function compareRedirect(
  { RedirectRequest: wanted = {} }: Case,
  request: FrontRequest,
  answer: Answer,
): string | undefined {
  const url = new URL(fieldOf(answer.headers, 'Location') ?? 'none:');
  const scheme = wanted.Scheme ?? request.scheme;
  const ports: Record<string, string> = { http: '80', https: '443' };
  const host = wanted.Host ?? request.host?.replace(/:\d+$/, '');
  const port = wanted.Port ?? ports[scheme];
  const found = [
    url.protocol.slice(0, -1),
    url.hostname,
    url.port === '' ? ports[url.protocol.slice(0, -1)] : url.port,
    url.pathname,
  ];
  const expected = [scheme, host, port, wanted.Path ?? request.target.replace(/\?.*$/, '')];
  return found.join(' ') === expected.join(' ')
    ? undefined
    : `redirect to ${found.join(' ')}, not ${expected.join(' ')}`;
}

function compareMirrors({ MirroredTo: mirrors = [] }: Case, { decide }: Exchange): string | undefined {
  const outcomes = MOMENTS.map(decide).filter((outcome) => outcome.kind === 'forward');
  for (const { BackendRef: ref, Percent } of mirrors) {
    const percent = Percent?.args[0].args[0] ?? 100;
    const isIt = (backend: Backend) =>
      backend.kind === 'service' && backend.name === ref.Name && backend.namespace === ref.Namespace;
    const found = outcomes.filter(({ mirrors: to }) => to.some(isIt)).length;
    if (found !== percent) return `${found}% mirrored to ${ref.Name}, not ${percent}%`;
  }
  return undefined;
}

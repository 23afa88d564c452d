import type { Backend, Decision, Forward, FrontRequest, HeaderField, RouteRule } from '@netsim/ingress';
import type { Netns, RandomSource } from '@netsim/kernel';
import type { ObjectStore } from '@netsim/manifest';
import type { Cause, HttpExchange, Step } from '@netsim/trace';
import { formatIp, tryParseIp } from '@netsim/wire';
import type { Cluster } from '../cluster.ts';
import { certificatesOf } from '../http/pod-tls.ts';
import { backendCertificateProblem } from '../ingress/backend-tls.ts';
import { knownEndpoint } from '../ingress/balancer.ts';
import { controllerWord } from '../ingress/controllers.ts';
import { endpointsOf, type ProxyEndpoint, type ProxyEndpoints } from '../ingress/endpoints.ts';
import type { Door } from '../ingress/front-door.ts';
import { forwardedFor } from '../ingress/gke/fields.ts';
import { placeOf } from '../ingress/route-table.ts';
import { failureStatus } from '../ingress/statuses.ts';
import { podListeners } from '../listeners.ts';
import { changesOf, ruleText } from './http-text.ts';

type HttpStep = Extract<Step, { kind: 'http' }>;

/** What a controller does with the request of a trace. */
export interface Passage {
  /** What happens at the controller. */
  readonly steps: readonly HttpStep[];
  /** Absent where bytes are passed on that are no HTTP. */
  readonly http?: HttpExchange;
  /** It goes on from there to this endpoint. */
  readonly onward?: { readonly netns: Netns; readonly endpoint: ProxyEndpoint };
  /** The connection onward is made, and then TLS fails: why. */
  readonly broken?: string;
  /** It ends there, and this is why; absent for what is as it should be. */
  readonly ended?: {
    readonly disposition: 'DELIVERED' | 'NO_ENDPOINTS';
    readonly reason: string;
    readonly advice?: string;
  };
  readonly cause?: Cause;
}

export interface DoorRequest {
  readonly url: URL;
  readonly method: string;
  readonly headers: readonly HeaderField[];
  readonly clientAddress: string;
}

/** Decides what becomes of a request that has come to a controller; what is left to chance, `random` draws. */
export function throughDoor(
  cluster: Cluster,
  door: Door,
  netns: Netns,
  request: DoorRequest,
  random: RandomSource,
): Passage {
  const { url, method, headers, clientAddress } = request;
  const secure = url.protocol === 'https:';
  const target = url.pathname + url.search;
  const exchange: HttpExchange = { method, scheme: secure ? 'https' : 'http', host: url.host, target };
  if (secure !== (door.scheme === 'https')) return wrongPort(exchange, door);
  const steps: HttpStep[] = [];
  const serverName = url.hostname.replace(/^\[|\]$/g, '');
  const sni = secure && tryParseIp(serverName) === undefined ? serverName : undefined;
  const front: FrontRequest = {
    scheme: exchange.scheme,
    method,
    version: '1.1',
    host: url.host,
    target,
    headers,
    ...(sni === undefined ? {} : { sni }),
    port: door.port,
    clientAddress,
  };
  const keyAt = (chance: number): string => JSON.stringify(door.router.decide(front, chance));
  const decision = door.router.explain(front, drawChance(keyAt, random));
  if (secure && decision.outcome.kind !== 'pass-through') {
    const certificate = door.certificate(sni);
    if (certificate === undefined) {
      const reason = `${controllerWord(door.controller)} has no certificate for ${sni ?? 'a client that names no server'}: the TLS handshake fails`;
      return {
        steps: [step('tls', reason)],
        http: exchange,
        ended: { disposition: 'DELIVERED', reason, advice: 'name the host in spec.tls, with a Secret' },
      };
    }
    const { secret, subject, validTo } = certificate;
    const whose =
      secret === undefined
        ? `${controllerWord(door.controller)}'s own`
        : `of secret ${secret.namespace}/${secret.name}`;
    const until = new Date(validTo).toISOString().slice(0, 10);
    steps.push(
      step(
        'tls',
        `TLS for ${sni ?? 'no server name'} ends here: certificate ${subject}, ${whose}, valid until ${until}`,
      ),
    );
  }
  steps.push(step('request', `${method} ${url.href}`));
  return decided(cluster, door, netns, decision, { steps, exchange, random, front });
}

/** What is wrong with TLS to a backend, as far as its pod's program is known. */
function tlsProblem(
  { addresses, store, now }: Cluster,
  { tlsToBackend, backendTls }: Forward,
  { ip, port }: ProxyEndpoint,
): Pick<Passage, 'broken'> {
  const pod = tlsToBackend ? addresses.pod(formatIp(ip)) : undefined;
  const listener = pod === undefined ? undefined : podListeners(pod).listeners.find((each) => each.port === port);
  if (pod === undefined || listener === undefined) return {};
  if (listener.tls !== true) return { broken: `pod "${pod.metadata.name}" speaks no TLS on port ${port}` };
  if (backendTls === undefined) return {};
  const { chain, secret } = certificatesOf(pod, listener.container, store, now);
  const problem = backendCertificateProblem(chain, backendTls, { store, now: () => now });
  if (problem === undefined) return {};
  const whose = secret === undefined ? 'which no mounted Secret gives it, so it is its own' : `of Secret "${secret}"`;
  return { broken: `the certificate of pod "${pod.metadata.name}" (${whose}) ${problem}` };
}

/** Who is asked: chance decides, unless the client has come before. */
function pick(
  forward: Forward,
  { clientAddress = '' }: FrontRequest,
  { list }: ProxyEndpoints,
  random: RandomSource,
): ProxyEndpoint {
  if (list.length === 1) return list[0]!;
  return knownEndpoint(forward, clientAddress, list) ?? list[random.choose(list.length)]!;
}

function whichText({ affinity, clientAffinity, balance }: Forward, { list, by }: ProxyEndpoints): string {
  const how =
    list.length === 1
      ? ''
      : affinity?.value !== undefined
        ? ', by the cookie'
        : clientAffinity === true
          ? ", by the client's address"
          : balance?.kind === 'hash'
            ? `, by the hash of ${JSON.stringify(balance.key)}`
            : '';
  if (by !== undefined) return `${by} ${list.length === 1 ? 'the only node' : `one of ${list.length} nodes`}${how}`;
  return `straight to ${list.length === 1 ? 'its only endpoint' : `one of its ${list.length} endpoints`}${how}`;
}

function forwardedOf(
  { controller }: Door,
  { clientAddress = '', headers }: FrontRequest,
  { client }: Forward,
): { forwardedFor?: string } {
  if (controller.kind === 'ingress-nginx') return { forwardedFor: client?.forwardedFor ?? clientAddress };
  if (controller.address === undefined) return {};
  const sent = headers.filter(([name]) => name.toLowerCase() === 'x-forwarded-for').map(([, value]) => value);
  return { forwardedFor: forwardedFor(sent, clientAddress, controller.address) };
}

interface Deciding {
  readonly steps: HttpStep[];
  readonly exchange: HttpExchange;
  readonly random: RandomSource;
  readonly front: FrontRequest;
}

function decided(cluster: Cluster, door: Door, netns: Netns, decision: Decision, deciding: Deciding): Passage {
  const { steps, exchange, random, front } = deciding;
  const { outcome, rule, considered } = decision;
  const { store } = cluster;
  for (const { rule: other, won, why } of considered) {
    if (!won)
      steps.push({ ...step('lost', `${ruleText(other, placeOf(store, other))}: ${why}`), rule: ruleOf(store, other) });
  }
  const cause = rule === undefined ? undefined : causeOf(store, rule);
  if (rule !== undefined) {
    const why = considered.find(({ won }) => won)?.why;
    steps.push({
      ...step('rule', `${ruleText(rule, placeOf(store, rule))}${why === undefined ? '' : `: ${why}`}`),
      rule: ruleOf(store, rule),
    });
  }
  const http = (status?: number): HttpExchange => ({
    ...exchange,
    ...(rule === undefined ? {} : { rule: ruleOf(store, rule) }),
    ...(status === undefined ? {} : { status }),
  });
  const end = (status: number, text: string, ended: Passage['ended']): Passage => ({
    steps: [...steps, { ...step(outcome.kind === 'redirect' ? 'redirect' : 'respond', text), status }],
    http: http(status),
    ...(ended === undefined ? {} : { ended }),
    ...(cause === undefined ? {} : { cause }),
  });
  switch (outcome.kind) {
    case 'forward': {
      const { backend } = outcome;
      if (backend.kind === 'default-backend') {
        const text = 'answers 404: no rule takes the request';
        return end(404, text, failing(404, door, front));
      }
      for (const text of changesOf(outcome, front)) steps.push(step('change', text));
      const endpoints = endpointsOf(door.backends, backend);
      if (endpoints.list.length === 0) {
        const status = failureStatus(door.controller, 'nobody');
        const ended = end(status, `answers ${status}: ${endpoints.why}`, {
          disposition: 'NO_ENDPOINTS',
          reason: `${endpoints.why}: ${controllerWord(door.controller)} answers ${status}`,
          ...adviceFor(backend),
        });
        return { ...ended, http: { ...http(status), ...serviceOf(backend) } };
      }
      const endpoint = pick(outcome, front, endpoints, random);
      if (endpoints.without !== undefined) steps.push(step('health', endpoints.without));
      steps.push(step('forward', `to ${backendText(backend)}: ${whichText(outcome, endpoints)}, ${endpoint.text}`));
      return {
        steps,
        http: {
          ...http(),
          ...serviceOf(backend),
          ...forwardedOf(door, front, outcome),
        },
        onward: { netns, endpoint },
        ...tlsProblem(cluster, outcome, endpoint),
      };
    }
    case 'redirect':
      return end(outcome.status, `answers ${outcome.status}: go to ${outcome.location}`, undefined);
    case 'respond': {
      const why = rule === undefined ? 'no rule takes the request' : 'the rule says so';
      return end(outcome.status, `answers ${outcome.status}: ${why}`, failing(outcome.status, door, front));
    }
    case 'close':
      return end(0, `closes the connection: ${outcome.why}`, {
        disposition: 'DELIVERED',
        reason: `${controllerWord(door.controller)} closes the connection without an answer: ${outcome.why}`,
      });
    case 'pass-through': {
      const endpoints = endpointsOf(door.backends, outcome.backend);
      const [endpoint] = endpoints.list;
      if (endpoint === undefined)
        return end(0, `closes the connection: ${endpoints.why}`, {
          disposition: 'NO_ENDPOINTS',
          reason: endpoints.why,
        });
      steps.push(step('forward', `bytes are passed on unread to ${backendText(outcome.backend)}: ${endpoint.text}`));
      return { steps, http: http(), onward: { netns, endpoint } };
    }
  }
}

export function step(action: string, text: string): HttpStep {
  return { kind: 'http', action, text };
}

export function backendText(backend: Backend): string {
  if (backend.kind !== 'service') return backend.kind;
  const { namespace, name, port } = backend;
  return `svc/${namespace === 'default' ? '' : `${namespace}/`}${name}:${port}`;
}

function serviceOf(backend: Backend): Pick<HttpExchange, 'service'> {
  if (backend.kind !== 'service') return {};
  const { namespace, name, port } = backend;
  return { service: { namespace, name, port } };
}

function adviceFor(backend: Backend): { advice: string } {
  const name = backend.kind === 'service' ? `svc ${backend.name} -n ${backend.namespace}` : '';
  return { advice: `see netsim get endpointslices and netsim describe ${name}` };
}

/** An answer of 400 and more is no success, though the connection was made. */
function failing(status: number, door: Door, front: FrontRequest): Passage['ended'] {
  if (status < 400) return undefined;
  const hosts = [...new Set(door.router.routes().map(({ rule }) => rule.host))];
  const sameHost = door.router.routes(front.host ?? '').filter(({ rule }) => rule.host !== '*');
  const advice =
    status !== 404
      ? undefined
      : hosts.length === 0
        ? `${controllerWord(door.controller)} serves no Ingress: look at spec.ingressClassName and at netsim lint`
        : sameHost.length > 0
          ? `the rules of that host and why each lost: --detail full; all of them: netsim routes ${front.host ?? ''}`.trimEnd()
          : `hosts that it knows: ${hosts.slice(0, 8).join(', ')} (netsim routes)`;
  return {
    disposition: 'DELIVERED',
    reason:
      status === 404
        ? `no rule takes ${front.host ?? ''}${front.target}: ${controllerWord(door.controller)} answers 404`
        : `${controllerWord(door.controller)} answers ${status}`,
    ...(advice === undefined ? {} : { advice }),
  };
}

function wrongPort(exchange: HttpExchange, door: Door): Passage {
  const { scheme } = exchange;
  const reason =
    scheme === 'http'
      ? `${controllerWord(door.controller)} speaks TLS on port ${door.port}: it answers 400 to plain HTTP`
      : `${controllerWord(door.controller)} speaks plain HTTP on port ${door.port}: the TLS handshake fails`;
  return {
    steps: [{ ...step('respond', reason), ...(scheme === 'http' ? { status: 400 } : {}) }],
    http: { ...exchange, ...(scheme === 'http' ? { status: 400 } : {}) },
    ended: { disposition: 'DELIVERED', reason, advice: `write ${scheme === 'http' ? 'https' : 'http'}://` },
  };
}

export function ruleOf(store: ObjectStore, rule: RouteRule): NonNullable<HttpExchange['rule']> {
  const { host, path, pathType } = rule;
  return { ...placeOf(store, rule), host, path, pathType };
}

export function causeOf(store: ObjectStore, rule: RouteRule): Cause {
  const { host, path, pathType } = rule;
  return { ...placeOf(store, rule), text: `${host}${path} ${pathType}`.trim() };
}

/** Samples of [0, 1) by which the ways that a decision may take are found. */
const SAMPLES = 64;

/** A chance for the router; where decisions differ by it (weights), each way is drawn with its own probability. */
export function drawChance(keyAt: (chance: number) => string, random: RandomSource): number {
  const ways: { key: string; from: number }[] = [];
  let last = 0;
  for (let sample = 0; sample < SAMPLES; sample++) {
    const at = (sample + 0.5) / SAMPLES;
    const key = keyAt(at);
    const before = ways.at(-1);
    if (before === undefined) ways.push({ key, from: 0 });
    else if (before.key !== key) ways.push({ key, from: boundary(last, at, keyAt) });
    last = at;
  }
  for (const [index, { from }] of ways.entries()) {
    const to = ways[index + 1]?.from ?? 1;
    if (to === 1 || random.chance((to - from) / (1 - from))) return (from + to) / 2;
  }
  return 0;
}

/** Where between two chances the decision changes. */
function boundary(low: number, high: number, keyAt: (chance: number) => string): number {
  const key = keyAt(low);
  let from = low;
  let to = high;
  while (to - from > 1e-12) {
    const middle = (from + to) / 2;
    if (keyAt(middle) === key) from = middle;
    else to = middle;
  }
  // Weights are whole numbers, mostly of a hundred.
  const rounded = Number(to.toFixed(9));
  return Math.abs(rounded - to) < 1e-11 ? rounded : to;
}

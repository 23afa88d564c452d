import type { BackendRef, HTTPBackendRef, HTTPRouteFilter, HTTPRouteRule, PathModifier } from '@netsim/manifest';
import type { Backend, BackendTls, Forward, HeaderChange, Outcome } from '../model.ts';
import { type BackendPolicies, backendTls } from './backend-tls.ts';
import { changeHeaders, headerChanges, locationOf, modifyPath, type Redirect, redirectOf } from './changes.ts';
import type { Problem } from './conditions.ts';
import { Cors } from './cors.ts';
import { milliseconds } from './duration.ts';
import type { Incoming } from './incoming.ts';
import { type FoundBackend, isProblem, type Referrer, readBackend } from './references.ts';
import type { GatewayView, ObjectKey } from './view.ts';

/** What a rule needs to be compiled. */
export interface ActionContext {
  readonly view: GatewayView;
  readonly policies: BackendPolicies;
  readonly from: Referrer;
  /** The certificate that the Gateway shows to its backends. */
  readonly clientCertificate: ObjectKey | undefined;
  /** The Service that a mesh route is attached to. */
  readonly mesh?: ObjectKey;
}

/** What is done with a request that a rule has won. */
export interface Action {
  /** Why the rule cannot be followed at all. */
  readonly unsupported: Problem | undefined;
  readonly targets: readonly Target[];
  /** Where each request is passed on unchanged to one backend: what `run` would make of it. */
  readonly plain: PlainForward | undefined;
  run(request: Incoming, prefix: string, chance: number): Outcome;
}

/** The parts of a Forward that do not depend on the request. */
export type PlainForward = Pick<Forward, 'backend' | 'response' | 'timeouts'>;

/** Of them what many backends have alike. */
export type PlainWay = Omit<PlainForward, 'backend'>;

export function forwardPlainly(
  { request, target, host }: Incoming,
  backend: Backend,
  { response, timeouts }: PlainWay,
): Forward {
  return {
    kind: 'forward',
    backend,
    target,
    host: request.host ?? host,
    headers: request.headers,
    response,
    timeouts,
    tlsToBackend: false,
    mirrors: NO_BACKENDS,
  };
}

/** One backendRef, with its share. */
export interface Target {
  readonly ref: BackendRef;
  readonly backend: Backend;
  readonly weight: number;
  readonly problem: Problem | undefined;
}

const KNOWN_FILTERS: Readonly<Record<string, keyof HTTPRouteFilter>> = {
  RequestHeaderModifier: 'requestHeaderModifier',
  ResponseHeaderModifier: 'responseHeaderModifier',
  RequestMirror: 'requestMirror',
  RequestRedirect: 'requestRedirect',
  URLRewrite: 'urlRewrite',
  CORS: 'cors',
};

/** Why filters cannot be followed: of a type that the data plane does not have, or without its settings. */
export function filterProblem(filters: readonly HTTPRouteFilter[]): Problem | undefined {
  for (const filter of filters) {
    const field = KNOWN_FILTERS[filter.type];
    if (field !== undefined && filter[field] !== undefined) continue;
    const message =
      field === undefined ? `filter ${filter.type} is not supported` : `filter ${filter.type} has no ${field}`;
    return { reason: 'UnsupportedValue', message };
  }
  return undefined;
}

export function compileAction(context: ActionContext, rule: HTTPRouteRule): Action {
  const filters = rule.filters ?? [];
  const unsupported = filterProblem(filters);
  const targets = (rule.backendRefs ?? []).map((ref) => new WeightedTarget(context, filters, ref));
  const corsFilter = filters.find(({ cors }) => cors !== undefined)?.cors;
  return new RuleAction({
    unsupported,
    targets,
    redirect: filters.map(redirectOf).find((redirect) => redirect !== undefined),
    cors: corsFilter === undefined ? undefined : new Cors(corsFilter),
    timeouts:
      rule.timeouts === undefined
        ? NO_TIMEOUTS
        : {
            request: milliseconds(rule.timeouts.request),
            backendRequest: milliseconds(rule.timeouts.backendRequest),
            connect: 0,
          },
    retry: rule.retry,
  });
}

const NO_TIMEOUTS: Forward['timeouts'] = { request: 0, backendRequest: 0, connect: 0 };
const FAILED: Outcome = { kind: 'respond', status: 500, headers: [], body: '' };

interface Parts {
  readonly unsupported: Problem | undefined;
  readonly targets: readonly WeightedTarget[];
  readonly redirect: Redirect | undefined;
  readonly cors: Cors | undefined;
  readonly timeouts: Forward['timeouts'];
  readonly retry: HTTPRouteRule['retry'];
}

class RuleAction implements Action {
  readonly unsupported: Problem | undefined;
  readonly targets: readonly WeightedTarget[];
  readonly plain: PlainForward | undefined;
  readonly #redirect: Redirect | undefined;
  readonly #cors: Cors | undefined;
  readonly #timeouts: Forward['timeouts'];
  readonly #total: number;
  readonly #retry: Forward['retry'];

  constructor(parts: Parts) {
    this.#redirect = parts.redirect;
    this.#cors = parts.cors;
    this.#timeouts = parts.timeouts;
    this.unsupported = parts.unsupported;
    this.targets = parts.targets;
    this.#total = parts.targets.reduce((sum, { weight }) => sum + weight, 0);
    const [only] = parts.targets;
    const simple = parts.unsupported === undefined && parts.redirect === undefined && parts.cors === undefined;
    this.plain =
      simple && parts.retry === undefined && parts.targets.length === 1 && only?.isPlain
        ? { backend: only.backend, response: only.responseChanges, timeouts: parts.timeouts }
        : undefined;
    const { codes = [], attempts = 1, backoff } = parts.retry ?? {};
    this.#retry =
      parts.retry === undefined
        ? undefined
        : { codes, attempts, ...(backoff !== undefined && { backoff: milliseconds(backoff) }) };
  }

  run(request: Incoming, prefix: string, chance: number): Outcome {
    const redirect = this.#redirect;
    const cors = this.#cors;
    if (this.unsupported !== undefined) return FAILED;
    const origin = cors === undefined ? undefined : request.header('origin');
    if (cors !== undefined && origin !== undefined && request.request.method === 'OPTIONS') {
      const method = request.header('access-control-request-method');
      if (method !== undefined) {
        const headers = cors.preflight(origin, method, request.header('access-control-request-headers'));
        return { kind: 'respond', status: 204, headers, body: '' };
      }
    }
    if (redirect !== undefined) return redirectTo(redirect, request, prefix);
    // A rule that sends nothing anywhere is an error of its author: no backends, or all with weight 0.
    if (this.#total === 0) return FAILED;
    let left = chance * this.#total;
    let target = this.targets[0]!;
    for (const one of this.targets) {
      if (one.weight === 0) continue;
      target = one;
      if (left < one.weight) break;
      left -= one.weight;
    }
    if (target.problem !== undefined) return FAILED;
    if (target.redirect !== undefined) return redirectTo(target.redirect, request, prefix);
    const { rewriteHost, rewritePath, tls } = target;
    const { request: asked } = request;
    // Without spreads: this is what each request costs.
    const forward: Forward = {
      kind: 'forward',
      backend: target.backend,
      target:
        rewritePath === undefined ? request.target : modifyPath(request.path, rewritePath, prefix) + request.query,
      host: rewriteHost ?? asked.host ?? request.host,
      headers: changeHeaders(asked.headers, target.requestChanges),
      response:
        cors === undefined || origin === undefined
          ? target.responseChanges
          : [...target.responseChanges, ...cors.changes(origin)],
      timeouts: this.#timeouts,
      tlsToBackend: tls !== undefined,
      mirrors: target.mirrors.length === 0 ? NO_BACKENDS : mirrored(target.mirrors, left / target.weight),
    };
    if (tls === undefined && this.#retry === undefined) return forward;
    return {
      ...forward,
      ...(tls !== undefined && { backendTls: tls }),
      ...(this.#retry !== undefined && { retry: this.#retry }),
    };
  }
}

const NO_BACKENDS: readonly Backend[] = [];

interface Mirror {
  readonly backend: Backend;
  /** Of all requests. */
  readonly share: number;
}

/** Where copies go. What is left of the chance after the backend was chosen is as even as it was before. */
function mirrored(mirrors: readonly Mirror[], chance: number): Backend[] {
  return mirrors.flatMap(({ backend, share }) => (chance < share ? [backend] : []));
}

function redirectTo(redirect: Redirect, request: Incoming, prefix: string): Outcome {
  const { scheme, port } = request.request;
  const location = locationOf(
    redirect,
    { scheme, port, host: request.host, path: request.path, query: request.query },
    prefix,
  );
  return { kind: 'redirect', status: redirect.status, location, headers: [] };
}

class WeightedTarget implements Target {
  readonly ref: BackendRef;
  readonly weight: number;
  readonly backend: Backend;
  readonly problem: Problem | undefined;
  readonly redirect: Redirect | undefined;
  readonly requestChanges: readonly HeaderChange[];
  readonly responseChanges: readonly HeaderChange[];
  readonly rewriteHost: string | undefined;
  readonly rewritePath: PathModifier | undefined;
  readonly mirrors: readonly Mirror[];
  readonly tls: BackendTls | undefined;
  /** It gets requests as they are. */
  readonly isPlain: boolean;

  constructor(context: ActionContext, ruleFilters: readonly HTTPRouteFilter[], ref: HTTPBackendRef) {
    const filters = ref.filters === undefined ? ruleFilters : [...ruleFilters, ...ref.filters];
    const found = readBackend(context.view, ref, context.from, readOptions(context));
    this.ref = ref;
    this.weight = ref.weight ?? 1;
    this.backend = backendOf(ref, found, context.from.namespace);
    let problem = isProblem(found) ? found : filterProblem(ref.filters ?? []);
    const policy = isProblem(found) ? undefined : context.policies.for(found);
    if (policy?.unresolved !== undefined) problem ??= policy.unresolved;
    this.problem = problem;
    this.tls = policy === undefined ? undefined : backendTls(policy, context.clientCertificate);
    this.redirect = (ref.filters ?? []).map(redirectOf).find((redirect) => redirect !== undefined);
    this.requestChanges = headerChanges(filters, 'requestHeaderModifier');
    this.responseChanges = headerChanges(filters, 'responseHeaderModifier');
    const rewrites = filters.flatMap(({ urlRewrite }) => urlRewrite ?? []);
    this.rewriteHost = rewrites.findLast(({ hostname }) => hostname !== undefined)?.hostname;
    this.rewritePath = rewrites.findLast(({ path }) => path !== undefined)?.path;
    this.mirrors = filters.flatMap(({ requestMirror: mirror }) => {
      if (mirror === undefined) return [];
      const to = readBackend(context.view, mirror.backendRef, context.from, readOptions(context));
      if (isProblem(to)) return [];
      const { percent, fraction } = mirror;
      const share =
        fraction === undefined ? (percent ?? 100) / 100 : fraction.numerator / (fraction.denominator ?? 100);
      return [{ backend: backendOf(mirror.backendRef, to, context.from.namespace), share }];
    });
    this.isPlain =
      this.weight > 0 &&
      problem === undefined &&
      this.tls === undefined &&
      this.redirect === undefined &&
      rewrites.length === 0 &&
      this.requestChanges.length === 0 &&
      this.mirrors.length === 0;
  }
}

function readOptions({ mesh }: ActionContext): { mesh?: ObjectKey } {
  return mesh === undefined ? {} : { mesh };
}

/** The backend of a reference in the router's words, whether it was found or not. */
export function backendOf(ref: BackendRef, found: FoundBackend | Problem, home: string): Backend {
  const weight = ref.weight === undefined ? {} : { weight: ref.weight };
  const { group = '', kind = 'Service', name, port = 0 } = ref;
  const namespace = ref.namespace ?? home;
  if (group !== '' || kind !== 'Service') return { kind: 'resource', text: `${kind} ${namespace}/${name}`, ...weight };
  return { kind: 'service', namespace, name, port: isProblem(found) ? port : found.port, ...weight };
}

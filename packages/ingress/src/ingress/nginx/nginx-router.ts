import type { Ingress, Service } from '@netsim/manifest';
import { type Ip, prefixContains, tryParseIp } from '@netsim/wire';
import { canonicalHost } from '../../http/host.ts';
import { PathTables } from '../../http/path-tables.ts';
import type {
  Backend,
  CookieAffinity,
  Decision,
  Forward,
  FrontRequest,
  HeaderField,
  Outcome,
  RouteFinding,
  RouteRow,
  RouteRule,
  ServerCertificate,
} from '../../model.ts';
import { NginxConfigurationError } from '../../nginx/configuration.ts';
import type { LocationMatch } from '../../nginx/locations.ts';
import { asciiLower, type NginxRequest, readRequest } from '../../nginx/request.ts';
import { rewrittenTarget } from '../../nginx/script.ts';
import { ServerIndex } from '../../nginx/servers.ts';
import { unescapeRedirect } from '../../nginx/uri.ts';
import { fromBytes, MatchLimitError, Regex, RegexError, type RegexMatch, toBytes } from '../../regex/index.ts';
import { covers, fakeCertificate } from '../../tls/certificate.ts';
import { SecretReader } from '../certificates.ts';
import { objectOf, servedIngresses } from '../classes.ts';
import { hasEndpoints } from '../endpoints.ts';
import type { IngressRouter } from '../router.ts';
import type { IngressOptions, IngressView } from '../view.ts';
import { type CompiledPlace, type CompiledServer, compileServer } from './compile.ts';
import { corsHeaders } from './cors.ts';
import { contentLength, PlainRoutes } from './plain-routes.ts';
import { type RenderContext, renderServers, type Server, type Upstream } from './render.ts';
import { considered, serverRows } from './route-table.ts';
import type { Canary, Settings } from './settings.ts';
import { surprises } from './surprises.ts';
import { cookieValue, headerValue, type RequestVariables, variablesOf } from './variables.ts';

const NO_CHANGES: Forward['response'] = [];
const NO_BACKENDS: readonly Backend[] = [];
const NO_FIELDS: readonly HeaderField[] = [];

/** What the controller ingress-nginx does with its Ingresses: nginx's configuration is made and looked at, not guessed. */
export function nginxRouter(view: IngressView, options: IngressOptions): NginxRouter {
  return new NginxRouter(view, options);
}

export class NginxRouter implements IngressRouter {
  readonly findings: RouteFinding[] = [];
  /** The servers as they are written to nginx's configuration. */
  readonly servers: readonly CompiledServer[];
  readonly #view: IngressView;
  readonly #index: ServerIndex<CompiledServer>;
  readonly #plain: PlainRoutes;
  readonly #certificates = new Map<string, ServerCertificate>();

  constructor(view: IngressView, options: IngressOptions) {
    this.#view = view;
    const served = servedIngresses(view, options, this.findings);
    const secrets = new SecretReader(view, this.findings, options.now);
    for (const ingress of served) secrets.check(ingress);
    const context: RenderContext = {
      view,
      secrets,
      fake: fakeCertificate(options.now),
      defaultBackend: defaultBackendOf(view, options),
      findings: this.findings,
    };
    this.servers = this.#compile(served, context);
    this.#index = new ServerIndex(this.servers);
    this.#plain = new PlainRoutes(this.servers, this.#index);
    this.findings.push(...surprises(this.servers, view));
    for (const { hostname, names, certificate } of this.servers) {
      if (certificate === undefined) continue;
      this.#certificates.set(hostname, certificate);
      for (const alias of names.slice(1)) if (covers(certificate, alias)) this.#certificates.set(alias, certificate);
    }
  }

  /**
   * nginx takes a configuration as a whole or not at all, and the controller's webhook refuses the Ingress that would break
   * it: such an Ingress is left out, and the rest goes on.
   */
  #compile(served: readonly Ingress[], context: RenderContext): CompiledServer[] {
    let accepted = served;
    for (;;) {
      const findings: RouteFinding[] = [];
      const refused = new Map<Ingress, string>();
      const compiled: CompiledServer[] = [];
      const paths = new PathTables<LocationMatch<CompiledPlace>>();
      for (const server of renderServers(accepted, { ...context, findings })) {
        const result = tryCompile(server, paths);
        if (typeof result !== 'string') compiled.push(result);
        else for (const one of this.#offenders(server, result, context)) refused.set(...one);
      }
      if (refused.size === 0) {
        this.findings.push(...findings);
        return compiled;
      }
      for (const [ingress, why] of refused) {
        this.findings.push({
          code: 'ingress-nginx-refuses',
          severity: 'error',
          object: objectOf(ingress),
          field: ['spec'],
          message: `nginx does not start with what this Ingress makes of its configuration: ${why}; the controller's webhook refuses it`,
        });
      }
      accepted = accepted.filter((ingress) => !refused.has(ingress));
    }
  }

  /** Of the Ingresses of a server those that break it, taken one by one from the oldest. */
  #offenders({ hostname, ingresses }: Server, why: string, context: RenderContext): [Ingress, string][] {
    const good: Ingress[] = [];
    const bad: [Ingress, string][] = [];
    for (const ingress of ingresses) {
      const servers = renderServers([...good, ingress], { ...context, findings: [] });
      const server = servers.find((one) => one.hostname === hostname);
      const result = server === undefined ? undefined : tryCompile(server, new PathTables());
      if (typeof result === 'string') bad.push([ingress, result]);
      else good.push(ingress);
    }
    // Together with Ingresses of other hosts only: the youngest goes.
    const youngest = ingresses.at(-1);
    return bad.length === 0 && youngest !== undefined ? [[youngest, why]] : bad;
  }

  decide(request: FrontRequest, chance: number): Outcome {
    return this.#plain.decide(request, this.#hasCertificate) ?? this.#decide(request, chance);
  }

  readonly #hasCertificate = (host: string): boolean => this.#certificateOf(host) !== undefined;

  #decide(request: FrontRequest, chance: number): Outcome {
    const read = readRequest(request);
    if ('status' in read) return answer(read.status);
    try {
      return this.#serve(request, read, this.#index.find(read.server), chance).outcome;
    } catch (error) {
      if (error instanceof MatchLimitError) return answer(500);
      throw error;
    }
  }

  explain(request: FrontRequest, chance: number): Decision {
    const read = readRequest(request);
    if ('status' in read) return { outcome: answer(read.status), considered: [] };
    const server = this.#index.find(read.server);
    const outcome = this.#decide(request, chance);
    const rule = ruleOf(server.index.find(read.uri)?.location, outcome);
    const list = considered(this.servers, server, read, rule);
    return { outcome, considered: list, ...(rule !== undefined && { rule }) };
  }

  routes(host?: string): readonly RouteRow[] {
    if (host !== undefined) return serverRows(this.#index.find(canonicalHost(host)));
    const rank = ({ hostname }: Server): number => (hostname === '_' ? 2 : hostname.startsWith('*') ? 1 : 0);
    return this.servers.toSorted((a, b) => rank(a) - rank(b)).flatMap(serverRows);
  }

  certificate(serverName: string | undefined): ServerCertificate | undefined {
    return this.#certificateOf(serverName ?? '') ?? this.#certificates.get('_');
  }

  #certificateOf(host: string): ServerCertificate | undefined {
    if (this.#certificates.size === 1) return host === '_' ? this.#certificates.get(host) : undefined;
    const lower = asciiLower(host);
    const name = lower.endsWith('.') ? lower.slice(0, -1) : lower;
    const dot = name.indexOf('.');
    return this.#certificates.get(name) ?? (dot > 0 ? this.#certificates.get(`*${name.slice(dot)}`) : undefined);
  }

  // --- one request ---------------------------------------------------------------------------------------------------

  #serve(request: FrontRequest, read: NginxRequest, server: CompiledServer, chance: number): Found {
    const variables = { request, read, hostname: server.names[0]! };
    if (server.redirectTo !== undefined) {
      const { requestUri } = read;
      const uri = requestUri.endsWith('/') ? requestUri.slice(0, -1) : requestUri;
      return { outcome: redirect(308, `${request.scheme}://${server.redirectTo}${uri}`) };
    }
    if (server.appRoot !== '' && read.uri === '/') {
      return { outcome: redirect(302, `${request.scheme}://${read.httpHost ?? ''}${server.appRoot}`) };
    }
    const match = server.index.find(read.uri);
    if (match === undefined) return { outcome: answer(404) };
    return { outcome: this.#at(match, variables, chance), place: match.location };
  }

  #at(match: LocationMatch<CompiledPlace>, variables: RequestVariables, chance: number): Outcome {
    const { request, read } = variables;
    const place = match.location;
    const { settings } = place;
    if (settings !== undefined && settings.bodySize > 0 && contentLength(request.headers) > settings.bodySize)
      return answer(413);
    if (match.kind === 'slash') {
      const origin = read.server === '' ? '' : `${request.scheme}://${read.server}`;
      return redirect(301, `${origin}${match.to}${read.args === '' ? '' : `?${read.args}`}`);
    }
    if (settings?.denied !== undefined) return answer(503);
    const cors = settings?.cors === undefined ? undefined : corsHeaders(settings.cors, place.corsOrigin, request);
    if (cors !== undefined && request.method === 'OPTIONS') {
      return { kind: 'respond', status: 204, headers: cors, body: '' };
    }
    if (place.redirect !== undefined) {
      return redirect(place.redirect.code, place.redirect.url.run(variablesOf(variables)));
    }
    const rewritten = place.rewriting === undefined ? undefined : rewrite(place, variables);
    if (typeof rewritten === 'object' && 'kind' in rewritten) return rewritten;
    if (settings !== undefined && request.scheme === 'http' && this.#wantsTls(settings, read.server)) {
      return redirect(308, tlsUrl(read, settings));
    }
    if (settings !== undefined && isBlocked(settings, request)) {
      // The balancer looks for endpoints before nginx looks at the address.
      return answer(hasEndpoints(this.#view, place.upstream.backend) ? 403 : 503);
    }
    return this.#forward(place, variables, rewritten, cors, chance);
  }

  #wantsTls({ sslRedirect, forceSslRedirect }: Settings, host: string): boolean {
    return forceSslRedirect || (sslRedirect && this.#certificateOf(host) !== undefined);
  }

  #forward(
    place: CompiledPlace,
    variables: RequestVariables,
    rewritten: Rewritten | undefined,
    cors: readonly HeaderField[] | undefined,
    chance: number,
  ): Outcome {
    const { request, read } = variables;
    const { settings } = place;
    const upstream = this.#balanced(place.upstream, request, chance);
    const forward: Mutable<Forward> = {
      kind: 'forward',
      backend: upstream.backend,
      target: rewritten?.target ?? (read.intact ? read.requestUri : rewrittenTarget(read.uri, read.args)),
      host: place.vhost?.run(variablesOf(variables)) ?? read.httpHost ?? (read.server || variables.hostname),
      headers: request.headers,
      response: NO_CHANGES,
      timeouts: place.timeouts,
      tlsToBackend: false,
      mirrors: NO_BACKENDS,
    };
    if (settings === undefined) return forward;
    if (settings.tlsToBackend) forward.tlsToBackend = true;
    if (settings.bodySize > 0) forward.maxBody = settings.bodySize;
    if (cors !== undefined) forward.response = cors.map(([name, value]) => ({ kind: 'set', name, value }));
    if (place.forwardedPrefix !== undefined) {
      const prefix = place.forwardedPrefix.run(variablesOf(variables), rewritten?.match);
      forward.headers = [...request.headers, ['X-Forwarded-Prefix', prefix]];
    }
    if (upstream.affinity !== undefined) forward.affinity = affinityOf(upstream, place, request);
    if (place.authUrl !== undefined) forward.auth = this.#auth(place, variables);
    if (settings.defaultBackend !== '' || settings.customErrors.length > 0) this.#errors(place, forward);
    return forward;
  }

  #auth(place: CompiledPlace, variables: RequestVariables): Forward['auth'] {
    const { method, signinParameter, responseHeaders } = place.settings!.auth!;
    const values = variablesOf(variables);
    const common = { method: method || 'GET', url: place.authUrl!.run(values), responseHeaders };
    if (place.authSignin === undefined) return common;
    const page = place.authSignin.run(values);
    const back = encodeURIComponent(fromBytes(variables.read.requestUri));
    const url = `${variables.request.scheme}://${variables.read.httpHost ?? ''}${back}`;
    const query = page.indexOf('?');
    const named = query !== -1 && new URLSearchParams(page.slice(query)).has(signinParameter);
    return { ...common, signin: named ? page : `${page}${query === -1 ? '?' : '&'}${signinParameter}=${url}` };
  }

  /** The annotation default-backend answers for a Service without endpoints, and for the codes of custom-http-errors. */
  #errors({ settings, upstream }: CompiledPlace, forward: Mutable<Forward>): void {
    const { defaultBackend, customErrors } = settings!;
    const own = upstream.backend;
    let backend: Backend = { kind: 'default-backend' };
    if (defaultBackend !== '' && own.kind === 'service') {
      const port = this.#view.get<Service>('Service', own.namespace, defaultBackend)?.spec.ports?.[0]?.port;
      const named: Backend = { kind: 'service', namespace: own.namespace, name: defaultBackend, port: port ?? 0 };
      if (port !== undefined && hasEndpoints(this.#view, named)) {
        backend = named;
        if (forward.backend === own && !hasEndpoints(this.#view, own)) forward.backend = named;
      }
    }
    if (customErrors.length > 0) forward.onStatus = { codes: customErrors, backend };
  }

  // --- canaries ------------------------------------------------------------------------------------------------------

  /** `route_to_alternative_balancer` of the controller's balancer. */
  #balanced(upstream: Upstream, request: FrontRequest, chance: number): Upstream {
    const other = upstream.alternatives[0];
    if (other?.canary === undefined || !hasEndpoints(this.#view, other.backend)) return upstream;
    return takesCanary(other.canary, request, chance) ? other : upstream;
  }
}

interface Found {
  readonly outcome: Outcome;
  readonly place?: CompiledPlace;
}

/** The rule that decided: of the location, or of the canary that got the request. */
function ruleOf(place: CompiledPlace | undefined, outcome: Outcome): RouteRule | undefined {
  if (place === undefined || outcome.kind !== 'forward' || outcome.backend === place.upstream.backend)
    return place?.rule;
  const canary = place.upstream.alternatives.find(({ backend }) => backend === outcome.backend);
  return canary?.rules.find(({ host, path }) => host === place.rule?.host && path === place.rule?.path) ?? place.rule;
}
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function tryCompile(server: Server, paths: PathTables<LocationMatch<CompiledPlace>>): CompiledServer | string {
  try {
    return compileServer(server, paths);
  } catch (error) {
    if (error instanceof NginxConfigurationError) return error.message;
    throw error;
  }
}

function defaultBackendOf(view: IngressView, { defaultBackendService: named }: IngressOptions): Backend {
  if (named === undefined) return { kind: 'default-backend' };
  const port = view.get<Service>('Service', named.namespace, named.name)?.spec.ports?.[0]?.port;
  return { kind: 'service', ...named, port: port ?? 80 };
}

function answer(status: number): Outcome {
  return { kind: 'respond', status, headers: NO_FIELDS, body: '' };
}

function redirect(status: number, location: string): Outcome {
  return { kind: 'redirect', status, location, headers: NO_FIELDS };
}

/** Without the slash at the end, as the controller sends it. */
function tlsUrl(read: NginxRequest, { preserveTrailingSlash }: Settings): string {
  const { requestUri } = read;
  const host = (read.httpHost ?? read.server).split(':')[0]!;
  const uri = !preserveTrailingSlash && requestUri.endsWith('/') ? requestUri.slice(0, -1) : requestUri;
  return `https://${host}${uri}`;
}

interface Rewritten {
  readonly target: string;
  readonly match: RegexMatch;
}

function rewrite(place: CompiledPlace, variables: RequestVariables): Rewritten | Outcome | undefined {
  const { regex, target, redirect: isRedirect, hasArgs, keepArgs } = place.rewriting!;
  const { read } = variables;
  const match = regex.exec(read.uri);
  if (match === undefined) return undefined;
  const made = target.rewrite(match, variablesOf(variables), read.quoted, isRedirect);
  if (isRedirect) {
    const args = keepArgs && read.args !== '' ? `${hasArgs ? '&' : '?'}${read.args}` : '';
    return redirect(302, `${unescapeRedirect(made.uri)}${args}`);
  }
  if (made.uri === '') return answer(500);
  const own = made.args;
  const args =
    own === undefined ? (keepArgs ? read.args : '') : keepArgs && read.args !== '' ? `${own}&${read.args}` : own;
  return { target: rewrittenTarget(made.uri, args), match };
}

function isBlocked({ allow, deny }: Settings, { clientAddress }: FrontRequest): boolean {
  if (allow.length === 0 && deny.length === 0) return false;
  const ip: Ip | undefined = clientAddress === undefined ? undefined : tryParseIp(clientAddress);
  if (ip === undefined) return false;
  const inside = (range: Settings['allow'][number]): boolean => prefixContains(range, ip);
  return deny.some(inside) || (allow.length > 0 && !allow.some(inside));
}

function affinityOf({ affinity }: Upstream, place: CompiledPlace, request: FrontRequest): CookieAffinity {
  const { cookie, path, domain, expires, maxAge, sameSite, secure } = affinity!;
  const value = cookieValue(request, cookie);
  const attributes = [
    maxAge === '' ? '' : `; Max-Age=${maxAge}`,
    domain === '' ? '' : `; Domain=${domain}`,
    `; Path=${path === '' ? place.ingressPath : path}`,
    (secure ?? request.scheme === 'https') ? '; Secure' : '',
    '; HttpOnly',
    sameSite === '' ? '' : `; SameSite=${sameSite}`,
  ].join('');
  return {
    cookie,
    ...(value !== '' && { value }),
    ...(expires !== '' && { expires: Number(expires) }),
    attributes,
  };
}

function takesCanary(canary: Canary, request: FrontRequest, chance: number): boolean {
  const { header, headerValue: wanted, headerPattern, cookie, weight, weightTotal } = canary;
  const sent = header === '' ? undefined : headerValue(request, header);
  if (sent !== undefined) {
    if (wanted !== '') {
      if (sent === wanted) return true;
    } else if (headerPattern !== '') {
      const found = matchesPattern(headerPattern, sent);
      if (found !== false) return found === true;
    } else if (sent === 'always') return true;
    else if (sent === 'never') return false;
  }
  const value = cookie === '' ? '' : cookieValue(request, cookie);
  if (value === 'always') return true;
  if (value === 'never') return false;
  return chance < weight / weightTotal;
}

/** Undefined: the pattern is wrong, and the canary gets nothing. */
function matchesPattern(pattern: string, text: string): boolean | undefined {
  try {
    return new Regex(pattern).test(toBytes(text));
  } catch (error) {
    if (error instanceof RegexError || error instanceof MatchLimitError) return undefined;
    throw error;
  }
}

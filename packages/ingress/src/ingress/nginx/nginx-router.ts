import type { Ingress, Service } from '@netsim/manifest';
import { type Ip, prefixContains, tryParseIp } from '@netsim/wire';
import { canonicalHost } from '../../http/host.ts';
import { PathTables } from '../../http/path-tables.ts';
import type {
  Backend,
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
import { MatchLimitError, type RegexMatch } from '../../regex/index.ts';
import { covers, fakeCertificate } from '../../tls/certificate.ts';
import { SecretReader } from '../certificates.ts';
import { objectOf, servedIngresses } from '../classes.ts';
import { hasEndpoints } from '../endpoints.ts';
import type { IngressRouter } from '../router.ts';
import type { IngressOptions, IngressView } from '../view.ts';
import { affinityOf } from './affinity.ts';
import { authRequest } from './auth.ts';
import { balanced } from './canary.ts';
import { type CompiledPlace, type CompiledServer, compileServer } from './compile.ts';
import { corsHeaders } from './cors.ts';
import { DEFAULT_NEXT, type Globals, readGlobals } from './globals.ts';
import { contentLength, PlainRoutes } from './plain-routes.ts';
import { isTls } from './protocol.ts';
import { type RenderContext, renderServers, type Server, type Upstream } from './render.ts';
import { considered, serverRows } from './route-table.ts';
import type { Settings } from './settings.ts';
import { surprises } from './surprises.ts';
import { trustedClient } from './trusted-client.ts';
import { type RequestVariables, variablesOf } from './variables.ts';

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
  readonly #options: IngressOptions;
  readonly #index: ServerIndex<CompiledServer>;
  readonly #plain: PlainRoutes;
  readonly #certificates = new Map<string, ServerCertificate>();
  readonly #globals: Globals;
  /** What every answer over TLS has. */
  readonly #secureFields: readonly HeaderField[];
  readonly #secureChanges: Forward['response'];

  constructor(view: IngressView, options: IngressOptions) {
    this.#view = view;
    this.#options = options;
    const served = servedIngresses(view, options, this.findings);
    const secrets = new SecretReader(view, this.findings, options.now);
    for (const ingress of served) secrets.check(ingress);
    this.#globals = readGlobals(view, options, this.findings);
    const { hsts } = this.#globals;
    this.#secureFields = hsts === undefined ? NO_FIELDS : [['Strict-Transport-Security', hsts]];
    this.#secureChanges = this.#secureFields.map(setField);
    const named = options.defaultCertificate;
    const context: RenderContext = {
      view,
      secrets,
      fake: (named && secrets.certificate(named.namespace, named.name)) ?? fakeCertificate(options.now),
      globals: this.#globals,
      defaultBackend: defaultBackendOf(view, options),
      findings: this.findings,
    };
    this.servers = this.#compile(served, context);
    this.#index = new ServerIndex(this.servers);
    this.#plain = new PlainRoutes(this.servers, this.#index, this.#secureChanges);
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
    const plain = this.#globals.realIp ? undefined : this.#plain.decide(request, this.#hasCertificate);
    return plain ?? this.#decide(request, chance);
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
    const found = this.#certificateOf(serverName ?? '');
    return found ?? (this.#globals.rejectHandshake ? undefined : this.#certificates.get('_'));
  }

  takesField(name: string): boolean {
    const { dropInvalidHeaders, underscores } = this.#globals;
    return !dropInvalidHeaders || (underscores ? /^[A-Za-z0-9_-]+$/ : /^[A-Za-z0-9-]+$/).test(name);
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
    const client = this.#globals.realIp ? trustedClient(this.#globals, request, read) : undefined;
    const variables: RequestVariables = { request, read, hostname: server.names[0]!, client };
    if (server.redirectTo !== undefined) {
      const { requestUri } = read;
      const uri = requestUri.endsWith('/') ? requestUri.slice(0, -1) : requestUri;
      const scheme = client?.scheme ?? request.scheme;
      return { outcome: redirect(this.#globals.redirectCode, `${scheme}://${server.redirectTo}${uri}`) };
    }
    if (server.appRoot !== '' && read.uri === '/') {
      return { outcome: redirect(302, `${request.scheme}://${read.httpHost ?? ''}${server.appRoot}`) };
    }
    const match = server.index.find(read.uri);
    if (server.isDefault && read.uri.startsWith('/')) {
      const own = ownAnswer(read.uri, match);
      if (own !== undefined) return { outcome: own };
    }
    if (match === undefined) return { outcome: answer(404) };
    return { outcome: this.#at(match, variables, chance), place: match.location };
  }

  /** In the order of nginx's phases: body size and slash, rewriting, limits and addresses, then on to the backend. */
  #at(match: LocationMatch<CompiledPlace>, variables: RequestVariables, chance: number): Outcome {
    const { request, read } = variables;
    const place = match.location;
    const { settings } = place;
    const secure = request.scheme === 'https' ? this.#secureFields : NO_FIELDS;
    if (settings !== undefined && settings.bodySize > 0 && contentLength(request.headers) > settings.bodySize) {
      return answer(413, secure);
    }
    if (match.kind === 'slash') {
      const absolute = read.server !== '' && !settings?.relativeRedirects;
      const origin = absolute ? `${request.scheme}://${read.server}` : '';
      return redirect(301, `${origin}${match.to}${read.args === '' ? '' : `?${read.args}`}`, secure);
    }
    if (settings === undefined) return this.#forward(place, variables, undefined, secure, chance);
    if (settings.denied !== undefined) return answer(503, secure);
    const cors = settings.cors === undefined ? undefined : corsHeaders(settings.cors, place.corsOrigin, request);
    const fields = cors === undefined ? secure : [...secure, ...cors];
    if (cors !== undefined && request.method === 'OPTIONS') {
      return { kind: 'respond', status: 204, headers: [...fields, ...PREFLIGHT], body: '' };
    }
    if (place.redirect !== undefined) {
      return redirect(place.redirect.code, place.redirect.url.run(variablesOf(variables)), fields);
    }
    const rewritten = place.rewriting === undefined ? undefined : rewrite(place, variables, fields);
    if (typeof rewritten === 'object' && 'kind' in rewritten) return rewritten;
    if ((variables.client?.scheme ?? request.scheme) === 'http' && this.#wantsTls(place, settings, read.server)) {
      return redirect(this.#globals.redirectCode, tlsUrl(variables, settings), fields);
    }
    if (refuses(settings, variables)) {
      // The balancer looks for endpoints before nginx looks at the address.
      const status = hasEndpoints(this.#view, place.upstream.backend) ? 403 : 503;
      return settings.customErrors.includes(status)
        ? this.#errorPage(place, variables, status, fields)
        : answer(status, fields);
    }
    return this.#forward(place, variables, rewritten, fields, chance);
  }

  #wantsTls({ ingressPath }: CompiledPlace, { sslRedirect, forceSslRedirect }: Settings, host: string): boolean {
    if (this.#globals.noTlsRedirect.some((start) => ingressPath.startsWith(start))) return false;
    return forceSslRedirect || (sslRedirect && this.#certificateOf(host) !== undefined);
  }

  #forward(
    place: CompiledPlace,
    variables: RequestVariables,
    rewritten: Rewritten | undefined,
    fields: readonly HeaderField[],
    chance: number,
  ): Outcome {
    const { request, read, client } = variables;
    const { settings } = place;
    const upstream =
      place.upstream.alternatives.length === 0 ? place.upstream : balanced(place.upstream, this.#view, request, chance);
    const forward: Mutable<Forward> = {
      kind: 'forward',
      backend: upstream.backend,
      target: rewritten?.target ?? (read.intact ? read.requestUri : rewrittenTarget(read.uri, read.args)),
      host: place.vhost?.run(variablesOf(variables)) ?? bestHost(variables),
      headers: request.headers,
      response:
        fields === NO_FIELDS ? NO_CHANGES : fields === this.#secureFields ? this.#secureChanges : fields.map(setField),
      timeouts: place.timeouts,
      tlsToBackend: false,
      mirrors: NO_BACKENDS,
    };
    if (client !== undefined) forward.client = client;
    if (settings === undefined) return forward;
    if (isTls(settings.protocol, request.scheme)) forward.tlsToBackend = true;
    if (settings.bodySize > 0) forward.maxBody = settings.bodySize;
    if (place.forwardedPrefix !== undefined) {
      const prefix = place.forwardedPrefix.run(variablesOf(variables), rewritten?.match);
      forward.headers = [...request.headers, ['X-Forwarded-Prefix', prefix]];
    }
    if (upstream.affinity !== undefined) forward.affinity = affinityOf(upstream, place, request);
    else if (upstream.balancing.hashBy !== '' || upstream.balancing.algorithm === 'ewma') {
      forward.balance = balanceOf(upstream, variables);
    }
    if (settings.nextUpstream !== DEFAULT_NEXT) forward.next = settings.nextUpstream;
    if (settings.limits !== undefined) this.#limit(place, settings.limits, variables, forward);
    if (place.mirror !== undefined) forward.copies = [copyOf(place, variables, this.#view)];
    if (place.authUrl !== undefined && this.#needsAuth(place, variables)) forward.auth = authRequest(place, variables);
    if (settings.defaultBackend !== '' || settings.customErrors.length > 0) this.#errors(place, variables, forward);
    return forward;
  }

  #needsAuth({ ingressPath, settings }: CompiledPlace, variables: RequestVariables): boolean {
    if (this.#globals.noAuth.some((start) => ingressPath.startsWith(start))) return false;
    return !(settings!.satisfyAny && admits(settings!, variables) === true);
  }

  #limit(
    place: CompiledPlace,
    { perSecond, perMinute, connections, burst, exempt }: NonNullable<Settings['limits']>,
    variables: RequestVariables,
    forward: Mutable<Forward>,
  ): void {
    const client = clientOf(variables);
    const ip = tryParseIp(client);
    if (ip !== undefined && exempt.some((range) => prefixContains(range, ip))) return;
    const { namespace = '', name = '' } = place.rule ?? {};
    const rates = [
      ...(perSecond > 0 ? [{ perMinute: 60 * perSecond, burst: perSecond * burst }] : []),
      ...(perMinute > 0 ? [{ perMinute, burst: perMinute * burst }] : []),
    ];
    const { rateStatus, connectionsStatus } = this.#globals;
    forward.limits = {
      zone: `${namespace}/${name}`,
      client,
      rates,
      connections,
      status: { rate: rateStatus, connections: connectionsStatus },
    };
  }

  /** The annotation default-backend answers for a Service without endpoints, and for the codes of custom-http-errors. */
  #errors(place: CompiledPlace, variables: RequestVariables, forward: Mutable<Forward>): void {
    const { customErrors, interceptErrors } = place.settings!;
    const own = place.upstream.backend;
    const backend = this.#errorBackend(place);
    const headers = errorFields(place, variables);
    if (backend.kind === 'service' && forward.backend === own && !hasEndpoints(this.#view, own)) {
      forward.backend = backend;
      const [, , ...names] = headers;
      const accept: HeaderField[] = [
        ['X-Code', '503'],
        ['X-Format', variablesOf(variables)('http_accept')],
      ];
      forward.headers = [...forward.headers, ...accept, ...names];
    }
    if (customErrors.length === 0) return;
    forward.onStatus = { codes: customErrors, backend, headers, ...(!interceptErrors && { ownOnly: true }) };
  }

  #errorBackend({ settings, upstream }: CompiledPlace): Backend {
    const { backend: own } = upstream;
    const { defaultBackend } = settings!;
    if (defaultBackend !== '' && own.kind === 'service') {
      const { namespace } = own;
      const port = this.#view.get<Service>('Service', namespace, defaultBackend)?.spec.ports?.[0]?.port;
      const named: Backend = { kind: 'service', namespace, name: defaultBackend, port: port ?? 0 };
      if (port !== undefined && hasEndpoints(this.#view, named)) return named;
    }
    return defaultBackendOf(this.#view, this.#options);
  }

  /** What custom-http-errors makes of an answer of nginx's own. */
  #errorPage(
    place: CompiledPlace,
    variables: RequestVariables,
    status: number,
    fields: readonly HeaderField[],
  ): Outcome {
    const { request, read } = variables;
    return {
      kind: 'forward',
      backend: this.#errorBackend(place),
      target: rewrittenTarget('/', read.args),
      host: bestHost(variables),
      headers: [...request.headers, ['X-Code', String(status)], ...errorFields(place, variables)],
      response: fields.map(setField),
      timeouts: place.timeouts,
      tlsToBackend: false,
      mirrors: NO_BACKENDS,
    };
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

function answer(status: number, headers: readonly HeaderField[] = NO_FIELDS): Outcome {
  return { kind: 'respond', status, headers, body: '' };
}

function redirect(status: number, location: string, headers: readonly HeaderField[] = NO_FIELDS): Outcome {
  return { kind: 'redirect', status, location, headers };
}

function setField([name, value]: HeaderField): Forward['response'][number] {
  return { kind: 'set', name, value };
}

const PREFLIGHT: readonly HeaderField[] = [
  ['Content-Type', 'text/plain charset=UTF-8'],
  ['Content-Length', '0'],
];

/** The locations /healthz and /nginx_status of the default server, unless a rule of an Ingress takes the path. */
function ownAnswer(uri: string, match: LocationMatch<CompiledPlace> | undefined): Outcome | undefined {
  const own = ['/healthz', '/nginx_status'].find((path) => uri.startsWith(path));
  if (own === undefined) return undefined;
  if (match !== undefined) {
    const { modifier, path } = match.location;
    if (match.kind === 'slash' || modifier !== '' || path.length > own.length) return undefined;
  }
  return answer(own === '/healthz' ? 200 : 403);
}

function bestHost({ client, read, hostname }: RequestVariables): string {
  return client?.host ?? read.httpHost ?? (read.server || hostname);
}

function clientOf({ client, request }: RequestVariables): string {
  return client?.address ?? request.clientAddress ?? '';
}

/** `upstream-hash-by` comes before `load-balance`. */
function balanceOf({ balancing }: Upstream, variables: RequestVariables): Forward['balance'] {
  const { hashBy, subset } = balancing;
  if (hashBy === '') return { kind: 'ewma' };
  const values = variablesOf(variables);
  const key = hashBy.replace(/\$(?:\{(\w+)\}|(\w+))/g, (_all, braced, bare) => values(braced ?? bare));
  return { kind: 'hash', key, ...(subset !== undefined && { subset }) };
}

function copyOf(
  { mirror, settings, rule }: CompiledPlace,
  variables: RequestVariables,
  view: IngressView,
): NonNullable<Forward['copies']>[0] {
  const values = variablesOf(variables);
  const target = mirror!.target.run(values);
  // Without a path of its own a copy has that of the location which nginx makes for it.
  const bare = /^[a-z]+:\/\/[^/]*$/.test(target);
  const uid = rule === undefined ? '' : (view.get<Ingress>('Ingress', rule.namespace, rule.name)?.metadata.uid ?? '');
  const own = bare ? `/_mirror-${uid}${values('is_args')}${values('args')}` : '';
  return { url: target + own, host: mirror!.host?.run(values) ?? '', body: settings!.mirror!.body };
}

/** What the template tells a backend for errors, beside the code. */
function errorFields({ rule, upstream }: CompiledPlace, variables: RequestVariables): HeaderField[] {
  const values = variablesOf(variables);
  const { backend } = upstream;
  const service = backend.kind === 'service' ? backend : undefined;
  return [
    ['X-Format', values('http_accept')],
    ['X-Original-URI', values('request_uri')],
    ['X-Namespace', rule?.namespace ?? ''],
    ['X-Ingress-Name', rule?.name ?? ''],
    ['X-Service-Name', service?.name ?? ''],
    ['X-Service-Port', String(service?.port ?? '')],
  ];
}

/** Without the slash at the end, as the controller sends it. */
function tlsUrl(variables: RequestVariables, { preserveTrailingSlash, portInRedirects }: Settings): string {
  const { requestUri } = variables.read;
  const host = bestHost(variables).split(':')[0]!;
  const uri = !preserveTrailingSlash && requestUri.endsWith('/') ? requestUri.slice(0, -1) : requestUri;
  return `https://${host}${portInRedirects ? ':443' : ''}${uri}`;
}

interface Rewritten {
  readonly target: string;
  readonly match: RegexMatch;
}

function rewrite(
  place: CompiledPlace,
  variables: RequestVariables,
  fields: readonly HeaderField[],
): Rewritten | Outcome | undefined {
  const { regex, target, redirect: isRedirect, hasArgs, keepArgs } = place.rewriting!;
  const { read } = variables;
  const match = regex.exec(read.uri);
  if (match === undefined) return undefined;
  const made = target.rewrite(match, variablesOf(variables), read.quoted, isRedirect);
  if (isRedirect) {
    const args = keepArgs && read.args !== '' ? `${hasArgs ? '&' : '?'}${read.args}` : '';
    return redirect(302, `${unescapeRedirect(made.uri)}${args}`, fields);
  }
  if (made.uri === '') return answer(500, fields);
  const own = made.args;
  const args =
    own === undefined ? (keepArgs ? read.args : '') : keepArgs && read.args !== '' ? `${own}&${read.args}` : own;
  return { target: rewrittenTarget(made.uri, args), match };
}

/** Whether the addresses let the client in: undefined where nothing is said of it. */
function admits({ allow, deny }: Settings, variables: RequestVariables): boolean | undefined {
  if (allow.length === 0 && deny.length === 0) return undefined;
  const ip: Ip | undefined = tryParseIp(clientOf(variables));
  if (ip === undefined) return undefined;
  const inside = (range: Settings['allow'][number]): boolean => prefixContains(range, ip);
  if (deny.some(inside)) return false;
  return allow.length === 0 ? undefined : allow.some(inside);
}

/** Where one of addresses and password is enough, only a location without password is closed at once. */
function refuses(settings: Settings, variables: RequestVariables): boolean {
  return admits(settings, variables) === false && !(settings.satisfyAny && settings.auth !== undefined);
}

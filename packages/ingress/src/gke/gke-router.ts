import type { Ingress } from '@netsim/manifest';
import { canonicalHost } from '../http/host.ts';
import { splitTarget } from '../http/target.ts';
import { objectOf } from '../ingress/classes.ts';
import type { IngressRouter } from '../ingress/router.ts';
import { defaultRule, rulesOf } from '../ingress/rules.ts';
import type { IngressView } from '../ingress/view.ts';
import type {
  Considered,
  Decision,
  FrontRequest,
  HeaderChange,
  HeaderField,
  Outcome,
  RouteFinding,
  RouteRow,
  RouteRule,
  ServerCertificate,
} from '../model.ts';
import { covers } from '../tls/certificate.ts';
import { type GkeBackendService, type GkeProblem, gkeBackendService } from './backend-service.ts';
import { type GkeFrontend, gkeFrontend } from './frontend.ts';
import type { GkeClass } from './ingress-class.ts';
import { type PathRule, UrlMap } from './url-map.ts';

/** The load balancer that GKE's controller makes of one Ingress. */
export interface GkeRouter extends IngressRouter {
  /** The ports that it listens on; none where the controller refuses the Ingress. */
  readonly listeners: readonly { readonly port: number; readonly scheme: 'http' | 'https' }[];
  /** Why there is no load balancer. */
  readonly refused: string | undefined;
  readonly services: readonly GkeBackendService[];
}

/** The cookie by which a client comes to the same backend again. */
const COOKIE = 'GCLB';
const BAD_REQUEST: Outcome = { kind: 'respond', status: 400, headers: [], body: '' };
/** What the load balancer adds to each answer of a backend. */
const VIA: readonly HeaderChange[] = [{ kind: 'add', name: 'Via', value: '1.1 google' }];
/** What the default backend of every cluster answers (ingress-gce: `404-server`). */
const NOT_FOUND: Outcome = {
  kind: 'respond',
  status: 404,
  headers: [
    ['Content-Type', 'text/plain; charset=utf-8'],
    ['Via', '1.1 google'],
  ],
  body: 'response 404 (backend NotFound), service rules for the path non-existent \n',
};

/** Compiles an Ingress of class `gce` or `gce-internal`: each is a load balancer of its own, with an address of its own. */
export function gkeRouter(view: IngressView, ingress: Ingress, gkeClass: GkeClass, now: number): GkeRouter {
  return new CompiledGke(view, ingress, gkeClass, now);
}

class CompiledGke implements GkeRouter {
  readonly findings: RouteFinding[] = [];
  readonly listeners: GkeRouter['listeners'];
  readonly refused: string | undefined;
  readonly #services = new Map<string, GkeBackendService>();
  readonly #map = new UrlMap();
  readonly #default: RouteRule | undefined;
  readonly #frontend: GkeFrontend;

  constructor(view: IngressView, ingress: Ingress, gkeClass: GkeClass, now: number) {
    const object = objectOf(ingress);
    let refused: string | undefined;
    const tell = (code: string, field: readonly (string | number)[], message: string): void => {
      this.findings.push({ code, severity: 'warning', object, field, message });
    };
    const refuse = (code: string, field: readonly (string | number)[], message: string): void => {
      refused ??= message;
      tell(code, field, `${message}: GKE makes no load balancer of this Ingress`);
    };
    const told = new Set<GkeProblem['message']>();
    const readBackend = (rule: RouteRule): void => {
      const { service, problems } = gkeBackendService(view, rule.backends[0]!, gkeClass);
      if (service !== undefined) this.#services.set(keyOf(service), service);
      for (const { code, message, ofService, fatal } of problems) {
        if (told.has(message)) continue;
        told.add(message);
        const field = rule.pathType === 'default' ? rule.field : [...rule.field, 'backend'];
        if (fatal) refuse(code, field, message);
        else if (ofService === undefined) tell(code, field, message);
      }
    };
    const rules = rulesOf(ingress);
    (ingress.spec.rules ?? []).forEach(({ http }, i) => {
      const patterns: PathRule[] = [];
      let host: string | undefined;
      http?.paths?.forEach((path, j) => {
        const rule = rules.find(({ field }) => field[2] === i && field[5] === j)!;
        host = rule.host;
        readBackend(rule);
        const result = patternsOf(path.path ?? '', rule.pathType);
        if (typeof result === 'string') refuse('gke-path', [...rule.field, 'path'], result);
        else {
          patterns.push(...result.map((pattern) => ({ pattern, rule })));
          if (result.includes('/') && rule.pathType === 'ImplementationSpecific') {
            tell(
              'gke-path-exact',
              [...rule.field, 'path'],
              'takes the path / alone, for the type is ImplementationSpecific: write /* or the type Prefix for all paths',
            );
          }
        }
      });
      if (host === undefined) return;
      for (const lost of this.#map.put(host, patterns)) {
        tell(
          'gke-host-twice',
          lost.field,
          `never used: another rule of this Ingress is for host "${host}" too, and GKE keeps the paths of the last one only`,
        );
      }
    });
    this.#default = defaultRule(ingress);
    if (this.#default !== undefined) readBackend(this.#default);
    this.#frontend = gkeFrontend(view, ingress, now, this.findings);
    if (ingress.spec.ingressClassName === gkeClass) {
      tell(
        'gke-class-field',
        ['spec', 'ingressClassName'],
        `GKE passes over this field: the annotation kubernetes.io/ingress.class is what counts`,
      );
    }
    this.refused = refused;
    const { http, certificates } = this.#frontend;
    this.listeners =
      refused !== undefined
        ? []
        : [
            ...(http ? [{ port: 80, scheme: 'http' as const }] : []),
            ...(certificates.length > 0 ? [{ port: 443, scheme: 'https' as const }] : []),
          ];
  }

  get services(): readonly GkeBackendService[] {
    return [...this.#services.values()];
  }

  decide(request: FrontRequest, _chance: number): Outcome {
    const read = readRequest(request);
    if (read === undefined) return BAD_REQUEST;
    const { redirect } = this.#frontend;
    if (redirect !== undefined && request.scheme === 'http') {
      return { kind: 'redirect', status: redirect, location: `https://${read.host}${read.target}`, headers: [] };
    }
    const rule = this.#map.match(read.host, read.path) ?? this.#default;
    return rule === undefined ? NOT_FOUND : this.#forward(request, rule);
  }

  explain(request: FrontRequest, chance: number): Decision {
    const outcome = this.decide(request, chance);
    const read = readRequest(request);
    if (read === undefined || outcome.kind === 'redirect') return { outcome, considered: [] };
    const rule = this.#map.match(read.host, read.path) ?? this.#default;
    const host = this.#map.hostFor(read.host);
    const considered = this.routes().map((row): Considered => {
      const won = row.rule === rule && row.shadowedBy === undefined;
      return { rule: row.rule, won, why: won ? winReason(row.rule, read) : loseReason(row, read, host, rule) };
    });
    return { outcome, considered, ...(rule !== undefined && { rule }) };
  }

  routes(host?: string): readonly RouteRow[] {
    const rows = this.#map.rows(host === undefined ? undefined : canonicalHost(host));
    if (this.#default !== undefined) rows.push({ rule: this.#default, notes: ['for what no rule takes'] });
    return this.refused === undefined
      ? rows
      : rows.map((row) => ({ ...row, notes: [...row.notes, 'there is no load balancer'] }));
  }

  certificate(serverName: string | undefined): ServerCertificate | undefined {
    const { certificates } = this.#frontend;
    return certificates.find((each) => serverName !== undefined && covers(each, serverName)) ?? certificates[0];
  }

  #forward(request: FrontRequest, rule: RouteRule): Outcome {
    const backend = rule.backends[0]!;
    const service = backend.kind === 'service' ? this.#services.get(keyOf(backend)) : undefined;
    const { timeout = 0, affinity, cookieTtl = 0, headers = [], protocol } = service ?? {};
    const value = affinity === 'GENERATED_COOKIE' ? cookieOf(request.headers) : undefined;
    return {
      kind: 'forward',
      backend,
      target: request.target,
      host: request.host ?? '',
      headers: headers.length === 0 ? request.headers : [...request.headers, ...headers],
      response: VIA,
      timeouts: { request: 0, backendRequest: timeout * 1000, connect: 0 },
      tlsToBackend: protocol === 'HTTPS' || protocol === 'HTTP2',
      mirrors: [],
      ...(affinity === 'GENERATED_COOKIE' && {
        affinity: {
          cookie: COOKIE,
          ...(value === undefined ? {} : { value }),
          attributes: '; path=/; HttpOnly',
          ...(cookieTtl > 0 && { expires: cookieTtl }),
        },
      }),
      ...(affinity === 'CLIENT_IP' && { clientAffinity: true }),
    };
  }
}

function keyOf({ namespace, name, port }: { namespace: string; name: string; port: number | string }): string {
  return `${namespace}/${name}:${port}`;
}

interface Read {
  readonly host: string;
  readonly path: string;
  readonly target: string;
}

function readRequest({ target, host, version }: FrontRequest): Read | undefined {
  const split = splitTarget(target);
  if (split.path === '' || (host === undefined && version === '1.1')) return undefined;
  return { host: canonicalHost(split.host ?? host), path: split.path, target: split.path + split.query };
}

/** The paths of the URL map; or why the controller refuses the path (ingress-gce, `validateAndGetPaths`). */
function patternsOf(path: string, pathType: string): readonly string[] | string {
  switch (pathType) {
    case 'Exact':
    case 'Prefix': {
      const type = pathType.toLowerCase();
      if (path === '') return `failed to validate ${type} path type due to empty path`;
      if (pathType === 'Prefix' && path === '/') return ['/*'];
      if (path.includes('*')) return `failed to validate ${type} path ${path} due to invalid wildcard`;
      if (pathType === 'Exact') return [path];
      return path.endsWith('/') ? [path.slice(0, -1), `${path}*`] : [path, `${path}/*`];
    }
    default:
      if (path === '') return ['/*'];
      if (path.slice(0, -1).includes('*') || (path.endsWith('*') && !path.endsWith('/*')))
        return `path ${path}: a star may stand at the end only, behind a slash`;
      return [path];
  }
}

function winReason({ path, pathType }: RouteRule, { path: asked }: Read): string {
  if (pathType === 'default') return 'the default backend: no rule takes it';
  return path === asked ? `path ${path} is the whole path` : `path ${path} is the longest that fits ${asked}`;
}

function loseReason(
  { rule, shadowedBy }: RouteRow,
  { host, path }: Read,
  chosen: string | undefined,
  winner: RouteRule | undefined,
): string {
  if (rule.pathType === 'default') return 'only for what no rule takes';
  if (shadowedBy !== undefined) return 'a later rule has the same path';
  if (rule.host !== chosen) {
    return chosen === undefined || chosen === '*' || rule.host !== '*'
      ? `host "${rule.host}" is not "${host}"`
      : `host "${chosen}" is more precise, and only its paths count`;
  }
  return winner === undefined || winner.pathType === 'default'
    ? `path ${rule.path} does not fit ${path}`
    : `path ${rule.path} is not it: ${winner.path} fits better`;
}

function cookieOf(headers: readonly HeaderField[]): string | undefined {
  for (const [name, value] of headers) {
    if (name.toLowerCase() !== 'cookie') continue;
    for (const pair of value.split(';')) {
      const at = pair.indexOf('=');
      if (at > 0 && pair.slice(0, at).trim() === COOKIE) return pair.slice(at + 1).trim();
    }
  }
  return undefined;
}

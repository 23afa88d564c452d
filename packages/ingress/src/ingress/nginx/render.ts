import type { Ingress, Service } from '@netsim/manifest';
import type { Backend, RouteFinding, RouteRule, ServerCertificate } from '../../model.ts';
import type { NginxLocation } from '../../nginx/configuration.ts';
import { covers } from '../../tls/certificate.ts';
import type { SecretReader } from '../certificates.ts';
import { objectOf } from '../classes.ts';
import { defaultRule, rulesOf } from '../rules.ts';
import type { IngressView } from '../view.ts';
import type { Globals } from './globals.ts';
import { plainSettings, readSettings } from './read-settings.ts';
import type { Affinity, Balancing, Canary, Settings } from './settings.ts';

const DEFAULT_SERVER = '_';
const DEFAULT_UPSTREAM = 'upstream-default-backend';
const NO_SERVICE = {
  code: 'ingress-backend-ignored',
  why: 'the controller knows no backends but Services: the default backend answers',
};
const TAKEN_BY_CANARY = {
  code: 'ingress-canary-backend',
  why: 'no location: an older canary Ingress has the same Service and port, and the controller keeps these for the canary',
};

/** The endpoints behind one port of one Service; all locations that name it share it. */
export interface Upstream {
  readonly name: string;
  readonly backend: Backend;
  /** Only for canaries: no location passes to it. */
  noServer: boolean;
  canary: Canary | undefined;
  affinity: Affinity | undefined;
  /** As the Ingress says that names it first. */
  readonly balancing: Balancing;
  /** Canaries that get a share of what comes here; only the first is ever used. */
  readonly alternatives: Upstream[];
  /** The rules that make it a canary. */
  readonly rules: RouteRule[];
}

/** A location that the controller writes, and whence it comes. */
export interface Place extends NginxLocation {
  /** Undefined: the controller's own default. */
  readonly rule: RouteRule | undefined;
  readonly upstream: Upstream;
  /** Undefined: no Ingress, no annotations. */
  readonly settings: Settings | undefined;
  /** `$location_path`: as the Ingress has it. */
  readonly ingressPath: string;
}

/** A rule without a location. */
export interface Ignored {
  readonly rule: RouteRule;
  /** Of the finding. */
  readonly code: string;
  readonly why: string;
}

/** One `server` block. */
export interface Server {
  readonly hostname: string;
  readonly names: readonly string[];
  readonly isDefault: boolean;
  readonly locations: readonly Place[];
  /** Every path is a regular expression. */
  readonly regex: boolean;
  /** All that this server does is to send to this host. */
  readonly redirectTo: string | undefined;
  readonly appRoot: string;
  readonly certificate: ServerCertificate | undefined;
  /** Ingresses that have a part in it, oldest first. */
  readonly ingresses: readonly Ingress[];
  /** Rules that the controller passes over. */
  readonly ignored: readonly Ignored[];
  /** Rules that lost their place to an older one. */
  readonly losers: readonly { readonly rule: RouteRule; readonly to: RouteRule | undefined; readonly why: string }[];
}

interface Draft {
  path: string;
  pathType: 'Exact' | 'Prefix';
  isDefault: boolean;
  rule: RouteRule | undefined;
  upstream: Upstream;
  settings: Settings | undefined;
}

interface NewLocation {
  readonly draft: Draft;
  readonly host: string;
}

interface ServerDraft {
  readonly hostname: string;
  readonly locations: Draft[];
  aliases: readonly string[];
  fromToWww: boolean;
  certificate: ServerCertificate | undefined;
  readonly ingresses: Set<Ingress>;
  readonly losers: { rule: RouteRule; to: RouteRule | undefined; why: string }[];
  readonly ignored: Ignored[];
}

export interface RenderContext {
  readonly view: IngressView;
  readonly secrets: SecretReader;
  readonly fake: ServerCertificate;
  readonly defaultBackend: Backend;
  readonly globals: Globals;
  readonly findings: RouteFinding[];
}

/**
 * From Ingresses, oldest first, to nginx's servers and locations, as the controller's `getBackendServers`,
 * `updateServerLocations` and template do.
 */
export function renderServers(ingresses: readonly Ingress[], context: RenderContext): Server[] {
  return new Renderer(context).render(ingresses);
}

class Renderer {
  readonly #context: RenderContext;
  readonly #upstreams = new Map<string, Upstream>();
  readonly #servers = new Map<string, ServerDraft>();
  readonly #settings = new Map<Ingress, Settings>();
  readonly #drafts = new Map<Ingress, readonly NewLocation[]>();
  readonly #default: Upstream;
  /** Of an Ingress without annotations. */
  readonly #plain: Settings;

  constructor(context: RenderContext) {
    this.#context = context;
    this.#plain = plainSettings(context);
    this.#default = this.#newUpstream(DEFAULT_UPSTREAM, context.defaultBackend, this.#plain.balancing);
  }

  render(ingresses: readonly Ingress[]): Server[] {
    for (const ingress of ingresses) this.#settings.set(ingress, readSettings(ingress, this.#context, this.#plain));
    const canaries = ingresses.filter((ingress) => this.#settings.get(ingress)!.canary !== undefined);
    const mains = ingresses.filter((ingress) => !canaries.includes(ingress));
    for (const ingress of ingresses) this.#makeUpstreams(ingress);
    this.#makeServers(mains);
    for (const ingress of mains) this.#configureServers(ingress);
    this.#settleAliases();
    for (const ingress of ingresses) this.#makeLocations(ingress);
    if (mains.length > 0) for (const ingress of canaries) this.#mergeCanary(ingress);
    const drafts = [...this.#servers.values()].sort((a, b) => (a.hostname < b.hostname ? -1 : 1));
    return [...drafts.map((draft) => this.#finish(draft)), ...this.#wwwServers(drafts)];
  }

  #newUpstream(name: string, backend: Backend, balancing: Balancing): Upstream {
    const upstream: Upstream = {
      name,
      backend,
      noServer: false,
      canary: undefined,
      affinity: undefined,
      balancing,
      alternatives: [],
      rules: [],
    };
    this.#upstreams.set(name, upstream);
    return upstream;
  }

  #makeUpstreams(ingress: Ingress): void {
    const { canary, balancing } = this.#settings.get(ingress)!;
    for (const backend of serviceBackends(ingress)) {
      const name = upstreamName(backend);
      if (this.#upstreams.has(name)) continue;
      const upstream = this.#newUpstream(name, this.#resolved(backend, balancing.serviceUpstream), balancing);
      if (canary === undefined) continue;
      upstream.noServer = true;
      upstream.canary = canary;
    }
  }

  /** The controller also takes the number of a target port for the port. */
  #resolved(backend: Backend, serviceUpstream: boolean): Backend {
    if (backend.kind !== 'service') return backend;
    const spec = this.#context.view.get<Service>('Service', backend.namespace, backend.name)?.spec;
    const ports = spec?.ports ?? [];
    const named = ports.find((one) => one.port === backend.port || one.name === backend.port);
    if (serviceUpstream && named !== undefined && (spec?.clusterIP ?? 'None') !== 'None') {
      return { ...backend, clusterIp: true };
    }
    if (named !== undefined) return backend;
    const meant = ports.find((one) => String(one.targetPort ?? '') === String(backend.port));
    return meant === undefined ? backend : { ...backend, port: meant.port };
  }

  #makeServers(mains: readonly Ingress[]): void {
    this.#servers.set(DEFAULT_SERVER, {
      ...newServer(DEFAULT_SERVER),
      locations: [this.#rootOf(undefined, this.#default, undefined)],
      certificate: this.#context.fake,
    });
    for (const ingress of mains) {
      const settings = this.#settings.get(ingress)!;
      const { rules = [], defaultBackend } = ingress.spec;
      const rule = defaultRule(ingress);
      let upstream = this.#default;
      if (rule !== undefined && defaultBackend?.service !== undefined) {
        upstream = this.#upstreams.get(upstreamName(rule.backends[0]!))!;
        const server = this.#servers.get(DEFAULT_SERVER)!;
        const root = server.locations[0]!;
        if (rules.length === 0) {
          server.ingresses.add(ingress);
          if (root.isDefault) {
            // Redirects and rewrites of an Ingress without rules are left out, as the controller does.
            const plain = { ...settings, redirect: undefined, rewriteTarget: '', useRegex: false, appRoot: '' };
            Object.assign(root, { isDefault: false, upstream, settings: plain, rule });
          } else server.losers.push({ rule, to: root.rule, why: 'an older Ingress has taken the default backend' });
        }
      }
      for (const { host } of rules) {
        const hostname = hostnameOf(host);
        if (this.#servers.has(hostname)) continue;
        const named = upstream === this.#default || rule === undefined ? undefined : { ...rule, host: hostname };
        this.#servers.set(hostname, { ...newServer(hostname), locations: [this.#rootOf(named, upstream, settings)] });
      }
    }
  }

  #rootOf(rule: RouteRule | undefined, upstream: Upstream, settings: Settings | undefined): Draft {
    return { path: '/', pathType: 'Prefix', isDefault: true, rule, upstream, settings };
  }

  #configureServers(ingress: Ingress): void {
    const settings = this.#settings.get(ingress)!;
    for (const { host } of ingress.spec.rules ?? []) {
      const server = this.#servers.get(hostnameOf(host))!;
      server.ingresses.add(ingress);
      if (server.aliases.length === 0) server.aliases = settings.aliases;
      if (server.certificate !== undefined || (ingress.spec.tls ?? []).length === 0) continue;
      server.certificate = this.#certificateFor(server.hostname, ingress);
    }
  }

  /** The first entry that names the host, else the first whose certificate is for it; what cannot be used is the fake one. */
  #certificateFor(hostname: string, ingress: Ingress): ServerCertificate {
    const { secrets, fake } = this.#context;
    const { namespace } = objectOf(ingress);
    const entries = ingress.spec.tls ?? [];
    const named = entries.find(({ hosts = [] }) => hosts.some((host) => host.toLowerCase() === hostname));
    if (named !== undefined) {
      const found = named.secretName ? secrets.certificate(namespace, named.secretName) : undefined;
      return found !== undefined && covers(found, hostname) ? found : fake;
    }
    for (const { secretName } of entries) {
      const found = secretName ? secrets.certificate(namespace, secretName) : undefined;
      if (found !== undefined && covers(found, hostname)) return found;
    }
    return fake;
  }

  #settleAliases(): void {
    for (const server of this.#servers.values()) {
      const free = server.aliases.filter((alias) => alias !== server.hostname && !this.#servers.has(alias));
      server.aliases = [...new Set(free)].sort();
    }
  }

  #makeLocations(ingress: Ingress): void {
    const settings = this.#settings.get(ingress)!;
    for (const { draft, host } of this.#draftsOf(ingress)) {
      const server = this.#servers.get(host) ?? this.#servers.get(DEFAULT_SERVER)!;
      if (draft.upstream.noServer) {
        const rule = settings.canary === undefined ? draft.rule : undefined;
        if (rule !== undefined) server.ignored.push({ rule, ...TAKEN_BY_CANARY });
        continue;
      }
      server.ingresses.add(ingress);
      if (settings.affinity !== undefined) {
        // The mode is that of the first Ingress, what the cookie says that of the last.
        const { persistent } = draft.upstream.affinity ?? settings.affinity;
        draft.upstream.affinity = { ...settings.affinity, persistent };
      }
      const same = server.locations.find(({ path }) => path === draft.path);
      const taken = same?.pathType === draft.pathType ? same : undefined;
      if (settings.fromToWww && (taken === undefined || taken.isDefault)) server.fromToWww = true;
      if (taken === undefined) server.locations.push(draft);
      else if (taken.isDefault) Object.assign(taken, draft);
      else if (draft.rule !== undefined) {
        server.losers.push({ rule: draft.rule, to: taken.rule, why: 'the same path and type stand in an older rule' });
      }
    }
  }

  /** The same objects at each call: a rule is known by its identity. */
  #draftsOf(ingress: Ingress): readonly NewLocation[] {
    const known = this.#drafts.get(ingress) ?? [...this.#newDrafts(ingress)];
    this.#drafts.set(ingress, known);
    return known;
  }

  *#newDrafts(ingress: Ingress): Generator<NewLocation> {
    const settings = this.#settings.get(ingress)!;
    for (const rule of rulesOf(ingress)) {
      const backend = rule.backends[0]!;
      const host = rule.host === '*' ? DEFAULT_SERVER : rule.host;
      if (backend.kind !== 'service') {
        this.#servers.get(host)?.ignored.push({ rule, ...NO_SERVICE });
        continue;
      }
      const upstream = this.#upstreams.get(upstreamName(backend));
      if (upstream === undefined) continue;
      const pathType = rule.pathType === 'Exact' ? 'Exact' : 'Prefix';
      const resolved = upstream.backend === backend ? rule : { ...rule, backends: [upstream.backend] };
      const draft: Draft = { path: rule.path, pathType, isDefault: false, rule: resolved, upstream, settings };
      yield { draft, host };
    }
  }

  // --- canaries ------------------------------------------------------------------------------------------------------

  #mergeCanary(ingress: Ingress): void {
    const byDefault = defaultRule(ingress)?.backends[0];
    if (byDefault?.kind === 'service') {
      this.#merge(ingress, byDefault, this.#servers.get(DEFAULT_SERVER)!.locations);
    }
    for (const { draft, host } of this.#draftsOf(ingress)) {
      const server = this.#servers.get(host);
      const places = server?.locations.filter(
        ({ path, pathType }) => path === draft.path && pathType === draft.pathType,
      );
      this.#merge(ingress, draft.upstream.backend, places ?? [], draft.rule);
    }
  }

  #merge(ingress: Ingress, backend: Backend, places: readonly Draft[], rule?: RouteRule): void {
    const canary = this.#upstreams.get(upstreamName(backend));
    if (canary === undefined) return;
    let merged = false;
    for (const { upstream } of places) {
      if (upstream === canary || upstream.name === DEFAULT_UPSTREAM || upstream.noServer) continue;
      merged = true;
      if (upstream.alternatives.includes(canary)) continue;
      if (!this.#settings.get(ingress)!.forgetsCanary) canary.affinity = upstream.affinity;
      upstream.alternatives.push(canary);
      if (upstream.alternatives.length > 1) this.#tellSecondCanary(ingress, upstream, rule);
    }
    if (merged) {
      if (rule !== undefined) canary.rules.push(rule);
      return;
    }
    this.#context.findings.push({
      code: 'ingress-canary-without-main',
      severity: 'warning',
      object: objectOf(ingress),
      field: rule?.field ?? ['spec', 'defaultBackend'],
      message:
        'a canary needs another Ingress with the same host, path and type, and another Service: it gets no requests',
    });
  }

  #tellSecondCanary(ingress: Ingress, { name, alternatives }: Upstream, rule: RouteRule | undefined): void {
    this.#context.findings.push({
      code: 'ingress-canary-second',
      severity: 'warning',
      object: objectOf(ingress),
      field: rule?.field ?? ['spec', 'defaultBackend'],
      message: `a second canary of ${name}: the controller knows one at a time, ${alternatives[0]!.name}, and this one gets no requests`,
    });
  }

  // --- the servers as they are written -------------------------------------------------------------------------------

  #finish(draft: ServerDraft): Server {
    const places = withExactLocations(sortLocations(draft.locations));
    const regex = places.some((place) => needsRewrite(place) || (place.settings?.useRegex ?? false));
    return {
      hostname: draft.hostname,
      names: [serverName(draft.hostname), ...draft.aliases],
      isDefault: draft.hostname === DEFAULT_SERVER,
      regex,
      redirectTo: undefined,
      appRoot: places.find(({ settings }) => settings?.appRoot)?.settings?.appRoot ?? '',
      certificate: draft.certificate,
      ingresses: [...draft.ingresses],
      losers: draft.losers,
      ignored: draft.ignored,
      locations: places.map((place): Place => {
        const { path, pathType, rule, upstream, settings } = place;
        const target = settings?.rewriteTarget ?? '';
        return {
          modifier: regex ? '~*' : pathType === 'Exact' ? '=' : '',
          path: regex ? `^${path}` : path,
          rule,
          upstream,
          settings,
          ingressPath: path,
          rewrite: target !== '' && target !== path ? { pattern: `(?i)${path}`, target } : undefined,
        };
      }),
    };
  }

  /** from-to-www-redirect: a server for the other name, unless there is one. */
  #wwwServers(drafts: readonly ServerDraft[]): Server[] {
    return drafts
      .filter(({ fromToWww }) => fromToWww)
      .flatMap(({ hostname, certificate, ingresses }) => {
        const from = hostname.startsWith('www.') ? hostname.slice(4) : `www.${hostname}`;
        if (this.#servers.has(from)) return [];
        return {
          hostname: from,
          names: [from],
          isDefault: false,
          locations: [],
          regex: false,
          redirectTo: hostname,
          appRoot: '',
          certificate: certificate !== undefined && covers(certificate, from) ? certificate : undefined,
          ingresses: [...ingresses],
          losers: [],
          ignored: [],
        };
      });
  }
}

function newServer(hostname: string): ServerDraft {
  return {
    hostname,
    locations: [],
    aliases: [],
    fromToWww: false,
    certificate: undefined,
    ingresses: new Set(),
    losers: [],
    ignored: [],
  };
}

function hostnameOf(host: string | undefined): string {
  return host === undefined || host === '' || host === '*' ? DEFAULT_SERVER : host.toLowerCase();
}

function upstreamName(backend: Backend): string {
  return backend.kind === 'service' ? `${backend.namespace}-${backend.name}-${backend.port}` : DEFAULT_UPSTREAM;
}

function* serviceBackends(ingress: Ingress): Generator<Backend> {
  for (const { backends } of [defaultRule(ingress), ...rulesOf(ingress)].filter((rule) => rule !== undefined)) {
    if (backends[0]!.kind === 'service') yield backends[0]!;
  }
}

/** By path, last first, then stably by length, longest first. */
function sortLocations(locations: readonly Draft[]): Draft[] {
  return locations
    .toSorted((a, b) => (a.path > b.path ? -1 : a.path < b.path ? 1 : 0))
    .sort((a, b) => b.path.length - a.path.length);
}

function needsRewrite({ path, settings }: Draft): boolean {
  const target = settings?.rewriteTarget ?? '';
  return target !== '' && target !== path;
}

/** A prefix becomes a location with a slash at its end and an exact one without, unless a rule has that one. */
function withExactLocations(locations: readonly Draft[]): Draft[] {
  const exact = new Set(locations.filter(({ pathType }) => pathType === 'Exact').map(({ path }) => path));
  return locations.flatMap((location): Draft[] => {
    const { path, pathType, settings } = location;
    if (path === '/' || pathType !== 'Prefix' || needsRewrite(location) || settings?.useRegex) return [location];
    const slashed = { ...location, path: path.endsWith('/') ? path : `${path}/` };
    return exact.has(path) ? [slashed] : [slashed, { ...location, pathType: 'Exact' }];
  });
}

function serverName(hostname: string): string {
  if (!hostname.startsWith('*')) return hostname;
  return `~^(?<subdomain>[\\w-]+)\\.${hostname.replace('*.', '').split('.').join('\\.')}$`;
}

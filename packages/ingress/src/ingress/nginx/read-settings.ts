import type { ConfigMap, Ingress } from '@netsim/manifest';
import type { Prefix } from '@netsim/wire';
import type { HeaderField, RouteFinding } from '../../model.ts';
import { objectOf } from '../classes.ts';
import type { IngressView } from '../view.ts';
import { annotationNameProblem, PREFIX } from './annotations.ts';
import { type Globals, nextUpstreamOf, parseCacheDurations, readGlobals } from './globals.ts';
import type {
  Affinity,
  Balancing,
  Canary,
  Cors,
  ExternalAuth,
  Limits,
  Mirror,
  NextUpstream,
  Settings,
} from './settings.ts';
import { parseBytes, parseConditions, parseFlag, parseList, parseRanges, parseWhole } from './values.ts';

const PROTOCOLS = ['HTTP', 'HTTPS', 'AUTO_HTTP', 'GRPC', 'GRPCS', 'FCGI'];
const METHODS = 'GET, PUT, POST, DELETE, PATCH, OPTIONS';
const HEADERS =
  'DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization';

/** What annotations are read with. */
export interface SettingsContext {
  readonly view: IngressView;
  readonly globals: Globals;
  readonly findings: RouteFinding[];
}

/** What an Ingress without any annotation gets; all of them share one. */
export function plainSettings(context: SettingsContext): Settings {
  return new Reader(NOBODY, context).settings();
}

/** Reads the annotations of an Ingress as the controller's parsers do: a value that it cannot read is as if it were not there. */
export function readSettings(ingress: Ingress, context: SettingsContext, plain: Settings): Settings {
  const reader = new Reader(ingress, context);
  reader.checkNames();
  return reader.isPlain() ? plain : reader.settings();
}

class Reader {
  readonly #ingress: Ingress;
  readonly #annotations: Readonly<Record<string, string>>;
  readonly #findings: RouteFinding[];
  readonly #globals: Globals;
  readonly #view: IngressView;
  /** Why the locations answer 503. */
  #denied: string | undefined;

  constructor(ingress: Ingress, { view, globals, findings }: SettingsContext) {
    this.#ingress = ingress;
    this.#annotations = ingress.metadata.annotations ?? {};
    this.#findings = findings;
    this.#globals = globals;
    this.#view = view;
  }

  /** No annotation of the controller at all: all such Ingresses share one set of defaults. */
  isPlain(): boolean {
    return Object.keys(this.#annotations).every((name) => !name.startsWith(PREFIX));
  }

  checkNames(): void {
    for (const name of Object.keys(this.#annotations)) {
      const problem = annotationNameProblem(name, this.#globals.snippets);
      if (problem !== undefined) this.#tell(name, problem);
    }
  }

  settings(): Settings {
    const globals = this.#globals;
    const allow = this.#ranges('allowlist-source-range', 'whitelist-source-range') ?? globals.allow;
    const deny = this.#ranges('denylist-source-range') ?? globals.deny;
    const auth = this.#auth();
    return {
      rewriteTarget: this.#text('rewrite-target'),
      useRegex: this.#flag('use-regex', false),
      appRoot: this.#appRoot(),
      redirect: this.#redirect(),
      fromToWww: this.#flag('from-to-www-redirect', false),
      sslRedirect: this.#flag('ssl-redirect', globals.sslRedirect),
      forceSslRedirect: this.#flag('force-ssl-redirect', globals.forceSslRedirect),
      preserveTrailingSlash: this.#flag('preserve-trailing-slash', globals.preserveTrailingSlash),
      relativeRedirects: this.#flag('relative-redirects', globals.relativeRedirects),
      portInRedirects: this.#flag('use-port-in-redirects', false),
      aliases: parseList(this.#text('server-alias')).map((alias) => alias.toLowerCase()),
      canary: this.#canary(),
      forgetsCanary: this.#text('affinity-canary-behavior') === 'legacy',
      affinity: this.#affinity(),
      balancing: this.#balancing(),
      upstreamVhost: this.#text('upstream-vhost'),
      allow,
      deny,
      satisfyAny: this.#text('satisfy') === 'any',
      protocol: this.#protocol(),
      limits: this.#limits(),
      mirror: this.#mirror(),
      nextUpstream: this.#nextUpstream(),
      cors: this.#cors(),
      bodySize: this.#value('proxy-body-size', globals.bodySize, 'a size such as 8m', parseBytes),
      auth,
      defaultBackend: this.#text('default-backend'),
      customErrors: this.#customErrors(),
      interceptErrors: !this.#flag('disable-proxy-intercept-errors', !globals.interceptErrors),
      connectTimeout: 1000 * this.#number('proxy-connect-timeout', globals.connectTimeout),
      readTimeout: 1000 * this.#number('proxy-read-timeout', globals.readTimeout),
      forwardedPrefix: this.#text('x-forwarded-prefix'),
      sslPassthrough: this.#flag('ssl-passthrough', false),
      denied: this.#denied,
    };
  }

  #tell(name: string, problem: Omit<RouteFinding, 'object' | 'field'>): void {
    this.#findings.push({ ...problem, object: objectOf(this.#ingress), field: ['metadata', 'annotations', name] });
  }

  #bad(name: string, wanted: string, then: string): void {
    this.#tell(`${PREFIX}${name}`, {
      code: 'ingress-annotation-value',
      severity: 'warning',
      message: `annotation "${PREFIX}${name}" is ${JSON.stringify(this.#text(name))}, not ${wanted}: ${then}`,
    });
  }

  /** Rather than let all in, the controller lets nobody in. */
  #deny(name: string, wanted: string): void {
    this.#denied ??= `${PREFIX}${name} cannot be read`;
    this.#bad(name, wanted, 'the locations of this Ingress answer 503');
  }

  /** '' where it is not there. */
  #text(name: string): string {
    return (this.#annotations[`${PREFIX}${name}`] ?? '').trim();
  }

  #value<T>(name: string, fallback: T, wanted: string, parse: (text: string) => T | undefined): T {
    const text = this.#text(name);
    if (text === '') return fallback;
    const value = parse(text);
    if (value !== undefined) return value;
    const shown = typeof fallback === 'boolean' || typeof fallback === 'number' ? ` (${fallback})` : '';
    this.#bad(name, wanted, `it counts as not set${shown}`);
    return fallback;
  }

  #flag(name: string, fallback: boolean): boolean {
    return this.#value(name, fallback, 'true or false', parseFlag);
  }

  #number(name: string, fallback: number): number {
    return this.#value(name, fallback, 'a whole number', parseWhole);
  }

  #choice(name: string, choices: readonly string[], fallback: string): string {
    const value = this.#text(name).toUpperCase();
    if (value === '') return fallback;
    if (choices.includes(value)) return value;
    this.#bad(name, `one of ${choices.join(', ')}`, `it counts as ${fallback}`);
    return fallback;
  }

  /** The first of the names that is there counts. Undefined: none is. */
  #ranges(...names: readonly string[]): Prefix[] | undefined {
    const name = names.find((each) => this.#text(each) !== '');
    if (name === undefined) return undefined;
    const ranges = parseRanges(this.#text(name));
    if (ranges === undefined) this.#deny(name, 'a list of addresses and CIDRs');
    return ranges;
  }

  #appRoot(): string {
    const root = this.#text('app-root');
    if (root === '' || root.startsWith('/')) return root;
    this.#bad('app-root', 'an absolute path', 'it counts as not set');
    return '';
  }

  #redirect(): Settings['redirect'] {
    const temporal = this.#text('temporal-redirect');
    if (temporal !== '') {
      if (!/^https?:/i.test(temporal)) {
        this.#bad('temporal-redirect', 'a URL of http or https', 'it counts as not set');
        return undefined;
      }
      return {
        code: this.#redirectCode('temporal-redirect-code', 302),
        url: this.#safe('temporal-redirect', temporal),
      };
    }
    const permanent = this.#text('permanent-redirect');
    if (permanent === '') return undefined;
    return {
      code: this.#redirectCode('permanent-redirect-code', 301),
      url: this.#safe('permanent-redirect', permanent),
    };
  }

  #redirectCode(name: string, fallback: number): number {
    const code = this.#number(name, fallback);
    if (code >= 300 && code <= 308) return code;
    this.#bad(name, 'a status from 300 to 308', `it counts as ${fallback}`);
    return fallback;
  }

  /** Variables that nginx has decoded can hold a line end, and with it a header field of the client's choice. */
  #safe(name: string, url: string): string {
    const found = /\$\{?(uri|document_uri|[1-9])\b/.exec(url);
    if (found !== null) {
      this.#tell(`${PREFIX}${name}`, {
        code: 'ingress-redirect-injection',
        severity: 'warning',
        message: `"$${found[1]}" is decoded: with %0d%0a in the path a client can write header fields into the answer; use $request_uri`,
      });
    }
    return url;
  }

  #customErrors(): readonly number[] {
    const name = 'custom-http-errors';
    const text = this.#text(name);
    if (text === '') return this.#globals.customErrors;
    // Go's Atoi takes no space: one between the codes undoes them all.
    if (/^[45]\d\d(,[45]\d\d)*$/.test(text)) return text.split(',').map(Number);
    const spaced = /^[\d, ]+$/.test(text);
    this.#bad(name, `codes from 400 to 599${spaced ? ' without spaces' : ''}`, 'it counts as not set');
    return this.#globals.customErrors;
  }

  #canary(): Canary | undefined {
    const canary: Canary = {
      weight: this.#number('canary-weight', 0),
      weightTotal: Math.max(100, this.#number('canary-weight-total', 100)),
      header: this.#text('canary-by-header'),
      headerValue: this.#text('canary-by-header-value'),
      headerPattern: this.#text('canary-by-header-pattern'),
      cookie: this.#text('canary-by-cookie'),
    };
    if (this.#flag('canary', false)) return canary;
    const idle = CANARY.find((name) => this.#text(name) !== '');
    if (idle !== undefined) {
      this.#tell(`${PREFIX}${idle}`, {
        code: 'ingress-canary-not-enabled',
        severity: 'warning',
        message: `annotation "${PREFIX}${idle}" does nothing without ${PREFIX}canary: "true": this is an Ingress like any other`,
      });
    }
    return undefined;
  }

  #balancing(): Balancing {
    const { algorithm, serviceUpstream } = this.#globals;
    const size = this.#number('upstream-hash-by-subset-size', 3);
    return {
      algorithm: this.#value('load-balance', algorithm, 'round_robin or ewma', (text) =>
        text === 'round_robin' || text === 'ewma' ? text : undefined,
      ),
      hashBy: this.#text('upstream-hash-by'),
      subset: this.#flag('upstream-hash-by-subset', false) ? Math.max(1, size) : undefined,
      serviceUpstream: this.#flag('service-upstream', serviceUpstream),
    };
  }

  #limits(): Limits | undefined {
    const perSecond = this.#number('limit-rps', 0);
    const perMinute = this.#number('limit-rpm', 0);
    const connections = this.#number('limit-connections', 0);
    if (perSecond <= 0 && perMinute <= 0 && connections <= 0) return undefined;
    const exempt = this.#text('limit-allowlist') === '' ? 'limit-whitelist' : 'limit-allowlist';
    const ranges = parseRanges(this.#text(exempt));
    if (ranges === undefined) {
      this.#bad(exempt, 'a list of addresses and CIDRs', 'the limits of this Ingress are off');
      return undefined;
    }
    const burst = this.#number('limit-burst-multiplier', 5);
    return { perSecond, perMinute, connections, burst, exempt: ranges };
  }

  #mirror(): Mirror | undefined {
    const target = this.#text('mirror-target');
    if (target === '') return undefined;
    const named = /^[a-z]+:\/\/([^/$?:]+)/.exec(target)?.[1] ?? '';
    return { target, host: this.#text('mirror-host') || named, body: this.#text('mirror-request-body') !== 'off' };
  }

  #nextUpstream(): NextUpstream {
    const { nextUpstream, retryNonIdempotent } = this.#globals;
    const on = this.#value('proxy-next-upstream', nextUpstream.on, 'conditions that nginx knows', parseConditions);
    const timeout = this.#number('proxy-next-upstream-timeout', nextUpstream.timeout / 1000);
    return nextUpstreamOf({
      on: retryNonIdempotent ? [...on, 'non_idempotent'] : on,
      tries: this.#number('proxy-next-upstream-tries', nextUpstream.tries),
      timeout: 1000 * timeout,
    });
  }

  #affinity(): Affinity | undefined {
    const kind = this.#text('affinity');
    if (kind === '') return undefined;
    if (kind !== 'cookie') {
      this.#bad('affinity', '"cookie"', 'it counts as not set');
      return undefined;
    }
    const sameSite = this.#text('session-cookie-samesite');
    if (sameSite !== '' && !SAME_SITE.includes(sameSite)) {
      this.#bad('session-cookie-samesite', `one of ${SAME_SITE.join(', ')}`, 'it counts as not set');
    }
    return {
      cookie: this.#text('session-cookie-name') || 'INGRESSCOOKIE',
      path: this.#text('session-cookie-path'),
      domain: this.#text('session-cookie-domain'),
      expires: this.#seconds('session-cookie-expires'),
      maxAge: this.#seconds('session-cookie-max-age'),
      sameSite: SAME_SITE.includes(sameSite) ? sameSite : '',
      secure: this.#flag('session-cookie-secure', false),
      partitioned: this.#flag('session-cookie-partitioned', false),
      persistent: this.#mode() === 'persistent',
      changeOnFailure: this.#flag('session-cookie-change-on-failure', false),
    };
  }

  #mode(): string {
    return this.#value('affinity-mode', 'balanced', 'balanced or persistent', (text) =>
      text === 'balanced' || text === 'persistent' ? text : undefined,
    );
  }

  #protocol(): string {
    const protocol = this.#choice('backend-protocol', PROTOCOLS, 'HTTP');
    if (/GRPC|FCGI/.test(protocol)) {
      this.#tell(`${PREFIX}backend-protocol`, {
        code: 'ingress-annotation-not-modelled',
        severity: 'info',
        message: `${protocol} towards the backend is not modelled: it is asked in HTTP/1.1 here`,
      });
    }
    return protocol;
  }

  #seconds(name: string): string {
    const value = this.#text(name);
    if (value === '' || /^-?\d{1,12}$/.test(value)) return value;
    this.#bad(name, 'a number of seconds', 'it counts as not set');
    return '';
  }

  #cors(): Cors | undefined {
    if (!this.#flag('enable-cors', false)) return undefined;
    return {
      origins: this.#origins(),
      methods: this.#matching('cors-allow-methods', /^([A-Za-z]+,?\s?)+$/, METHODS),
      headers: this.#matching('cors-allow-headers', /^[A-Za-z0-9-_, ]*$/, HEADERS),
      exposed: this.#matching('cors-expose-headers', /^(([A-Za-z0-9\-_]+|\*),?\s?)+$/, ''),
      credentials: this.#flag('cors-allow-credentials', true),
      maxAge: this.#number('cors-max-age', 1_728_000),
    };
  }

  #matching(name: string, pattern: RegExp, fallback: string): string {
    return this.#value(name, fallback, 'a list of names', (text) => (pattern.test(text) ? text : undefined));
  }

  /** Those that are none are passed over; with characters that no origin has, all origins are allowed. */
  #origins(): string[] {
    const name = 'cors-allow-origin';
    const text = this.#text(name);
    if (text === '') return ['*'];
    if (!/^[A-Za-z0-9\-.:/*, ]*$/.test(text)) {
      this.#bad(name, 'a list of origins such as https://shop.example', 'every origin is allowed');
      return ['*'];
    }
    const named = parseList(text);
    const star = named.indexOf('*');
    const origins = named.filter((origin) => /^([a-z]+:\/\/(\*\.)?[A-Za-z0-9\-.]*(:\d+)?|\*|null)?$/.test(origin));
    if (star !== -1) return ['*'];
    for (const origin of named) {
      if (!origins.includes(origin))
        this.#bad(name, `an origin at ${JSON.stringify(origin)}`, 'that one is passed over');
    }
    return origins;
  }

  #auth(): ExternalAuth | undefined {
    const url = this.#text('auth-url');
    if (url === '') {
      const { auth } = this.#globals;
      return auth === undefined || !this.#flag('enable-global-auth', true) ? undefined : { ...auth, fields: [] };
    }
    if (!isAbsoluteUrl(url)) this.#deny('auth-url', 'a URL with a scheme and a host');
    const method = this.#text('auth-method');
    if (method !== '' && !HTTP_METHODS.includes(method)) this.#deny('auth-method', `one of ${HTTP_METHODS.join(', ')}`);
    const responseHeaders = parseList(this.#text('auth-response-headers'));
    if (!responseHeaders.every((name) => /^[a-zA-Z\d\-_]+$/.test(name))) {
      this.#deny('auth-response-headers', 'a list of names of header fields');
    }
    const cacheFor = parseCacheDurations(this.#text('auth-cache-duration'));
    if (cacheFor === undefined) this.#deny('auth-cache-duration', 'codes and a time such as 200 202 10m');
    return {
      url,
      method,
      signin: this.#text('auth-signin'),
      signinParameter: this.#text('auth-signin-redirect-param') || 'rd',
      responseHeaders,
      requestRedirect: this.#text('auth-request-redirect'),
      alwaysSetCookie: this.#flag('auth-always-set-cookie', false),
      cacheKey: this.#text('auth-cache-key'),
      cacheFor: cacheFor ?? [],
      fields: this.#authFields(),
    };
  }

  /** The ConfigMap that auth-proxy-set-headers names. */
  #authFields(): HeaderField[] {
    const named = this.#text('auth-proxy-set-headers');
    if (named === '') return [];
    const own = objectOf(this.#ingress).namespace;
    const [first = '', second] = named.split('/');
    const [namespace, name] = second === undefined ? [own, first] : [first, second];
    const found = this.#view.get<ConfigMap>('ConfigMap', namespace, name);
    if (found === undefined) this.#deny('auth-proxy-set-headers', 'a ConfigMap that is there');
    return Object.entries(found?.data ?? {});
  }
}

/** `parser.StringToURL`: with a scheme and a host, and no `..` in it. */
function isAbsoluteUrl(url: string): boolean {
  const found = /^[a-zA-Z][a-zA-Z0-9+.-]*:\/\/([^/?#]+)/.exec(url);
  return found !== null && !found[1]!.includes('..');
}

const SAME_SITE = ['None', 'Lax', 'Strict'];
const HTTP_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE'];
const CANARY = [
  'canary-weight',
  'canary-by-header',
  'canary-by-header-value',
  'canary-by-header-pattern',
  'canary-by-cookie',
];
const NOBODY: Ingress = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name: '' }, spec: {} };
const EMPTY: IngressView = { list: () => [], get: () => undefined };

/** What holds where neither an Ingress nor the ConfigMap says anything. */
export const UNSET = plainSettings({ view: EMPTY, globals: readGlobals(EMPTY, {}, []), findings: [] });

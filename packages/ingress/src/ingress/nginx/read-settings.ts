import type { Ingress } from '@netsim/manifest';
import { type Prefix, tryParseIp, tryParsePrefix } from '@netsim/wire';
import type { RouteFinding } from '../../model.ts';
import { objectOf } from '../classes.ts';
import { annotationNameProblem, PREFIX } from './annotations.ts';
import type { Affinity, Canary, Cors, ExternalAuth, Settings } from './settings.ts';

const PROTOCOLS = ['HTTP', 'HTTPS', 'AUTO_HTTP', 'GRPC', 'GRPCS', 'FCGI'];
const METHODS = 'GET, PUT, POST, DELETE, PATCH, OPTIONS';
const HEADERS =
  'DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization';

/** Reads the annotations of an Ingress as the controller's parsers do: a value that it cannot read is as if it were not there. */
export function readSettings(ingress: Ingress, findings: RouteFinding[]): Settings {
  const reader = new Reader(ingress, findings);
  reader.checkNames();
  return reader.isPlain() ? PLAIN : reader.settings();
}

class Reader {
  readonly #ingress: Ingress;
  readonly #annotations: Readonly<Record<string, string>>;
  readonly #findings: RouteFinding[];

  constructor(ingress: Ingress, findings: RouteFinding[]) {
    this.#ingress = ingress;
    this.#annotations = ingress.metadata.annotations ?? {};
    this.#findings = findings;
  }

  /** No annotation of the controller at all: all such Ingresses share one set of defaults. */
  isPlain(): boolean {
    return Object.keys(this.#annotations).every((name) => !name.startsWith(PREFIX));
  }

  checkNames(): void {
    for (const name of Object.keys(this.#annotations)) {
      const problem = annotationNameProblem(name);
      if (problem !== undefined) this.#tell(name, problem);
    }
  }

  settings(): Settings {
    const allow = this.#ranges('whitelist-source-range', 'allowlist-source-range');
    const deny = this.#ranges('denylist-source-range');
    return {
      rewriteTarget: this.#text('rewrite-target'),
      useRegex: this.#flag('use-regex', false),
      appRoot: this.#appRoot(),
      redirect: this.#redirect(),
      fromToWww: this.#flag('from-to-www-redirect', false),
      sslRedirect: this.#flag('ssl-redirect', true),
      forceSslRedirect: this.#flag('force-ssl-redirect', false),
      preserveTrailingSlash: this.#flag('preserve-trailing-slash', false),
      aliases: this.#list('server-alias').map((alias) => alias.toLowerCase()),
      canary: this.#canary(),
      affinity: this.#affinity(),
      upstreamVhost: this.#text('upstream-vhost'),
      allow: allow ?? [],
      deny: deny ?? [],
      tlsToBackend: ['HTTPS', 'GRPCS'].includes(this.#choice('backend-protocol', PROTOCOLS, 'HTTP')),
      cors: this.#cors(),
      bodySize: this.#bytes('proxy-body-size', 1024 ** 2),
      auth: this.#auth(),
      defaultBackend: this.#text('default-backend'),
      customErrors: this.#list('custom-http-errors').flatMap((code) => (/^[45]\d\d$/.test(code) ? [Number(code)] : [])),
      connectTimeout: 1000 * this.#number('proxy-connect-timeout', 5),
      readTimeout: 1000 * this.#number('proxy-read-timeout', 60),
      forwardedPrefix: this.#text('x-forwarded-prefix'),
      sslPassthrough: this.#flag('ssl-passthrough', false),
      denied: allow === undefined || deny === undefined ? 'a source range cannot be read' : undefined,
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

  /** '' where it is not there. */
  #text(name: string): string {
    return (this.#annotations[`${PREFIX}${name}`] ?? '').trim();
  }

  #list(name: string): string[] {
    const items = this.#text(name)
      .split(',')
      .map((item) => item.trim());
    return items.filter((item) => item !== '');
  }

  /** Go's strconv.ParseBool. */
  #flag(name: string, fallback: boolean): boolean {
    const value = this.#text(name);
    if (value === '') return fallback;
    if (/^(1|t|T|TRUE|true|True)$/.test(value)) return true;
    if (/^(0|f|F|FALSE|false|False)$/.test(value)) return false;
    this.#bad(name, 'true or false', `it counts as not set (${fallback})`);
    return fallback;
  }

  #number(name: string, fallback: number): number {
    const value = this.#text(name);
    if (value === '') return fallback;
    if (/^[+-]?\d{1,9}$/.test(value)) return Number(value);
    this.#bad(name, 'a whole number', `it counts as not set (${fallback})`);
    return fallback;
  }

  #choice(name: string, choices: readonly string[], fallback: string): string {
    const value = this.#text(name).toUpperCase();
    if (value === '') return fallback;
    if (choices.includes(value)) return value;
    this.#bad(name, `one of ${choices.join(', ')}`, `it counts as ${fallback}`);
    return fallback;
  }

  /** nginx's sizes: `8m`, `512k`, `0`. */
  #bytes(name: string, fallback: number): number {
    const value = this.#text(name);
    if (value === '') return fallback;
    const found = /^(\d{1,12})([kKmMgG]?)$/.exec(value);
    if (found !== null) return Number(found[1]) * 1024 ** ' kmg'.indexOf(found[2]!.toLowerCase() || ' ');
    this.#bad(name, 'a size such as 8m', 'it counts as not set (1m)');
    return fallback;
  }

  /** Undefined where a range cannot be read: the controller then answers 503 rather than let all in. */
  #ranges(...names: readonly string[]): Prefix[] | undefined {
    const ranges: Prefix[] = [];
    for (const name of names) {
      for (const text of this.#list(name)) {
        const ip = tryParseIp(text);
        const range =
          ip === undefined ? tryParsePrefix(text) : tryParsePrefix(`${text}/${text.includes(':') ? 128 : 32}`);
        if (range === undefined) {
          this.#bad(name, 'a list of addresses and CIDRs', 'the locations of this Ingress answer 503');
          return undefined;
        }
        ranges.push(range);
      }
    }
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

  #canary(): Canary | undefined {
    const canary: Canary = {
      weight: this.#number('canary-weight', 0),
      weightTotal: Math.max(100, this.#number('canary-weight-total', 100)),
      header: this.#text('canary-by-header'),
      headerValue: this.#text('canary-by-header-value'),
      headerPattern: this.#text('canary-by-header-pattern'),
      cookie: this.#text('canary-by-cookie'),
    };
    return this.#flag('canary', false) ? canary : undefined;
  }

  #affinity(): Affinity | undefined {
    const kind = this.#text('affinity');
    if (kind === '') return undefined;
    if (kind !== 'cookie') {
      this.#bad('affinity', '"cookie"', 'it counts as not set');
      return undefined;
    }
    const secure = this.#text('session-cookie-secure');
    return {
      cookie: this.#text('session-cookie-name') || 'INGRESSCOOKIE',
      path: this.#text('session-cookie-path'),
      domain: this.#text('session-cookie-domain'),
      expires: this.#seconds('session-cookie-expires'),
      maxAge: this.#seconds('session-cookie-max-age'),
      sameSite: this.#text('session-cookie-samesite'),
      secure: secure === '' ? undefined : this.#flag('session-cookie-secure', false),
    };
  }

  #seconds(name: string): string {
    const value = this.#text(name);
    if (value === '' || /^-?\d{1,12}$/.test(value)) return value;
    this.#bad(name, 'a number of seconds', 'it counts as not set');
    return '';
  }

  #cors(): Cors | undefined {
    if (!this.#flag('enable-cors', false)) return undefined;
    const origins = this.#list('cors-allow-origin');
    return {
      origins: origins.length === 0 ? ['*'] : origins,
      methods: this.#text('cors-allow-methods') || METHODS,
      headers: this.#text('cors-allow-headers') || HEADERS,
      exposed: this.#text('cors-expose-headers'),
      credentials: this.#flag('cors-allow-credentials', true),
      maxAge: this.#number('cors-max-age', 1_728_000),
    };
  }

  #auth(): ExternalAuth | undefined {
    const url = this.#text('auth-url');
    if (url === '') return undefined;
    return {
      url,
      method: this.#text('auth-method'),
      signin: this.#text('auth-signin'),
      signinParameter: this.#text('auth-signin-redirect-param') || 'rd',
      responseHeaders: this.#list('auth-response-headers'),
    };
  }
}

const NOBODY: Ingress = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name: '' }, spec: {} };
export const PLAIN = new Reader(NOBODY, []).settings();

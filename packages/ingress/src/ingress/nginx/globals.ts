import { type ConfigMap, nearest } from '@netsim/manifest';
import type { Prefix } from '@netsim/wire';
import { tryParsePrefix } from '@netsim/wire';
import type { RouteFinding } from '../../model.ts';
import type { IngressOptions, IngressView } from '../view.ts';
import type { ExternalAuth, NextUpstream } from './settings.ts';
import { parseBytes, parseConditions, parseFlag, parseList, parseRanges, parseWhole } from './values.ts';

/** What the ConfigMap of the controller (`--configmap`) says for all Ingresses, with the defaults of release 1.12. */
export interface Globals {
  /** X-Forwarded-Proto, -Host and -Port of the client count. */
  readonly trustForwarded: boolean;
  /** The client's address is taken from the header field. */
  readonly realIp: boolean;
  /** Who is trusted to say who the client is. */
  readonly trusted: readonly Prefix[];
  /** In lower case. */
  readonly forwardedForHeader: string;
  readonly fullForwardedFor: boolean;
  readonly sslRedirect: boolean;
  readonly forceSslRedirect: boolean;
  readonly redirectCode: number;
  readonly preserveTrailingSlash: boolean;
  readonly relativeRedirects: boolean;
  readonly customErrors: readonly number[];
  readonly interceptErrors: boolean;
  /** The value of Strict-Transport-Security; undefined: it is not sent. */
  readonly hsts: string | undefined;
  readonly bodySize: number;
  /** Seconds. */
  readonly connectTimeout: number;
  readonly readTimeout: number;
  readonly nextUpstream: NextUpstream;
  readonly retryNonIdempotent: boolean;
  readonly allow: readonly Prefix[];
  readonly deny: readonly Prefix[];
  readonly rateStatus: number;
  readonly connectionsStatus: number;
  /** Beginnings of paths that are never sent to https, and that need no auth service. */
  readonly noTlsRedirect: readonly string[];
  readonly noAuth: readonly string[];
  readonly algorithm: 'round_robin' | 'ewma';
  readonly serviceUpstream: boolean;
  readonly underscores: boolean;
  readonly dropInvalidHeaders: boolean;
  readonly snippets: boolean;
  readonly rejectHandshake: boolean;
  readonly auth: Omit<ExternalAuth, 'fields'> | undefined;
}

const MODELLED = `use-forwarded-headers enable-real-ip proxy-real-ip-cidr forwarded-for-header compute-full-forwarded-for
  ssl-redirect force-ssl-redirect http-redirect-code preserve-trailing-slash relative-redirects custom-http-errors
  disable-proxy-intercept-errors hsts hsts-max-age hsts-include-subdomains hsts-preload proxy-body-size
  proxy-connect-timeout proxy-read-timeout proxy-next-upstream proxy-next-upstream-timeout proxy-next-upstream-tries
  retry-non-idempotent whitelist-source-range denylist-source-range block-cidrs limit-req-status-code
  limit-conn-status-code no-tls-redirect-locations no-auth-locations load-balance service-upstream
  enable-underscores-in-headers ignore-invalid-headers allow-snippet-annotations annotations-risk-level
  ssl-reject-handshake global-auth-url global-auth-method global-auth-signin
  global-auth-signin-redirect-param global-auth-response-headers global-auth-request-redirect global-auth-cache-key
  global-auth-cache-duration global-auth-always-set-cookie`;

/** They change answers, but not here. */
const NOT_MODELLED = `add-headers proxy-set-headers hide-headers use-proxy-protocol main-snippet http-snippet server-snippet
  stream-snippet location-snippet global-auth-snippet block-user-agents block-referers limit-rate limit-rate-after
  proxy-redirect-from proxy-redirect-to proxy-cookie-path proxy-cookie-domain enable-modsecurity
  enable-owasp-modsecurity-crs modsecurity-snippet global-allowed-response-headers limit-conn-zone-variable
  annotation-value-word-blocklist proxy-add-original-uri-header generate-request-id strict-validate-path-type`;

/** They have no part in where a request goes. */
const OTHERS = `access-log-params access-log-path allow-backend-server-header allow-cross-namespace-resources bind-address
  brotli-level brotli-min-length brotli-types client-body-buffer-size client-body-timeout client-header-buffer-size
  client-header-timeout datadog-collector-host debug-connections default-type disable-access-log disable-ipv6
  disable-ipv6-dns enable-access-log-for-default-backend enable-aio-write enable-auth-access-log enable-brotli
  enable-multi-accept enable-ocsp enable-opentelemetry enable-serial-reloads enable-ssl-chain-completion enable-syslog
  error-log-level error-log-path grpc-buffer-size-kb gzip-disable gzip-level gzip-min-length gzip-types
  http-access-log-path http2-max-concurrent-streams http2-max-field-size http2-max-header-size http2-max-requests
  keep-alive keep-alive-requests large-client-header-buffers log-format-escape-json log-format-escape-none
  log-format-stream log-format-upstream lua-shared-dicts map-hash-bucket-size max-worker-connections
  max-worker-open-files nginx-status-ipv4-whitelist nginx-status-ipv6-whitelist opentelemetry-config
  opentelemetry-operation-name opentelemetry-trust-incoming-span otel-max-export-batch-size otel-max-queuesize
  otel-sampler otel-sampler-parent-based otel-sampler-ratio otel-schedule-delay-millis otel-service-name
  otlp-collector-host otlp-collector-port plugins proxy-buffer-size proxy-buffering proxy-buffers-number
  proxy-busy-buffers-size proxy-headers-hash-bucket-size proxy-headers-hash-max-size proxy-http-version
  proxy-max-temp-file-size proxy-protocol-header-timeout proxy-request-buffering proxy-send-timeout
  proxy-ssl-location-only proxy-stream-next-upstream proxy-stream-next-upstream-timeout
  proxy-stream-next-upstream-tries proxy-stream-responses proxy-stream-timeout reuse-port
  server-name-hash-bucket-size server-name-hash-max-size server-tokens skip-access-log-urls ssl-buffer-size ssl-ciphers
  ssl-dh-param ssl-early-data ssl-ecdh-curve ssl-protocols ssl-session-cache ssl-session-cache-size
  ssl-session-ticket-key ssl-session-tickets ssl-session-timeout stream-access-log-path syslog-host syslog-port
  upstream-keepalive-connections upstream-keepalive-requests upstream-keepalive-time upstream-keepalive-timeout
  use-geoip use-geoip2 geoip2-autoreload-in-minutes use-gzip use-http2 variables-hash-bucket-size
  variables-hash-max-size worker-cpu-affinity worker-processes worker-serial-reloads worker-shutdown-timeout`;

const words = (text: string): Set<string> => new Set(text.split(/\s+/));
const modelled = words(MODELLED);
const notModelled = words(NOT_MODELLED);
const known = new Set([...modelled, ...notModelled, ...words(OTHERS)]);

/** Reads the ConfigMap that the controller is started with; without one, or without a value, its defaults hold. */
export function readGlobals(
  view: IngressView,
  { configMap }: Pick<IngressOptions, 'configMap'>,
  findings: RouteFinding[],
): Globals {
  const found =
    configMap === undefined ? undefined : view.get<ConfigMap>('ConfigMap', configMap.namespace, configMap.name);
  return new GlobalsReader(found, findings).read();
}

class GlobalsReader {
  readonly #data: Readonly<Record<string, string>>;
  readonly #findings: RouteFinding[];
  readonly #object: RouteFinding['object'];

  constructor(configMap: ConfigMap | undefined, findings: RouteFinding[]) {
    this.#data = configMap?.data ?? {};
    this.#findings = findings;
    const { namespace = 'default', name = '' } = configMap?.metadata ?? {};
    this.#object = { kind: 'ConfigMap', namespace, name };
  }

  read(): Globals {
    for (const key of Object.keys(this.#data)) this.#checkName(key);
    const trustForwarded = this.#flag('use-forwarded-headers', false);
    return {
      trustForwarded,
      realIp: this.#flag('enable-real-ip', false) || trustForwarded,
      trusted: this.#value('proxy-real-ip-cidr', [tryParsePrefix('0.0.0.0/0')!], 'a list of CIDRs', parseRanges),
      forwardedForHeader: (this.#text('forwarded-for-header') || 'X-Forwarded-For').toLowerCase(),
      fullForwardedFor: trustForwarded && this.#flag('compute-full-forwarded-for', false),
      sslRedirect: this.#flag('ssl-redirect', true),
      forceSslRedirect: this.#flag('force-ssl-redirect', false),
      redirectCode: this.#number('http-redirect-code', 308),
      preserveTrailingSlash: this.#flag('preserve-trailing-slash', false),
      relativeRedirects: this.#flag('relative-redirects', false),
      customErrors: this.#value('custom-http-errors', [], 'a list of codes such as 404,503', parseCodes),
      interceptErrors: !this.#flag('disable-proxy-intercept-errors', false),
      hsts: this.#hsts(),
      bodySize: this.#value('proxy-body-size', 1024 ** 2, 'a size such as 8m', parseBytes),
      connectTimeout: this.#number('proxy-connect-timeout', 5),
      readTimeout: this.#number('proxy-read-timeout', 60),
      nextUpstream: nextUpstreamOf({
        on: this.#value('proxy-next-upstream', DEFAULT_NEXT.on, "nginx's conditions", parseConditions),
        tries: this.#number('proxy-next-upstream-tries', DEFAULT_NEXT.tries),
        timeout: 1000 * this.#number('proxy-next-upstream-timeout', 0),
      }),
      retryNonIdempotent: this.#flag('retry-non-idempotent', false),
      allow: this.#value('whitelist-source-range', [], 'a list of addresses and CIDRs', parseRanges),
      deny: [
        ...this.#value('denylist-source-range', [], 'a list of addresses and CIDRs', parseRanges),
        ...this.#value('block-cidrs', [], 'a list of addresses and CIDRs', parseRanges),
      ],
      rateStatus: this.#number('limit-req-status-code', 503),
      connectionsStatus: this.#number('limit-conn-status-code', 503),
      noTlsRedirect: parseList(this.#data['no-tls-redirect-locations'] ?? ACME),
      noAuth: parseList(this.#data['no-auth-locations'] ?? ACME),
      algorithm: this.#value('load-balance', 'round_robin', 'round_robin or ewma', parseAlgorithm),
      serviceUpstream: this.#flag('service-upstream', false),
      underscores: this.#flag('enable-underscores-in-headers', false),
      dropInvalidHeaders: this.#flag('ignore-invalid-headers', true),
      snippets: this.#flag('allow-snippet-annotations', false) && this.#text('annotations-risk-level') === 'Critical',
      rejectHandshake: this.#flag('ssl-reject-handshake', false),
      auth: this.#auth(),
    };
  }

  #checkName(key: string): void {
    if (modelled.has(key)) return;
    if (!known.has(key)) {
      const meant = nearest(key, known);
      const hint = meant === undefined ? '' : ` (did you mean "${meant}"?)`;
      this.#tell(key, 'ingress-config-unknown', 'warning', `unknown option "${key}"${hint}: the controller ignores it`);
    } else if (notModelled.has(key)) {
      const message = `option "${key}" is known but not modelled: it changes nothing here`;
      this.#tell(key, 'ingress-config-not-modelled', 'info', message);
    }
  }

  #tell(key: string, code: string, severity: RouteFinding['severity'], message: string): void {
    this.#findings.push({ code, severity, object: this.#object, field: ['data', key], message });
  }

  #text(key: string): string {
    return (this.#data[key] ?? '').trim();
  }

  #value<T>(key: string, fallback: T, wanted: string, parse: (text: string) => T | undefined): T {
    const text = this.#text(key);
    if (text === '') return fallback;
    const value = parse(text);
    if (value !== undefined) return value;
    const message = `option "${key}" is ${JSON.stringify(text)}, not ${wanted}: its default holds`;
    this.#tell(key, 'ingress-config-value', 'warning', message);
    return fallback;
  }

  #flag(key: string, fallback: boolean): boolean {
    return this.#value(key, fallback, 'true or false', parseFlag);
  }

  #number(key: string, fallback: number): number {
    return this.#value(key, fallback, 'a whole number', parseWhole);
  }

  #hsts(): string | undefined {
    const age = this.#text('hsts-max-age') || '31536000';
    const domains = this.#flag('hsts-include-subdomains', true) ? '; includeSubDomains' : '';
    const preload = this.#flag('hsts-preload', false) ? '; preload' : '';
    return this.#flag('hsts', true) ? `max-age=${age}${domains}${preload}` : undefined;
  }

  #auth(): Globals['auth'] {
    const url = this.#text('global-auth-url');
    if (url === '') return undefined;
    return {
      url,
      method: this.#text('global-auth-method'),
      signin: this.#text('global-auth-signin'),
      signinParameter: this.#text('global-auth-signin-redirect-param') || 'rd',
      responseHeaders: parseList(this.#text('global-auth-response-headers')),
      requestRedirect: this.#text('global-auth-request-redirect'),
      alwaysSetCookie: this.#flag('global-auth-always-set-cookie', false),
      cacheKey: this.#text('global-auth-cache-key'),
      cacheFor: parseCacheDurations(this.#text('global-auth-cache-duration')) ?? parseCacheDurations('')!,
    };
  }
}

/** As a front door of this kind does unless it is told. */
export const DEFAULT_NEXT: NextUpstream = { on: ['error', 'timeout'], tries: 3, timeout: 0 };

/** The same, or the default where it is that. */
export function nextUpstreamOf(next: NextUpstream): NextUpstream {
  const { on, tries, timeout } = DEFAULT_NEXT;
  return next.on.join(' ') === on.join(' ') && next.tries === tries && next.timeout === timeout ? DEFAULT_NEXT : next;
}

/** Where cert-manager answers Let's Encrypt. */
const ACME = '/.well-known/acme-challenge';

function parseCodes(text: string): number[] | undefined {
  const codes = parseList(text).map(Number);
  return codes.every((code) => code >= 300 && code <= 599) ? codes : undefined;
}

function parseAlgorithm(text: string): Globals['algorithm'] | undefined {
  return text === 'round_robin' || text === 'ewma' ? text : undefined;
}

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
  M: 30 * 86_400_000,
  y: 365 * 86_400_000,
};

/** `200 202 10m, 401 5m`; the default is `200 202 401 5m`. Undefined: a part of it has no time. */
export function parseCacheDurations(text: string): ExternalAuth['cacheFor'] | undefined {
  const parts = parseList(text === '' ? '200 202 401 5m' : text).map((part) => {
    const found = /^((?:\d{3} +)*)((?:\d+(?:ms|[smhdwMy]) *)+)$/.exec(part);
    if (found === null) return undefined;
    const times = [...found[2]!.matchAll(/(\d+)(ms|[smhdwMy])/g)];
    const time = times.reduce((sum, [, count, unit]) => sum + Number(count) * UNITS[unit!]!, 0);
    return { statuses: found[1]!.split(' ').filter(Boolean).map(Number), time };
  });
  return parts.every((part) => part !== undefined) ? parts : undefined;
}

import type { Prefix } from '@netsim/wire';
import type { HeaderField } from '../../model.ts';

/** What the annotations of an Ingress say about its locations, with the controller's defaults. */
export interface Settings {
  readonly rewriteTarget: string;
  readonly useRegex: boolean;
  readonly appRoot: string;
  readonly redirect: { readonly code: number; readonly url: string } | undefined;
  readonly fromToWww: boolean;
  readonly sslRedirect: boolean;
  readonly forceSslRedirect: boolean;
  readonly preserveTrailingSlash: boolean;
  readonly aliases: readonly string[];
  readonly canary: Canary | undefined;
  /** A client of the canary is not kept there (`affinity-canary-behavior: legacy`). */
  readonly forgetsCanary: boolean;
  readonly affinity: Affinity | undefined;
  readonly balancing: Balancing;
  readonly upstreamVhost: string;
  readonly allow: readonly Prefix[];
  readonly deny: readonly Prefix[];
  /** One of the two, addresses or a password, is enough (`satisfy: any`). */
  readonly satisfyAny: boolean;
  readonly protocol: string;
  readonly limits: Limits | undefined;
  readonly mirror: Mirror | undefined;
  readonly nextUpstream: NextUpstream;
  readonly cors: Cors | undefined;
  /** Bytes; 0: no limit. */
  readonly bodySize: number;
  readonly auth: ExternalAuth | undefined;
  /** A Service of the same namespace. */
  readonly defaultBackend: string;
  readonly customErrors: readonly number[];
  /** Answers of the backend with these codes are replaced too, not only nginx's own. */
  readonly interceptErrors: boolean;
  readonly relativeRedirects: boolean;
  readonly portInRedirects: boolean;
  /** Milliseconds. */
  readonly connectTimeout: number;
  readonly readTimeout: number;
  readonly forwardedPrefix: string;
  readonly sslPassthrough: boolean;
  /** The locations answer 503: an annotation that protects them cannot be read. */
  readonly denied: string | undefined;
}

/** How a second backend gets a share of the requests for the first one. */
export interface Canary {
  readonly weight: number;
  readonly weightTotal: number;
  readonly header: string;
  readonly headerValue: string;
  readonly headerPattern: string;
  readonly cookie: string;
}

export interface Affinity {
  readonly cookie: string;
  /** '': the path of the location. */
  readonly path: string;
  readonly domain: string;
  /** Seconds, as written; '': none. */
  readonly expires: string;
  readonly maxAge: string;
  readonly sameSite: string;
  /** Also where the client speaks no TLS. */
  readonly secure: boolean;
  readonly partitioned: boolean;
  /** A cookie names its endpoint for good; otherwise some clients move when endpoints come. */
  readonly persistent: boolean;
  readonly changeOnFailure: boolean;
}

/** How the endpoints of an upstream share its requests, where no cookie settles it. */
export interface Balancing {
  readonly algorithm: 'round_robin' | 'ewma';
  /** Text with variables, whose value chooses the endpoint; '': none. */
  readonly hashBy: string;
  /** How many endpoints the value chooses, of which one is drawn; undefined: it chooses one. */
  readonly subset: number | undefined;
  /** Connections go to the Service's own address. */
  readonly serviceUpstream: boolean;
}

/** What one client may ask of an Ingress; 0: any number. */
export interface Limits {
  readonly perSecond: number;
  readonly perMinute: number;
  readonly connections: number;
  /** How many times the limit may be asked at once. */
  readonly burst: number;
  readonly exempt: readonly Prefix[];
}

export interface Mirror {
  /** With variables. */
  readonly target: string;
  readonly host: string;
  readonly body: boolean;
}

/** When a request is tried on another endpoint. */
export interface NextUpstream {
  /** nginx's words: `error`, `timeout`, `http_503`, `non_idempotent`. */
  readonly on: readonly string[];
  /** 0: no limit. */
  readonly tries: number;
  /** Milliseconds; 0: no limit. */
  readonly timeout: number;
}

export interface Cors {
  readonly origins: readonly string[];
  readonly methods: string;
  readonly headers: string;
  readonly exposed: string;
  readonly credentials: boolean;
  readonly maxAge: number;
}

export interface ExternalAuth {
  readonly url: string;
  readonly method: string;
  readonly signin: string;
  readonly signinParameter: string;
  readonly responseHeaders: readonly string[];
  /** What it is told of where the client wants to go; '': the path. */
  readonly requestRedirect: string;
  readonly alwaysSetCookie: boolean;
  /** With variables; '': nothing is kept. */
  readonly cacheKey: string;
  readonly cacheFor: readonly CacheDuration[];
  /** Header fields of a ConfigMap. */
  readonly fields: readonly HeaderField[];
}

/** How long an answer of an auth service is good. */
export interface CacheDuration {
  /** Empty: 200, 301 and 302. */
  readonly statuses: readonly number[];
  /** Milliseconds. */
  readonly time: number;
}

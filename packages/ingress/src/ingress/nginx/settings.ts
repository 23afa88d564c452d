import type { Prefix } from '@netsim/wire';

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
  readonly affinity: Affinity | undefined;
  readonly upstreamVhost: string;
  readonly allow: readonly Prefix[];
  readonly deny: readonly Prefix[];
  readonly tlsToBackend: boolean;
  readonly cors: Cors | undefined;
  /** Bytes; 0: no limit. */
  readonly bodySize: number;
  readonly auth: ExternalAuth | undefined;
  /** A Service of the same namespace. */
  readonly defaultBackend: string;
  readonly customErrors: readonly number[];
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
  /** Undefined: where the client speaks TLS. */
  readonly secure: boolean | undefined;
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
}

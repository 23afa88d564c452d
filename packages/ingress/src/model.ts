/**
 * The nouns of the front door: a request comes in, a decision goes out. Both the Ingress routers and the Gateway API router
 * speak them, so whoever carries the request (the controller's pod, `netsim routes`, a unit test) does not care which it is.
 */

/** One HTTP request as the front door receives it. Texts hold what came over the wire, one character a byte. */
export interface FrontRequest {
  readonly scheme: 'http' | 'https';
  readonly method: string;
  readonly version: '1.0' | '1.1' | '2';
  /** The `Host` header or `:authority`, exactly as sent. Undefined: there was none. */
  readonly host: string | undefined;
  /** The request target exactly as sent: `/path?query`, `http://host/path`, `*`. */
  readonly target: string;
  /** Header fields in the order they were sent, `Host` left out. */
  readonly headers: readonly HeaderField[];
  /** The server name of the TLS handshake. */
  readonly sni?: string;
  /** The port of the listener that it came to. */
  readonly port: number;
  /** Who sent it, as the front door sees it. */
  readonly clientAddress?: string;
}

export type HeaderField = readonly [name: string, value: string];

/** One rule of one object: what a user would point at. */
export interface RouteRule {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** Where it stands in the object, for the file and line: `['spec', 'rules', 0, 'http', 'paths', 1]`. */
  readonly field: readonly (string | number)[];
  /** The host as written; `*` where the rule names none. */
  readonly host: string;
  /** The path as written, or what else it matches on, in words. */
  readonly path: string;
  readonly pathType: string;
  readonly backends: readonly Backend[];
}

/** Where a request is sent to. */
export type Backend =
  | {
      readonly kind: 'service';
      readonly namespace: string;
      readonly name: string;
      /** A number or a name of the Service's port. */
      readonly port: number | string;
      readonly weight?: number;
      /** Connections go to the Service's own address instead of its endpoints. */
      readonly clusterIp?: true;
    }
  | { readonly kind: 'resource'; readonly text: string; readonly weight?: number }
  /** The controller's own answer to what nobody wants. */
  | { readonly kind: 'default-backend' };

export type Outcome =
  | Forward
  | {
      readonly kind: 'redirect';
      readonly status: number;
      readonly location: string;
      readonly headers: readonly HeaderField[];
    }
  | {
      readonly kind: 'respond';
      readonly status: number;
      readonly headers: readonly HeaderField[];
      readonly body: string;
    }
  /** Bytes are passed on unread: TLS passthrough, TCP and UDP routes. */
  | { readonly kind: 'pass-through'; readonly backend: Backend }
  /** The connection is ended without an HTTP answer. */
  | { readonly kind: 'close'; readonly why: string };

/** The request goes to a backend, changed in these ways. */
export interface Forward {
  readonly kind: 'forward';
  readonly backend: Backend;
  /** The request target that the backend sees. */
  readonly target: string;
  /** The `Host` that the backend sees. */
  readonly host: string;
  /** The header fields that the backend sees, `Host` left out. */
  readonly headers: readonly HeaderField[];
  /** What is done to the header fields of the answer, also of one that the front door gives itself. */
  readonly response: readonly HeaderChange[];
  /** Milliseconds; 0: no limit. */
  readonly timeouts: { readonly request: number; readonly backendRequest: number; readonly connect: number };
  readonly tlsToBackend: boolean;
  /** How the backend proves who it is; undefined: its certificate is not looked at. */
  readonly backendTls?: BackendTls;
  readonly mirrors: readonly Backend[];
  readonly retry?: {
    readonly codes: readonly number[];
    readonly attempts: number;
    /** Milliseconds between tries. */
    readonly backoff?: number;
  };
  readonly affinity?: CookieAffinity;
  /** The same client address comes to the same endpoint. */
  readonly clientAffinity?: boolean;
  /** How the endpoint is chosen; absent: in turn. */
  readonly balance?: Balance;
  /** When the next endpoint is tried; absent: as the front door does by default. */
  readonly next?: NextEndpoint;
  readonly limits?: RequestLimits;
  /** URLs that get a copy of the request; what they answer is thrown away. */
  readonly copies?: readonly { readonly url: string; readonly host: string; readonly body: boolean }[];
  /** Who the client is, where a proxy in front is trusted to say so. */
  readonly client?: TrustedClient;
  /** Asked before the backend: a 2xx lets the request pass, 401 and 403 are handed to the client, all else is a 500. */
  readonly auth?: AuthRequest;
  /** Bytes of a request body that are let through, 413 above; 0 or absent: no limit. */
  readonly maxBody?: number;
  /** An answer with one of these codes is replaced by what another backend says. */
  readonly onStatus?: {
    readonly codes: readonly number[];
    readonly backend: Backend;
    /** What the other backend is told of the request. */
    readonly headers: readonly HeaderField[];
    /** Only where the front door itself would answer so, not the backend. */
    readonly ownOnly?: true;
  };
}

/** A choice of the endpoint by other means than in turn. */
export type Balance =
  /** Of two that are drawn the one that has answered faster (`load-balance: ewma`). */
  | { readonly kind: 'ewma' }
  /** The same key comes to the same endpoint, or to one of as many as `subset` says. */
  | { readonly kind: 'hash'; readonly key: string; readonly subset?: number };

/** nginx's `proxy_next_upstream`. */
export interface NextEndpoint {
  /** `error`, `timeout`, `http_503`, `non_idempotent`; none: never. */
  readonly on: readonly string[];
  /** 0: no limit. */
  readonly tries: number;
  /** Milliseconds; 0: no limit. */
  readonly timeout: number;
}

/** What one client may ask; more is refused. */
export interface RequestLimits {
  /** Whose requests are counted together. */
  readonly zone: string;
  readonly client: string;
  /** `perMinute` requests on average, `burst` more at once. */
  readonly rates: readonly { readonly perMinute: number; readonly burst: number }[];
  /** Requests under way at a time; 0: any number. */
  readonly connections: number;
  readonly status: { readonly rate: number; readonly connections: number };
}

/** A client by the words of a proxy in front that is trusted. */
export interface TrustedClient {
  readonly address: string;
  /** `X-Forwarded-For` for the backend. */
  readonly forwardedFor: string;
  readonly scheme: string;
  readonly port: string;
  readonly host: string;
}

/** A cookie that the front door sets, so that the same client comes to the same endpoint. */
export interface CookieAffinity {
  readonly cookie: string;
  /** What the client sent; undefined: an endpoint is drawn. */
  readonly value?: string;
  /** What a new value ends with, `|` before it: whose cookie it is; absent: nothing. */
  readonly key?: string;
  /** A value names one endpoint for good; absent: it is hashed over those that are there. */
  readonly persistent?: true;
  /** A client whose endpoint fails is moved to another. */
  readonly changeOnFailure?: true;
  /** No cookie is set here: another rule of the same backend asks for it. */
  readonly silent?: true;
  /** What follows the value in `Set-Cookie`: `; Path=/; HttpOnly`. */
  readonly attributes: string;
  /** Seconds from the answer, for an `Expires` before the other attributes. */
  readonly expires?: number;
}

/** A request of its own, with the header fields of the client's and no body. */
export interface AuthRequest {
  readonly method: string;
  /** Absolute, with the variables put in. */
  readonly url: string;
  /** Where a 401 is sent instead of being handed on. */
  readonly signin?: string;
  /** Fields of its answer that the backend gets in the place of the client's. */
  readonly responseHeaders: readonly string[];
  /** Fields that it gets beside the client's. */
  readonly fields?: readonly HeaderField[];
  /** Its cookie goes to the client with every answer; absent: with success and redirects. */
  readonly alwaysSetCookie?: true;
  /** Its answers are kept under this key, by status for so many milliseconds. */
  readonly cache?: {
    readonly key: string;
    readonly times: readonly { readonly statuses: readonly number[]; readonly time: number }[];
  };
}

/** The certificate that ends a TLS connection, as a client sees it. */
export interface ServerCertificate {
  /** As openssl prints it: `CN=foo.com, O=Acme`. */
  readonly subject: string;
  readonly issuer: string;
  /** Subject alternative names of type DNS; the common name where there are none. */
  readonly names: readonly string[];
  /** Epoch milliseconds. */
  readonly validFrom: number;
  readonly validTo: number;
  /** Where it stands; undefined: the controller's own. */
  readonly secret?: { readonly namespace: string; readonly name: string };
}

/** TLS towards a backend, as a BackendTLSPolicy asks for it. */
export interface BackendTls {
  /** The server name of the handshake. */
  readonly serverName: string;
  /** ConfigMaps with `ca.crt`, or what the system trusts. */
  readonly authorities: 'System' | readonly { readonly namespace: string; readonly name: string }[];
  /** The certificate must be good for one of these: host names or URIs. */
  readonly subjectNames: readonly string[];
  /** The Secret with the certificate that is shown to the backend. */
  readonly clientCertificate?: { readonly namespace: string; readonly name: string };
}

export type HeaderChange =
  | { readonly kind: 'set'; readonly name: string; readonly value: string }
  | { readonly kind: 'add'; readonly name: string; readonly value: string }
  | { readonly kind: 'remove'; readonly name: string };

/** A rule that was looked at, and why it won or lost. */
export interface Considered {
  readonly rule: RouteRule;
  readonly won: boolean;
  /** One line: `path /foo is not a prefix of /bar`. */
  readonly why: string;
}

export interface Decision {
  readonly outcome: Outcome;
  /** The rule that decided; undefined: nobody's rule, the default answer. */
  readonly rule?: RouteRule;
  readonly considered: readonly Considered[];
}

/** A row of `netsim routes`: rules in order of precedence, the first that matches wins. */
export interface RouteRow {
  readonly rule: RouteRule;
  /** The rule that takes every request that this one could have had. */
  readonly shadowedBy?: RouteRule;
  readonly notes: readonly string[];
}

export interface RouteFinding {
  readonly code: string;
  readonly severity: 'error' | 'warning' | 'info';
  readonly object: { readonly kind: string; readonly namespace: string; readonly name: string };
  readonly field: readonly (string | number)[];
  readonly message: string;
}

/** What a controller has compiled from the objects it watches. Immutable: a changed object makes a new one. */
export interface Router {
  /** Decides without saying why: the fast path. `chance` in [0, 1) settles weights. */
  decide(request: FrontRequest, chance: number): Outcome;
  /** The same decision, with each rule that was considered. */
  explain(request: FrontRequest, chance: number): Decision;
  /** The rules for a host, or all, in order of precedence. */
  routes(host?: string): readonly RouteRow[];
  readonly findings: readonly RouteFinding[];
}

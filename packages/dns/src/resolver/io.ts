/** What a resolver asks its host to do, and what the host tells it: the socket calls of a libc, without the waiting. */

export type SocketError =
  | 'ECONNREFUSED'
  | 'ECONNRESET'
  | 'EHOSTUNREACH'
  | 'ENETUNREACH'
  | 'EPERM'
  | 'ETIMEDOUT'
  | 'EPIPE'
  | 'EAFNOSUPPORT';

/** The calls of a look-up that do not wait. Sockets are numbered by the look-up. */
export interface ResolverHost {
  /**
   * Makes a socket. With `connect` it is connected to that server (and so hears of ICMP errors); without, it is bound to any
   * address. A TCP socket is always connected; whether that worked is an event.
   */
  open(socket: number, transport: Transport, connect?: string): void;
  /**
   * Sends one DNS message to `server`, port 53. On TCP the host adds the two octets of length. Returns the error where the system
   * call itself fails (a rule that drops in OUTPUT: EPERM).
   */
  send(socket: number, server: string, message: Uint8Array): SocketError | undefined;
  close(socket: number): void;
  /** The next event that comes before time passes; undefined where there is none, or where one is told of when it is waited for only. */
  poll(): ResolverEvent | undefined;
}

export type Transport = 'udp' | 'tcp';

export type ResolverEvent =
  | { readonly kind: 'message'; readonly socket: number; readonly server: string; readonly message: Uint8Array }
  | { readonly kind: 'error'; readonly socket: number; readonly error: SocketError }
  | { readonly kind: 'timeout' };

/**
 * A look-up at work. It yields where it waits: until when, in milliseconds of virtual time (may be Infinity); and is given the next
 * event, or `timeout` when that time has come.
 */
export type Conversation<T> = Generator<number, T, ResolverEvent>;

/** Begins a look-up on a host. */
export type Talk<T> = (host: ResolverHost) => Conversation<T>;

/** Virtual time in milliseconds. */
export interface ResolverClock {
  readonly now: number;
}

export type Family = 'unspec' | 'inet' | 'inet6';

/** One query that went out, and what came back to it. */
export interface Query {
  readonly server: string;
  /** As on the wire, with the final dot; empty where the message is malformed. */
  readonly name: string;
  readonly type: string;
  readonly transport: Transport;
  /** Milliseconds since the look-up began. */
  readonly at: number;
  readonly message: Uint8Array;
  /** The reply that was taken for this query; none where it was lost, late, or of another. */
  reply?: Uint8Array;
  /** Milliseconds since the look-up began. */
  repliedAt?: number;
  /** `NOERROR`, `NXDOMAIN`, ...; absent without a reply. */
  rcode?: string;
  /** The answer section as text: `A 10.96.1.1`, `CNAME www.example.com`. */
  answers: readonly string[];
  /** Why the socket gave up, where it did. */
  error?: SocketError;
}

/** Numbers are those of Linux `netdb.h`. */
export const EAI = {
  EAI_NONAME: -2,
  EAI_AGAIN: -3,
  EAI_FAIL: -4,
  EAI_NODATA: -5,
  EAI_ADDRFAMILY: -9,
  EAI_SYSTEM: -11,
} as const;
export type EaiError = keyof typeof EAI;

/** What getaddrinfo gives: addresses in the order a program would try them, or an error; and how it came to it. */
export interface LookupResult {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly canonicalName?: string;
  readonly error?: EaiError;
  /** Where the addresses came from. */
  readonly from?: 'numeric' | 'hosts' | 'dns';
  /** Every query in the order of sending. */
  readonly queries: readonly Query[];
  readonly elapsedMs: number;
}

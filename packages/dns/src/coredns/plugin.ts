import type { Ip } from '@netsim/wire';
import type { Directive, Statement } from '../corefile/parse.ts';
import type { ClusterIndexes } from './kubernetes/cluster-indexes.ts';
import type { DnsMessage, Question, Rcode } from './message.ts';

export type Transport = 'udp' | 'tcp';

/** Where a query came from, and where it arrived. */
export interface QuerySource {
  readonly client: Ip;
  readonly clientPort?: number;
  /** The address that was asked. */
  readonly server: Ip;
  /** The port that was asked; 53 where it is not said. */
  readonly port?: number;
  readonly transport: Transport;
}

/** A query on its way through the plugins of a server block. */
export interface Request {
  readonly message: DnsMessage;
  readonly question: Question;
  /** The question's name in lower case. */
  readonly name: string;
  readonly source: QuerySource;
}

/** What a plugin made of a request. */
export type Outcome =
  | { readonly kind: 'reply'; readonly message: DnsMessage }
  /** Nobody wrote a reply: the server writes an empty one with this code. */
  | { readonly kind: 'unwritten'; readonly rcode: Rcode; readonly reason: string }
  /** No reply at all. */
  | { readonly kind: 'dropped'; readonly reason: string };

/** Asks another server; what comes back is the reply, or why there is none. */
export interface Exchange {
  readonly server: UpstreamServer;
  readonly query: DnsMessage;
  /** The request that this one serves. */
  readonly source: QuerySource;
}
export interface UpstreamServer {
  readonly ip: Ip;
  readonly port: number;
  readonly transport: 'udp' | 'tcp' | 'tls';
}
export type ExchangeResult =
  | { readonly kind: 'reply'; readonly message: DnsMessage }
  | { readonly kind: 'failed'; readonly reason: string };

/** What asks other servers on its way to a result. */
export type Waiting<T> = Generator<Exchange, T, ExchangeResult>;
/** A plugin at work. */
export type Serving = Waiting<Outcome>;
/** The outcome, where it is there at once as mostly; else what comes to it. */
export type Served = Outcome | Serving;

export interface Handler {
  readonly name: string;
  serve(request: Request): Served;
}

export function isWaiting<T extends object | string>(result: T): result is Extract<T, Waiting<unknown>> {
  return typeof result === 'object' && 'next' in result;
}

/** For what may wait itself: goes on with a result that may have to be waited for. */
export function* settled<T extends object | string>(result: T | Waiting<T>): Waiting<T> {
  return typeof result === 'object' && 'next' in result ? yield* result : result;
}

/** What a plugin makes of the outcome of those behind it. */
export function afterwards(
  served: Served,
  request: Request,
  change: (outcome: Outcome, request: Request) => Outcome,
): Served {
  return isWaiting(served) ? changedLater(served, request, change) : change(served, request);
}

function* changedLater(
  serving: Serving,
  request: Request,
  change: (outcome: Outcome, request: Request) => Outcome,
): Serving {
  return change(yield* serving, request);
}

/** A zone that a plugin can give out whole: SOA first; `undefined` where the plugin does not hold the zone. */
export interface Transferer {
  transfer(zone: string, serial: number): readonly import('./message.ts').ResourceRecord[] | undefined;
}

/** What a plugin is set up with. */
export interface SetupContext {
  /** The zones of the server block, in lower case, fully qualified. */
  readonly zones: readonly string[];
  readonly environment: Environment;
  /** Reports a mistake in the Corefile, at a line of it, and what was probably meant. */
  error(at: Statement | Directive, message: string, suggestion?: string): void;
  /** Asks this server block itself, as a query for another name; used to follow names out of a zone. */
  lookup(request: Request, name: string, type: string): Waiting<DnsMessage | undefined>;
  /** The handler of another plugin of this block, once all are set up. */
  find(name: string): Handler | undefined;
  /** All plugins of this block that can transfer a zone. */
  transferers(): readonly Transferer[];
}

/** What the outside gives to all plugins. */
export interface Environment {
  readonly indexes: ClusterIndexes;
  /** Virtual time in seconds since 1970. */
  now(): number;
  /** An integer in [0, bound). */
  below(bound: number): number;
  /** The text of a file, or undefined. */
  file(path: string): string | undefined;
  /** Paths of the files in a directory. */
  files(directory: string): readonly string[];
  /** The addresses of this CoreDNS, without loopback. */
  readonly localIps: readonly string[];
  readonly hostname: string;
  readonly synced: () => boolean;
  /** A line that CoreDNS writes to its standard output. */
  log(line: string): void;
  /** To be called where a plugin comes to know what may make its answers others than before. */
  changed(): void;
  /** Calls back when CoreDNS ends. */
  onClose(end: () => void): void;
}

/** Makes a handler in front of `next`; `undefined` where the plugin leaves answers alone. */
export type Link = (next: Handler) => Handler;
export type Setup = (directives: readonly Directive[], context: SetupContext) => Link | undefined;

/** A reply that was written. */
export function replied(message: DnsMessage): Outcome {
  return { kind: 'reply', message };
}

export function unwritten(rcode: Rcode, reason: string): Outcome {
  return { kind: 'unwritten', rcode, reason };
}

/** A request for another question, as if the client had asked it. */
export function withQuestion(request: Request, name: string, type: string): Request {
  const question: Question = { name, type, class: request.question.class };
  return {
    ...request,
    question,
    name: name.toLowerCase(),
    message: { ...request.message, questions: [question] },
  };
}

/** The end of every chain: nobody answered. */
export const LAST: Handler = {
  name: 'last',
  serve() {
    return unwritten('SERVFAIL', 'no next plugin found');
  },
};

import {
  type Conversation,
  type DnsMessage,
  decodeMessage,
  encodeMessage,
  type ResolverClock,
  type ResolverHost,
  type SocketError,
  type Talk,
  type ToolFailure,
  type ToolReply,
  type Transport,
  WireError,
} from '@netsim/dns';

/** How a tool asks. */
export interface AskOptions {
  readonly clock: ResolverClock;
  /** Milliseconds for each try. */
  readonly timeout: number;
  readonly tries: number;
  readonly transport?: Transport;
}

/** What came of asking: a reply, or why each try failed. */
export interface Asked {
  readonly reply?: ToolReply;
  readonly failures: readonly ToolFailure[];
}

const words: Partial<Record<SocketError, ToolFailure['error']>> = {
  ECONNREFUSED: 'connection refused',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
};

/** Asks the servers in turn until one replies, as the tools of bind do; over TCP where the reply was cut. */
export function ask(servers: readonly string[], query: DnsMessage, options: AskOptions): Talk<Asked> {
  return (host) => askOn(host, servers, query, options);
}

function* askOn(
  host: ResolverHost,
  servers: readonly string[],
  query: DnsMessage,
  options: AskOptions,
): Conversation<Asked> {
  const failures: ToolFailure[] = [];
  let transport = options.transport ?? 'udp';
  let socket = 0;
  for (let attempt = 0; attempt < options.tries; attempt++) {
    for (const server of servers) {
      const result = yield* once(host, socket++, server, query, transport, options);
      if (typeof result === 'string') failures.push({ server, error: result });
      else if (result.message.tc && transport === 'udp') {
        transport = 'tcp';
        const whole = yield* once(host, socket++, server, query, transport, options);
        if (typeof whole !== 'string') return { reply: whole, failures };
        failures.push({ server, error: whole });
      } else return { reply: result, failures };
    }
  }
  return { failures };
}

function* once(
  host: ResolverHost,
  socket: number,
  server: string,
  query: DnsMessage,
  transport: Transport,
  { clock, timeout }: AskOptions,
): Conversation<ToolReply | ToolFailure['error']> {
  const start = clock.now;
  host.open(socket, transport, server);
  let error = host.send(socket, server, encodeMessage(query));
  while (error === undefined) {
    const event = host.poll() ?? (yield start + timeout);
    if (event.kind === 'error') error = event.error;
    if (event.kind !== 'message') break;
    const message = decoded(event.message);
    if (message?.id !== query.id) continue;
    host.close(socket);
    return { message, server, transport, size: event.message.length, elapsedMs: clock.now - start };
  }
  host.close(socket);
  return (error === undefined ? undefined : words[error]) ?? 'timed out';
}

function decoded(bytes: Uint8Array): DnsMessage | undefined {
  try {
    return decodeMessage(bytes);
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

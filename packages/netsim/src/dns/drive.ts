import type { ResolverEvent, ResolverHost, SocketError, Talk, Transport } from '@netsim/dns';
import type { Errno, Netns } from '@netsim/kernel';
import { formatIp, type Ip, tryParseIp } from '@netsim/wire';
import { waitUntil } from '../exec/wait.ts';
import { FrameReader, frame } from './tcp-frame.ts';

const PORT = 53;

interface Open {
  send(server: Ip, message: Uint8Array): Errno | '';
  close(): void;
}

/**
 * Runs a look-up over the sockets of a netns: every query is a packet of the emulated network, and virtual time passes
 * while the resolver waits. Returns what the look-up returns; no socket is left behind.
 */
export function driveLookup<T>(netns: Netns, begin: Talk<T>, program = ''): T {
  const { world } = netns;
  const host = new NetnsHost(netns, program);
  const lookup = begin(host);
  const isThere = (): boolean => host.events.length > 0;
  try {
    for (let step = lookup.next(); ; ) {
      if (step.done === true) return step.value;
      waitUntil(world, isThere, Math.max(0, step.value - world.clock.now));
      step = lookup.next(host.poll() ?? { kind: 'timeout' });
    }
  } finally {
    host.closeAll();
  }
}

/** The sockets of a look-up in a netns, and what they heard. */
class NetnsHost implements ResolverHost {
  readonly #netns: Netns;
  readonly #program: string;
  readonly #open = new Map<number, Open>();
  events: ResolverEvent[] = [];

  constructor(netns: Netns, program: string) {
    this.#netns = netns;
    this.#program = program;
  }

  open(socket: number, transport: Transport, connect?: string): void {
    const server = connect === undefined ? undefined : tryParseIp(connect);
    const hear = (event: ResolverEvent): void => {
      if (this.#open.has(socket)) this.events.push(event);
    };
    const make = transport === 'udp' ? openUdp : openTcp;
    this.#open.set(socket, make(this.#netns, this.#program, socket, server, hear));
  }

  close(socket: number): void {
    this.#open.get(socket)?.close();
    this.#open.delete(socket);
    // What a closed socket had in its queue is gone with it.
    if (this.events.length > 0)
      this.events = this.events.filter((event) => event.kind === 'timeout' || event.socket !== socket);
  }

  send(socket: number, server: string, message: Uint8Array): SocketError | undefined {
    const ip = tryParseIp(server);
    const error = ip === undefined ? 'EAFNOSUPPORT' : (this.#open.get(socket)?.send(ip, message) ?? 'EPIPE');
    return error === '' ? undefined : socketError(error);
  }

  /** Lets the packets that are under way arrive. */
  poll(): ResolverEvent | undefined {
    if (this.events.length === 0) this.#netns.world.run();
    return this.events.shift();
  }

  closeAll(): void {
    for (const socket of this.#open.values()) socket.close();
  }
}

type Hear = (event: ResolverEvent) => void;

function openUdp(netns: Netns, program: string, id: number, server: Ip | undefined, hear: Hear): Open {
  const socket = netns.sockets.udp.bind({
    program,
    onMessage: ({ src, payload, payloadLength }) =>
      hear({
        kind: 'message',
        socket: id,
        server: formatIp(src),
        message: payload ?? new Uint8Array(payloadLength),
      }),
    onError: (error) => hear({ kind: 'error', socket: id, error: socketError(error) }),
  });
  if (typeof socket === 'string') return { send: () => socket, close: () => {} };
  const failed = server === undefined ? '' : socket.connect(server, PORT);
  return {
    send: (dst, payload) => failed || socket.send({ dst, dport: PORT, payload }),
    close: () => socket.close(),
  };
}

function openTcp(netns: Netns, program: string, id: number, server: Ip | undefined, hear: Hear): Open {
  if (server === undefined) return { send: () => 'ENETUNREACH', close: () => {} };
  const reader = new FrameReader();
  const waiting: Uint8Array[] = [];
  let connected = false;
  const connection = netns.sockets.tcp.connect({
    dst: server,
    dport: PORT,
    program,
    onConnect: (made) => {
      connected = true;
      for (const message of waiting) made.send(frame(message));
    },
    onData: (data, length) => {
      for (const message of reader.push(data ?? new Uint8Array(length))) {
        hear({ kind: 'message', socket: id, server: formatIp(server), message });
      }
    },
    onEnd: () => hear({ kind: 'error', socket: id, error: 'ECONNRESET' }),
    onClose: (error) => {
      if (error !== '') hear({ kind: 'error', socket: id, error: socketError(error) });
    },
  });
  return {
    send: (_, message) => {
      if (connection.error !== '') return connection.error;
      if (connected) return connection.send(frame(message));
      waiting.push(message);
      return '';
    },
    close: () => connection.close(),
  };
}

const known: readonly SocketError[] = [
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EPERM',
  'ETIMEDOUT',
  'EPIPE',
  'EAFNOSUPPORT',
];

/** What a resolver knows of an errno; for it the others are all the same: the server cannot be reached. */
function socketError(error: Errno | SocketError): SocketError {
  return known.find((each) => each === error) ?? 'ENETUNREACH';
}

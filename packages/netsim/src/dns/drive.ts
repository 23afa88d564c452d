import type { Conversation, ResolverEvent, SocketError } from '@netsim/dns';
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
export function driveLookup<T>(netns: Netns, lookup: Conversation<T>, program = ''): T {
  const { world } = netns;
  const open = new Map<number, Open>();
  let events: ResolverEvent[] = [];
  let input: ResolverEvent | undefined;
  try {
    for (;;) {
      const step = lookup.next(input);
      input = undefined;
      if (step.done === true) return step.value;
      const action = step.value;
      switch (action.kind) {
        case 'open': {
          const { socket, transport, connect } = action;
          const server = connect === undefined ? undefined : tryParseIp(connect);
          const hear = (event: ResolverEvent): void => {
            if (open.has(socket)) events.push(event);
          };
          open.set(
            socket,
            transport === 'udp'
              ? openUdp(netns, program, socket, server, hear)
              : openTcp(netns, program, socket, server, hear),
          );
          break;
        }
        case 'close':
          open.get(action.socket)?.close();
          open.delete(action.socket);
          // What a closed socket had in its queue is gone with it.
          events = events.filter((event) => event.kind === 'timeout' || event.socket !== action.socket);
          break;
        case 'send': {
          const { socket, server, message } = action;
          const ip = tryParseIp(server);
          const error = ip === undefined ? 'EAFNOSUPPORT' : (open.get(socket)?.send(ip, message) ?? 'EPIPE');
          if (error !== '') input = { kind: 'error', socket, error: socketError(error) };
          break;
        }
        case 'wait': {
          const patience = Math.max(0, action.until - world.clock.now);
          if (events.length === 0) waitUntil(world, () => events.length > 0, patience);
          input = events.shift() ?? { kind: 'timeout' };
        }
      }
    }
  } finally {
    for (const socket of open.values()) socket.close();
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

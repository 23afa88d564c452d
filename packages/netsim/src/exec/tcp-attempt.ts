import type { Errno, Netns, TcpConnection } from '@netsim/kernel';
import type { Ip } from '@netsim/wire';
import { waitUntil } from './wait.ts';

/** How trying to connect ended: `''` connected, an errno, or `timeout` where the caller's patience ended first. */
export interface TcpAttempt {
  readonly outcome: Errno | '' | 'timeout';
  /** Known at once, before a packet was sent. */
  readonly immediate: boolean;
  /** Milliseconds it took, in virtual time. */
  readonly elapsed: number;
  readonly connection: TcpConnection;
}

/** Collects what comes in on a connection. */
export class Inbox {
  readonly chunks: Uint8Array[] = [];
  ended = false;
  /** The connection is over; `error` says how. */
  closed = false;
  error: Errno | '' = '';

  get bytes(): Uint8Array {
    const whole = new Uint8Array(this.chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    let at = 0;
    for (const chunk of this.chunks) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    return whole;
  }
}

/** Connects, moving the virtual clock until it is decided or `timeout` milliseconds have passed. */
export function connectTcp(
  netns: Netns,
  options: {
    readonly dst: Ip;
    readonly dport: number;
    readonly program: string;
    readonly timeout?: number | undefined;
    readonly src?: Ip | undefined;
  },
  inbox: Inbox = new Inbox(),
): TcpAttempt {
  const { world } = netns;
  const { dst, dport, program, src, timeout = Number.POSITIVE_INFINITY } = options;
  const started = world.clock.now;
  let decided = false;
  const connection = netns.sockets.tcp.connect({
    dst,
    dport,
    program,
    src,
    onConnect: () => {
      decided = true;
    },
    onData: (data, length) => {
      inbox.chunks.push(data ?? new Uint8Array(length));
    },
    onEnd: () => {
      inbox.ended = true;
    },
    onClose: (error) => {
      decided = true;
      inbox.closed = true;
      inbox.error = error;
    },
  });
  const immediate = connection.phase === 'CLOSED';
  waitUntil(world, () => decided, timeout);
  const elapsed = world.clock.now - started;
  if (!decided) {
    connection.abort();
    return { outcome: 'timeout', immediate, elapsed, connection };
  }
  return { outcome: connection.error, immediate, elapsed, connection };
}

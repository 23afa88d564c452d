import type { Errno, Netns, TcpConnection, TcpHandlers } from '@netsim/kernel';
import type { Ip } from '@netsim/wire';

/** Bytes both ways: TCP, or TLS over it. Whoever holds the stream sets the three functions. */
export interface Stream {
  readonly connection: TcpConnection;
  /** '' or why nothing can be sent. */
  send(bytes: Uint8Array): Errno | '';
  /** Sends no more. */
  close(): void;
  abort(): void;
  onData: (bytes: Uint8Array) => void;
  /** The other side sends no more. */
  onEnd: () => void;
  /** It is over: in peace (`error` is '') or not. */
  onClose: (error: Errno | '') => void;
}

class TcpStream implements Stream {
  connection!: TcpConnection;
  onData: Stream['onData'] = () => {};
  onEnd: Stream['onEnd'] = () => {};
  onClose: Stream['onClose'] = () => {};

  get handlers(): TcpHandlers {
    return {
      onData: (data, length) => this.onData(data ?? new Uint8Array(length)),
      onEnd: () => this.onEnd(),
      onClose: (error) => this.onClose(error),
    };
  }
  send(bytes: Uint8Array): Errno | '' {
    return this.connection.send(bytes);
  }
  close(): void {
    this.connection.close();
  }
  abort(): void {
    this.connection.abort();
  }
}

/** The stream of a connection that a listener has accepted. */
export function acceptedStream(connection: TcpConnection): Stream {
  const stream = new TcpStream();
  stream.connection = connection;
  connection.handlers = stream.handlers;
  return stream;
}

export interface ConnectOptions {
  readonly netns: Netns;
  readonly ip: Ip;
  readonly port: number;
  readonly program: string;
  /** Virtual milliseconds for the handshake. */
  readonly timeout: number;
}

/** Connects; `done` gets the stream, or why there is none. Never calls back before it has returned. */
export function connectStream(options: ConnectOptions, done: (result: Stream | Errno) => void): () => void {
  const { netns, ip, port, program, timeout } = options;
  const { clock } = netns.world;
  const stream = new TcpStream();
  let settled = false;
  const settle = (result: Stream | Errno): void => {
    if (settled) return;
    settled = true;
    timer.cancel();
    done(result);
  };
  const timer = clock.schedule(clock.now + timeout, () => {
    if (settled) return;
    stream.connection.abort();
    settle('ETIMEDOUT');
  });
  stream.onClose = (error) => settle(error || 'ECONNRESET');
  const connection = netns.sockets.tcp.connect({
    ...stream.handlers,
    onClose: (error) => {
      // What is known at once is told when the caller is ready to hear it.
      if (stream.connection === undefined) clock.schedule(clock.now, () => stream.onClose(error));
      else stream.onClose(error);
    },
    onConnect: () => settle(stream),
    dst: ip,
    dport: port,
    program,
  });
  stream.connection = connection;
  return () => {
    if (settled) return;
    settled = true;
    timer.cancel();
    connection.abort();
  };
}

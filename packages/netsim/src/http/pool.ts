import type { Errno, Netns } from '@netsim/kernel';
import { formatEndpoint, type Ip } from '@netsim/wire';
import { connectStream, type Stream } from './stream.ts';

/** Where a connection goes, and how long its handshake may take. */
export interface PoolTarget {
  readonly ip: Ip;
  readonly port: number;
  /** Virtual milliseconds. */
  readonly timeout: number;
  /** Connections of another kind to the same place are others. */
  readonly kind?: string;
}

/** Connections of one program that wait for their next request (nginx: `keepalive` of an upstream). */
export class ConnectionPool {
  readonly #netns: Netns;
  readonly #program: string;
  readonly #idle = new Map<string, Stream[]>();
  /** Milliseconds that one may wait. */
  readonly #patience: number;

  constructor(netns: Netns, program: string, patience: number) {
    this.#netns = netns;
    this.#program = program;
    this.#patience = patience;
  }

  /** A connection that waits, else a new one; `reused` says which. */
  take(target: PoolTarget, done: (result: Stream | Errno, reused: boolean) => void): void {
    const waiting = this.#idle.get(keyOf(target.ip, target.port, target.kind))?.pop();
    if (waiting !== undefined) {
      done(waiting, true);
      return;
    }
    connectStream({ netns: this.#netns, program: this.#program, ...target }, (result) => done(result, false));
  }

  /** Takes back a connection whose answer is complete. */
  give(stream: Stream, kind?: string): void {
    const { connection } = stream;
    if (!connection.established) {
      stream.close();
      return;
    }
    const key = keyOf(connection.remoteAddress!, connection.remotePort, kind);
    const idle = this.#idle.get(key) ?? [];
    this.#idle.set(key, idle);
    idle.push(stream);
    const leave = (): void => {
      timer.cancel();
      const at = idle.indexOf(stream);
      if (at >= 0) idle.splice(at, 1);
    };
    const { clock } = this.#netns.world;
    const timer = clock.schedule(clock.now + this.#patience, () => {
      if (!idle.includes(stream)) return;
      leave();
      stream.close();
    });
    stream.onData = () => {};
    stream.onEnd = () => {
      leave();
      stream.close();
    };
    stream.onClose = leave;
  }

  /** Ends the connections that wait for a machine that is no endpoint any more. */
  forget(keep: (endpoint: string) => boolean): void {
    for (const [key, streams] of this.#idle) {
      if (keep(key)) continue;
      for (const stream of streams.splice(0)) stream.close();
      this.#idle.delete(key);
    }
  }
}

function keyOf(ip: Ip, port: number, kind: string | undefined): string {
  const endpoint = formatEndpoint(ip, port);
  return kind === undefined ? endpoint : `${endpoint} ${kind}`;
}

import { formatIp, type Ip, TcpFlag } from '@netsim/wire';
import { DstKind } from '../net/dst.ts';
import { ipLocalOut, routeOutput } from '../net/ip-output.ts';
import type { Netns } from '../net/netns.ts';
import type { Skb } from '../skb.ts';
import type { Errno } from './errno.ts';
import { ConnectPorts } from './ports.ts';
import { bindConflict, Socket } from './socket.ts';
import { TcpConnection, type TcpHandlers } from './tcp.ts';
import { tcpResetFor } from './tcp-reset.ts';

export interface TcpListenOptions {
  readonly address?: Ip | undefined;
  readonly port: number;
  readonly program?: string | undefined;
  /** Connections that may be open at once; more are dropped as by a full accept queue. Default: no limit. */
  readonly backlog?: number | undefined;
  readonly onConnection?: ((connection: TcpConnection) => void) | undefined;
}

export interface TcpConnectOptions extends TcpHandlers {
  readonly dst: Ip;
  readonly dport: number;
  readonly src?: Ip | undefined;
  readonly sport?: number | undefined;
  readonly program?: string | undefined;
}

/** A listening TCP socket. */
export class TcpListener extends Socket {
  readonly protocol = 'tcp';
  readonly options: TcpListenOptions;
  open = 0;

  constructor(netns: Netns, options: TcpListenOptions) {
    super(netns, options.address, options.port, options.program ?? '');
    this.options = options;
  }
  state(): string {
    return 'LISTEN';
  }
  close(): void {
    this.netns.sockets.tcp.removeListener(this);
  }
}

/** The TCP sockets of a netns (Linux: inet_hashinfo): listeners by port, connections by both ports. */
export class TcpSockets {
  readonly #netns: Netns;
  readonly #listeners = new Map<number, TcpListener[]>();
  readonly #connections = new Map<number, TcpConnection[]>();
  readonly #connectPorts = new ConnectPorts();
  /** Local ports that connections have, with how many. */
  readonly #ports = new Map<number, number>();

  constructor(netns: Netns) {
    this.#netns = netns;
  }

  /** A listening socket, or the error of bind. */
  listen(options: TcpListenOptions): TcpListener | Errno {
    const { address, port } = options;
    if (address !== undefined && address !== 0 && address !== 0n && !this.#netns.isLocal(address))
      return 'EADDRNOTAVAIL';
    const others = this.#listeners.get(port);
    if (others?.some((other) => bindConflict(other.localAddress, address))) return 'EADDRINUSE';
    const listener = new TcpListener(this.#netns, options);
    if (others === undefined) this.#listeners.set(port, [listener]);
    else others.push(listener);
    return listener;
  }

  removeListener(listener: TcpListener): void {
    const others = (this.#listeners.get(listener.localPort) ?? []).filter((other) => other !== listener);
    if (others.length === 0) this.#listeners.delete(listener.localPort);
    else this.#listeners.set(listener.localPort, others);
  }

  /** Begins to connect. An error known at once stands in `error` of the connection, whose phase is then CLOSED. */
  connect(options: TcpConnectOptions): TcpConnection {
    const netns = this.#netns;
    const { dst, dport } = options;
    const route = routeOutput(netns, dst, options.src, 0, null);
    const src = options.src ?? route.src ?? (typeof dst === 'number' ? 0 : 0n);
    const port =
      options.sport ??
      this.#connectPorts.take(netns, (candidate) => this.#ports.has(candidate) || this.#listeners.has(candidate));
    const connection = new TcpConnection(netns, src, port ?? 0, dst, dport, options.program ?? '', 'SYN_SENT', options);
    let error: Errno | '' = '';
    if (route.kind === DstKind.ERROR) error = route.error === '' ? 'ENETUNREACH' : route.error;
    else if (port === undefined || this.find(src, port, dst, dport) !== undefined) error = 'EADDRNOTAVAIL';
    else if (options.src !== undefined && !netns.isLocal(options.src)) error = 'EADDRNOTAVAIL';
    if (error === '') {
      this.add(connection);
      error = connection.open();
      if (error !== '') this.remove(connection);
    }
    if (error !== '') {
      connection.phase = 'CLOSED';
      connection.error = error;
      options.onClose?.(error, connection);
    }
    return connection;
  }

  add(connection: TcpConnection): void {
    const key = keyOf(connection.localPort, connection.remotePort);
    const others = this.#connections.get(key);
    if (others === undefined) this.#connections.set(key, [connection]);
    else others.push(connection);
    this.#ports.set(connection.localPort, (this.#ports.get(connection.localPort) ?? 0) + 1);
  }

  remove(connection: TcpConnection): void {
    const key = keyOf(connection.localPort, connection.remotePort);
    const others = this.#connections.get(key);
    const at = others === undefined ? -1 : others.indexOf(connection);
    if (others === undefined || at < 0) return;
    others.splice(at, 1);
    if (others.length === 0) this.#connections.delete(key);
    const count = (this.#ports.get(connection.localPort) ?? 1) - 1;
    if (count === 0) this.#ports.delete(connection.localPort);
    else this.#ports.set(connection.localPort, count);
  }

  list(): Socket[] {
    return [...[...this.#listeners.values()].flat(), ...[...this.#connections.values()].flat()];
  }

  find(local: Ip, lport: number, remote: Ip, rport: number): TcpConnection | undefined {
    const connections = this.#connections.get(keyOf(lport, rport));
    if (connections === undefined) return undefined;
    for (let at = 0; at < connections.length; at++) {
      const connection = connections[at]!;
      if (connection.localAddress === local && connection.remoteAddress === remote) return connection;
    }
    return undefined;
  }

  /** Linux: tcp_v4_rcv. */
  receive(skb: Skb): void {
    const connection = this.find(skb.dst, skb.dport, skb.src, skb.sport);
    if (connection !== undefined) {
      const again = connection.phase === 'TIME_WAIT' && (skb.flags & (TcpFlag.SYN | TcpFlag.ACK)) === TcpFlag.SYN;
      if (!again) {
        connection.receive(skb);
        return;
      }
      connection.abort();
    }
    const listeners = this.#listeners.get(skb.dport);
    if (listeners !== undefined) {
      const listener =
        listeners.find((socket) => socket.localAddress === skb.dst) ??
        listeners.find((socket) => socket.accepts(skb.dst));
      if (listener !== undefined) {
        this.#listen(listener, skb);
        return;
      }
    }
    const netns = this.#netns;
    if (netns.world.tracer !== null && skb.trackId !== 0) {
      netns.step(skb, { kind: 'socket', action: 'no-listener', socket: `tcp port ${skb.dport}` });
    }
    if ((skb.flags & TcpFlag.RST) === 0) this.#reset(skb);
    netns.drop(skb, 'NO_SOCKET', `nobody listens on tcp port ${skb.dport}`);
  }

  #listen(listener: TcpListener, skb: Skb): void {
    const netns = this.#netns;
    if ((skb.flags & TcpFlag.RST) !== 0) {
      netns.drop(skb, 'TCP_FLAGS', 'RST to a listening socket');
      return;
    }
    if ((skb.flags & TcpFlag.SYN) === 0 || (skb.flags & TcpFlag.ACK) !== 0) {
      this.#reset(skb);
      netns.drop(skb, 'TCP_FLAGS', 'no connection that this belongs to');
      return;
    }
    if (isAnycast(skb)) {
      netns.drop(skb, 'NOT_SPECIFIED', `${formatIp(skb.dst)} is an anycast address: no connection can be made to it`);
      return;
    }
    const { backlog } = listener.options;
    if (backlog !== undefined && listener.open >= backlog) {
      netns.drop(skb, 'TCP_LISTEN_OVERFLOW', `the accept queue of ${listener.describe()} is full`);
      return;
    }
    netns.delivered(skb, listener);
    const connection = new TcpConnection(
      netns,
      skb.dst,
      skb.dport,
      skb.src,
      skb.sport,
      listener.program,
      'SYN_RECV',
      {},
    );
    connection.accepted = (accepted) => {
      listener.open++;
      listener.options.onConnection?.(accepted);
    };
    this.add(connection);
    connection.openPassive(skb);
  }

  /** A RST to a segment that nobody wants (Linux: tcp_v4_send_reset). */
  #reset(skb: Skb): void {
    if (isAnycast(skb)) return;
    const netns = this.#netns;
    const reset = tcpResetFor(skb);
    reset.trackId = skb.trackId === 0 ? 0 : netns.world.nextTrackId();
    reset.ttl = netns.defaultTtl(typeof skb.dst === 'bigint' ? 6 : 4);
    const route = routeOutput(netns, reset.dst, reset.src, 0, null);
    if (route.kind === DstKind.ERROR) return;
    if (netns.world.tracer !== null && skb.trackId !== 0)
      netns.step(skb, { kind: 'socket', action: 'reset', socket: `tcp port ${skb.dport}` });
    if (netns.world.watcher !== null) netns.world.watcher.answered?.(netns, skb, reset);
    ipLocalOut(netns, reset, route);
  }
}

/** TCP takes part in no connection of an anycast address (Linux: ipv6_unicast_destination). */
function isAnycast(skb: Skb): boolean {
  return skb.route?.route?.type === 'anycast';
}

function keyOf(lport: number, rport: number): number {
  return (lport << 16) | rport;
}

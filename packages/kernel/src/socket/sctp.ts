import { EtherType, type Ip, IpProto } from '@netsim/wire';
import { DstKind } from '../net/dst.ts';
import type { SocketError } from '../net/icmp.ts';
import { ipLocalOut, routeOutput } from '../net/ip-output.ts';
import type { Netns } from '../net/netns.ts';
import { Skb } from '../skb.ts';
import type { Errno } from './errno.ts';
import { ephemeralPort } from './ports.ts';
import { bindConflict, Socket } from './socket.ts';

/** SCTP chunk types (RFC 9260, 3.2), as they stand in `skb.flags`. */
const SctpChunk = { DATA: 0, INIT: 1, INIT_ACK: 2, ABORT: 6, COOKIE_ECHO: 10, COOKIE_ACK: 11 } as const;

export interface SctpListenOptions {
  readonly address?: Ip | undefined;
  readonly port: number;
  readonly program?: string | undefined;
}

/** A listening SCTP endpoint. */
export class SctpSocket extends Socket {
  readonly protocol = 'sctp';
  state(): string {
    return 'LISTEN';
  }
  close(): void {
    this.netns.sockets.sctp.remove(this);
  }
}

/** An association being set up, as far as a trace needs it: INIT, INIT ACK, COOKIE ECHO, COOKIE ACK. */
export class SctpAssociation extends Socket {
  readonly protocol = 'sctp';
  phase: 'COOKIE_WAIT' | 'COOKIE_ECHOED' | 'ESTABLISHED' | 'CLOSED' = 'COOKIE_WAIT';
  error: Errno | '' = '';
  onChange: ((association: SctpAssociation) => void) | null = null;
  lastSent: Skb | null = null;
  state(): string {
    return this.phase === 'ESTABLISHED' ? 'ESTAB' : this.phase;
  }
  override receiveError(_skb: Skb, _about: Skb, { errno }: SocketError): void {
    this.finish(errno);
  }
  finish(error: Errno | ''): void {
    if (this.phase === 'CLOSED') return;
    this.phase = 'CLOSED';
    this.error = error;
    this.netns.sockets.sctp.removeAssociation(this);
    this.onChange?.(this);
  }
}

/**
 * The SCTP endpoints of a netns: the four-way handshake, ABORT for a port nobody listens on (RFC 9260, 8.4), and no more.
 */
export class SctpSockets {
  readonly #netns: Netns;
  readonly #listeners = new Map<number, SctpSocket[]>();
  readonly #associations = new Map<number, SctpAssociation>();

  constructor(netns: Netns) {
    this.#netns = netns;
  }

  listen(options: SctpListenOptions): SctpSocket | Errno {
    const others = this.#listeners.get(options.port) ?? [];
    if (others.some((other) => bindConflict(other.localAddress, options.address))) return 'EADDRINUSE';
    const socket = new SctpSocket(this.#netns, options.address, options.port, options.program ?? '');
    this.#listeners.set(options.port, [...others, socket]);
    return socket;
  }

  connect(options: { dst: Ip; dport: number; src?: Ip | undefined; sport?: number | undefined }): SctpAssociation {
    const netns = this.#netns;
    const port = options.sport ?? ephemeralPort(netns, (candidate) => this.#associations.has(candidate)) ?? 0;
    const route = routeOutput(netns, options.dst, options.src, 0, null);
    const association = new SctpAssociation(netns, options.src ?? route.src, port, '');
    association.remoteAddress = options.dst;
    association.remotePort = options.dport;
    if (route.kind === DstKind.ERROR || association.localAddress === undefined) {
      association.phase = 'CLOSED';
      association.error = route.error === '' ? 'EADDRNOTAVAIL' : route.error;
      return association;
    }
    this.#associations.set(port, association);
    const skb = this.#chunk(
      association.localAddress,
      port,
      options.dst,
      options.dport,
      SctpChunk.INIT,
      netns.world.nextTrackId(),
    );
    association.lastSent = skb;
    const failed = ipLocalOut(netns, skb, route);
    if (failed !== '' && failed !== 'EPERM') association.finish(failed);
    return association;
  }

  remove(socket: SctpSocket): void {
    const others = (this.#listeners.get(socket.localPort) ?? []).filter((other) => other !== socket);
    if (others.length === 0) this.#listeners.delete(socket.localPort);
    else this.#listeners.set(socket.localPort, others);
  }
  removeAssociation(association: SctpAssociation): void {
    this.#associations.delete(association.localPort);
  }
  list(): Socket[] {
    return [...[...this.#listeners.values()].flat(), ...this.#associations.values()];
  }

  receive(skb: Skb): void {
    const netns = this.#netns;
    const association = this.#associations.get(skb.dport);
    if (association !== undefined && association.remoteAddress === skb.src && association.remotePort === skb.sport) {
      netns.delivered(skb, association);
      if (skb.flags === SctpChunk.ABORT) association.finish('ECONNREFUSED');
      else if (skb.flags === SctpChunk.INIT_ACK) {
        association.phase = 'COOKIE_ECHOED';
        this.#answer(skb, SctpChunk.COOKIE_ECHO);
      } else if (skb.flags === SctpChunk.COOKIE_ACK) {
        association.phase = 'ESTABLISHED';
        association.onChange?.(association);
      }
      return;
    }
    const listeners = this.#listeners.get(skb.dport)?.filter((socket) => socket.accepts(skb.dst)) ?? [];
    const listener = listeners.find((socket) => socket.localAddress === skb.dst) ?? listeners[0];
    if (listener !== undefined) {
      netns.delivered(skb, listener);
      if (skb.flags === SctpChunk.INIT) this.#answer(skb, SctpChunk.INIT_ACK);
      else if (skb.flags === SctpChunk.COOKIE_ECHO) this.#answer(skb, SctpChunk.COOKIE_ACK);
      return;
    }
    if (netns.world.tracer !== null && skb.trackId !== 0) {
      netns.step(skb, { kind: 'socket', action: 'no-listener', socket: `sctp port ${skb.dport}` });
    }
    if (skb.flags !== SctpChunk.ABORT) this.#answer(skb, SctpChunk.ABORT);
    netns.drop(skb, 'NO_SOCKET', `nobody listens on sctp port ${skb.dport}`);
  }

  find(port: number): SctpAssociation | undefined {
    return this.#associations.get(port);
  }

  #answer(skb: Skb, type: number): void {
    const netns = this.#netns;
    const route = routeOutput(netns, skb.src, skb.dst, 0, null);
    if (route.kind === DstKind.ERROR) return;
    const answer = this.#chunk(
      skb.dst,
      skb.dport,
      skb.src,
      skb.sport,
      type,
      skb.trackId === 0 ? 0 : netns.world.nextTrackId(),
    );
    if (netns.world.watcher !== null) netns.world.watcher.answered?.(netns, skb, answer);
    ipLocalOut(netns, answer, route);
  }

  #chunk(src: Ip, sport: number, dst: Ip, dport: number, type: number, trackId: number): Skb {
    const skb = new Skb();
    skb.etherType = typeof dst === 'number' ? EtherType.IPV4 : EtherType.IPV6;
    skb.protocol = IpProto.SCTP;
    skb.src = src;
    skb.dst = dst;
    skb.sport = sport;
    skb.dport = dport;
    skb.flags = type;
    skb.ttl = this.#netns.defaultTtl(typeof dst === 'number' ? 4 : 6);
    skb.trackId = trackId;
    return skb;
  }
}

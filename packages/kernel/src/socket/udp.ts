import { EtherType, type Ip, IpProto } from '@netsim/wire';
import { type Dst, DstKind } from '../net/dst.ts';
import { icmpError, type SocketError } from '../net/icmp.ts';
import { ipLocalOut, routeOutput } from '../net/ip-output.ts';
import type { Netns } from '../net/netns.ts';
import type { Vxlan } from '../net/vxlan.ts';
import { Skb } from '../skb.ts';
import type { Errno } from './errno.ts';
import { ephemeralPort } from './ports.ts';
import { bindConflict, Socket } from './socket.ts';

/** A datagram as a program receives it. */
export interface Datagram {
  readonly src: Ip;
  readonly sport: number;
  readonly dst: Ip;
  readonly dport: number;
  readonly ttl: number;
  /** Null where only the length was sent. */
  readonly payload: Uint8Array | null;
  readonly payloadLength: number;
  readonly trackId: number;
}

export interface UdpOptions {
  readonly address?: Ip | undefined;
  /** 0 or absent: an ephemeral one. */
  readonly port?: number | undefined;
  readonly program?: string | undefined;
  readonly onMessage?: ((message: Datagram, socket: UdpSocket) => void) | undefined;
  readonly onError?: ((error: Errno, socket: UdpSocket) => void) | undefined;
  /** Every ICMP error about what was sent, whoever says so (Linux: IP_RECVERR). */
  readonly onIcmpError?: ((error: IcmpNotice) => void) | undefined;
}

/** An ICMP error about a packet of a socket. */
export interface IcmpNotice {
  /** Who says so. */
  readonly from: Ip;
  readonly icmpType: number;
  readonly icmpCode: number;
}

export interface UdpSendOptions {
  readonly dst?: Ip | undefined;
  readonly dport?: number | undefined;
  readonly payload?: Uint8Array | null | undefined;
  readonly payloadLength?: number | undefined;
  readonly ttl?: number | undefined;
  /** Follow it with this identity; default: a new one. 0: do not follow. */
  readonly trackId?: number | undefined;
}

/** A UDP socket (Linux: net/ipv4/udp.c). */
export class UdpSocket extends Socket {
  readonly protocol = 'udp';
  onMessage: ((message: Datagram, socket: UdpSocket) => void) | null;
  onError: ((error: Errno, socket: UdpSocket) => void) | null;
  readonly #onIcmpError: UdpOptions['onIcmpError'];
  /** Pending error of a connected socket (Linux: sk_err). */
  error: Errno | '' = '';
  /** Datagrams received. */
  received = 0;
  closed = false;
  #dst: Dst | null = null;

  constructor(netns: Netns, options: UdpOptions, port: number) {
    super(netns, options.address, port, options.program ?? '');
    this.onMessage = options.onMessage ?? null;
    this.onError = options.onError ?? null;
    this.#onIcmpError = options.onIcmpError;
  }

  state(): string {
    return this.remoteAddress === undefined ? 'UNCONN' : 'ESTAB';
  }

  /** Sets the peer, and the source address by the route to it. '' or an error. */
  connect(dst: Ip, dport: number): Errno | '' {
    const route = routeOutput(this.netns, dst, this.localAddress, 0, null);
    if (route.kind === DstKind.ERROR) return route.error === '' ? 'ENETUNREACH' : route.error;
    if (this.localAddress === undefined || this.localAddress === 0 || this.localAddress === 0n) {
      if (route.src === undefined) return 'EADDRNOTAVAIL';
      this.localAddress = route.src;
    }
    this.remoteAddress = dst;
    this.remotePort = dport;
    return '';
  }

  /** Sends one datagram. '' or what sendto would fail with. */
  send(options: UdpSendOptions = {}): Errno | '' {
    if (this.error !== '') {
      const { error } = this;
      this.error = '';
      return error;
    }
    const skb = new Skb();
    const error = this.prepare(skb, options);
    if (error !== '') return error;
    const { watcher, answering } = this.netns.world;
    if (watcher !== null && answering !== null) watcher.answered?.(this.netns, answering, skb);
    return this.transmit(skb);
  }

  /** Fills the header of a datagram. */
  prepare(skb: Skb, options: UdpSendOptions = {}): Errno | '' {
    const dst = options.dst ?? this.remoteAddress;
    if (dst === undefined) return 'EINVAL';
    skb.etherType = typeof dst === 'number' ? EtherType.IPV4 : EtherType.IPV6;
    skb.protocol = IpProto.UDP;
    skb.dst = dst;
    skb.sport = this.localPort;
    skb.dport = options.dport ?? this.remotePort;
    skb.payload = options.payload ?? null;
    skb.payloadLength = options.payload?.length ?? options.payloadLength ?? 0;
    skb.ttl = options.ttl ?? this.netns.defaultTtl(typeof dst === 'number' ? 4 : 6);
    skb.id = this.netns.nextIpId();
    skb.trackId = options.trackId ?? this.netns.world.nextTrackId();
    const route = this.#route(dst);
    if (route.kind === DstKind.ERROR) return route.error === '' ? 'ENETUNREACH' : route.error;
    const own = this.localAddress;
    const src = own === undefined || own === 0 || own === 0n ? route.src : own;
    if (src === undefined) return 'EADDRNOTAVAIL';
    skb.src = src;
    return '';
  }

  /** Sends a prepared datagram. */
  transmit(skb: Skb): Errno | '' {
    return ipLocalOut(this.netns, skb, this.#route(skb.dst));
  }

  /** Route to the peer, kept while it holds (Linux: sk_dst_check). */
  #route(dst: Ip): Dst {
    const known = this.#dst;
    if (known !== null && known.generation === this.netns.fibGeneration && dst === this.remoteAddress) return known;
    const own = this.localAddress;
    const route = routeOutput(this.netns, dst, own === 0 || own === 0n ? undefined : own, 0, null);
    if (dst === this.remoteAddress) this.#dst = route;
    return route;
  }

  /** A datagram for this socket. */
  receive(skb: Skb): void {
    this.received++;
    this.netns.delivered(skb, this);
    if (this.onMessage === null) return;
    const { src, sport, dst, dport, ttl, payload, payloadLength, trackId } = skb;
    // What the program sends while it is called is its answer.
    const before = this.netns.world.answering;
    this.netns.world.answering = skb;
    this.onMessage({ src, sport, dst, dport, ttl, payload, payloadLength, trackId }, this);
    this.netns.world.answering = before;
  }

  /** Linux: __udp4_lib_err: only a connected socket hears of it, and only of what is final. */
  override receiveError({ src: from, icmpType, icmpCode }: Skb, _about: Skb, { errno, fatal }: SocketError): void {
    this.#onIcmpError?.({ from, icmpType, icmpCode });
    if (this.remoteAddress === undefined || !fatal) return;
    this.error = errno;
    this.onError?.(errno, this);
  }

  close(): void {
    this.closed = true;
    this.netns.sockets.udp.remove(this);
  }
}

/** The UDP sockets of a netns, and the tunnels that have a port of their own. */
export class UdpSockets {
  readonly #netns: Netns;
  readonly #byPort = new Map<number, UdpSocket[]>();
  readonly #tunnels = new Map<number, Vxlan[]>();

  constructor(netns: Netns) {
    this.#netns = netns;
  }

  /** A bound socket, or the error of bind. */
  bind(options: UdpOptions): UdpSocket | Errno {
    const { address } = options;
    if (address !== undefined && address !== 0 && address !== 0n && !this.#netns.isLocal(address))
      return 'EADDRNOTAVAIL';
    const port = options.port || ephemeralPort(this.#netns, (candidate) => this.#byPort.has(candidate));
    if (port === undefined) return 'EADDRINUSE';
    const others = this.#byPort.get(port);
    if (others?.some((other) => bindConflict(other.localAddress, address)) || this.#tunnels.has(port))
      return 'EADDRINUSE';
    const socket = new UdpSocket(this.#netns, options, port);
    if (others === undefined) this.#byPort.set(port, [socket]);
    else others.push(socket);
    return socket;
  }

  remove(socket: UdpSocket): void {
    const others = this.#byPort.get(socket.localPort);
    if (others === undefined) return;
    const at = others.indexOf(socket);
    if (at >= 0) others.splice(at, 1);
    if (others.length === 0) this.#byPort.delete(socket.localPort);
  }

  addTunnel(tunnel: Vxlan): void {
    const { port } = tunnel.options;
    const others = this.#tunnels.get(port);
    if (others === undefined) this.#tunnels.set(port, [tunnel]);
    else others.push(tunnel);
  }
  removeTunnel(tunnel: Vxlan): void {
    const others = (this.#tunnels.get(tunnel.options.port) ?? []).filter((other) => other !== tunnel);
    if (others.length === 0) this.#tunnels.delete(tunnel.options.port);
    else this.#tunnels.set(tunnel.options.port, others);
  }

  list(): UdpSocket[] {
    return [...this.#byPort.values()].flat();
  }

  /** Linux: __udp4_lib_lookup: a connected socket before one bound to the address before one bound to any. */
  find(local: Ip, lport: number, remote: Ip, rport: number): UdpSocket | undefined {
    const sockets = this.#byPort.get(lport);
    if (sockets === undefined) return undefined;
    let best: UdpSocket | undefined;
    let bestScore = -1;
    for (let at = 0; at < sockets.length; at++) {
      const socket = sockets[at]!;
      if (!socket.accepts(local)) continue;
      let score = socket.localAddress === local ? 2 : 0;
      if (socket.remoteAddress !== undefined) {
        if (socket.remoteAddress !== remote || socket.remotePort !== rport) continue;
        score += 4;
      }
      if (score > bestScore) {
        best = socket;
        bestScore = score;
      }
    }
    return best;
  }

  /** Linux: __udp4_lib_rcv. */
  receive(skb: Skb): void {
    const netns = this.#netns;
    if (skb.vni >= 0 && skb.inner !== null) {
      const tunnels = this.#tunnels.get(skb.dport);
      if (tunnels !== undefined) {
        for (let at = 0; at < tunnels.length; at++) {
          // Linux: a vxlan device has a socket of one family, that of its endpoints.
          if (tunnels[at]!.options.vni === skb.vni && tunnels[at]!.overIpv6 === (typeof skb.dst === 'bigint')) {
            tunnels[at]!.receive(skb);
            return;
          }
        }
        netns.drop(skb, 'VXLAN_VNI_NOT_FOUND', `no vxlan device with VNI ${skb.vni}`);
        return;
      }
    }
    const socket = this.find(skb.dst, skb.dport, skb.src, skb.sport);
    if (socket !== undefined) {
      socket.receive(skb);
      return;
    }
    if (netns.world.tracer !== null && skb.trackId !== 0) {
      netns.step(skb, { kind: 'socket', action: 'no-listener', socket: `udp port ${skb.dport}` });
    }
    icmpError(netns, skb, 'port-unreachable');
    netns.drop(skb, 'NO_SOCKET', `nobody listens on udp port ${skb.dport}`);
  }
}

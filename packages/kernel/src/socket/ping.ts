import { EtherType, type Ip, IpProto } from '@netsim/wire';
import { DstKind } from '../net/dst.ts';
import { icmpName, type SocketError } from '../net/icmp.ts';
import { ipLocalOut, routeOutput } from '../net/ip-output.ts';
import type { Netns } from '../net/netns.ts';
import { Skb } from '../skb.ts';
import type { Errno } from './errno.ts';
import { Socket } from './socket.ts';

/** What came back for an echo request. */
export type EchoAnswer =
  | {
      readonly kind: 'reply';
      readonly from: Ip;
      readonly sequence: number;
      readonly ttl: number;
      readonly payloadLength: number;
      readonly trackId: number;
    }
  | {
      readonly kind: 'error';
      /** Who says so. */
      readonly from: Ip;
      readonly sequence: number;
      readonly errno: Errno;
      /** `port-unreachable`, `ttl-exceeded`, ... */
      readonly icmp: string;
      readonly icmpType: number;
      readonly icmpCode: number;
      readonly ttl: number;
      readonly trackId: number;
    };

export interface PingOptions {
  readonly dst: Ip;
  readonly src?: Ip | undefined;
  readonly ttl?: number | undefined;
  /** Bytes of data; default 56, as ping's. */
  readonly size?: number | undefined;
  /** Default false, as ping's: bigger ones would be cut (IPv4). */
  readonly dontFragment?: boolean | undefined;
  readonly program?: string | undefined;
  readonly onAnswer?: ((answer: EchoAnswer, socket: PingSocket) => void) | undefined;
}

/** An ICMP socket as `ping` uses one: one identifier, many sequence numbers. */
export class PingSocket extends Socket {
  readonly protocol = 'icmp';
  readonly options: PingOptions;
  readonly answers: EchoAnswer[] = [];
  /** The packet that was sent last. */
  lastSent: Skb | null = null;

  constructor(netns: Netns, options: PingOptions, identifier: number) {
    super(netns, options.src, identifier, options.program ?? 'ping');
    this.options = options;
    this.remoteAddress = options.dst;
  }

  state(): string {
    return 'UNCONN';
  }

  /** Sends an echo request. '' or what sendto would fail with. */
  send(sequence = 1): Errno | '' {
    const { netns, options } = this;
    const { dst } = options;
    const v6 = typeof dst === 'bigint';
    const route = routeOutput(netns, dst, options.src, 0, null);
    if (route.kind === DstKind.ERROR) return route.error === '' ? 'ENETUNREACH' : route.error;
    const src = options.src ?? route.src;
    if (src === undefined) return 'EADDRNOTAVAIL';
    const skb = new Skb();
    skb.etherType = v6 ? EtherType.IPV6 : EtherType.IPV4;
    skb.protocol = v6 ? IpProto.ICMPV6 : IpProto.ICMP;
    skb.src = src;
    skb.dst = dst;
    skb.ttl = options.ttl ?? netns.defaultTtl(v6 ? 6 : 4);
    skb.df = options.dontFragment ?? true;
    skb.icmpType = v6 ? 128 : 8;
    skb.sport = this.localPort;
    skb.icmpData = sequence & 0xffff;
    skb.payloadLength = options.size ?? 56;
    skb.id = netns.nextIpId();
    skb.trackId = netns.world.nextTrackId();
    this.lastSent = skb;
    return ipLocalOut(netns, skb, route);
  }

  override receiveError(skb: Skb, about: Skb, { errno }: SocketError): void {
    const { src: from, ttl, icmpType, icmpCode, trackId } = skb;
    const icmp = icmpName(skb);
    this.answer({ kind: 'error', from, sequence: about.icmpData, errno, icmp, icmpType, icmpCode, ttl, trackId });
  }

  answer(answer: EchoAnswer): void {
    this.answers.push(answer);
    this.options.onAnswer?.(answer, this);
  }

  close(): void {
    this.netns.sockets.ping.remove(this);
  }
}

/** The ICMP sockets of a netns. */
export class PingSockets {
  readonly #netns: Netns;
  readonly #byIdentifier = new Map<number, PingSocket>();

  constructor(netns: Netns) {
    this.#netns = netns;
  }

  open(options: PingOptions): PingSocket {
    let identifier = 1 + this.#netns.random.below(65535);
    while (this.#byIdentifier.has(identifier)) identifier = (identifier % 65535) + 1;
    const socket = new PingSocket(this.#netns, options, identifier);
    this.#byIdentifier.set(identifier, socket);
    return socket;
  }

  remove(socket: PingSocket): void {
    this.#byIdentifier.delete(socket.localPort);
  }

  receive(skb: Skb): void {
    const socket = this.#byIdentifier.get(skb.sport);
    if (socket === undefined) {
      this.#netns.drop(skb, 'NO_SOCKET', 'nobody waits for this echo reply');
      return;
    }
    this.#netns.delivered(skb, socket);
    const { src: from, icmpData: sequence, ttl, payloadLength, trackId } = skb;
    socket.answer({ kind: 'reply', from, sequence, ttl, payloadLength, trackId });
  }

  find(identifier: number): PingSocket | undefined {
    return this.#byIdentifier.get(identifier);
  }
}

import type { Ip } from '@netsim/wire';
import type { Netns } from '../net/netns.ts';
import { PacketType, Skb } from '../skb.ts';
import type { Errno } from './errno.ts';
import type { Socket } from './socket.ts';
import type { TcpConnection } from './tcp.ts';
import { UdpSocket } from './udp.ts';

export interface FlowOptions {
  readonly dst: Ip;
  readonly dport: number;
  readonly protocol: 'tcp' | 'udp';
  readonly src?: Ip | undefined;
  readonly sport?: number | undefined;
  /** Bytes of payload of each packet; default 0 (TCP sends bare acknowledgements). UDP only. */
  readonly payloadLength?: number | undefined;
}

/** What became of one packet of a flow. */
export type FlowOutcome =
  | { readonly kind: 'delivered'; readonly socket: Socket }
  | { readonly kind: 'dropped'; readonly reason: string }
  /** It waits for a neighbour: move time and see. */
  | { readonly kind: 'waiting' };

/**
 * One flow of a socket, packet by packet and nothing else: the way to send many with one packet header, no trace and no
 * object per packet. Each packet still takes every step that any other takes.
 */
export class Flow {
  readonly netns: Netns;
  readonly socket: UdpSocket | TcpConnection;
  readonly #skb = new Skb();
  // What the stack changes on the way, put back before each packet.
  readonly #src: Ip;
  readonly #dst: Ip;
  readonly #sport: number;
  readonly #dport: number;
  readonly #ttl: number;
  readonly #length: number;

  constructor(netns: Netns, socket: UdpSocket | TcpConnection, payloadLength: number) {
    this.netns = netns;
    this.socket = socket;
    const skb = this.#skb;
    if (socket instanceof UdpSocket) socket.prepare(skb, { payloadLength, trackId: 0 });
    else socket.prepareAck(skb);
    this.#src = skb.src;
    this.#dst = skb.dst;
    this.#sport = skb.sport;
    this.#dport = skb.dport;
    this.#ttl = skb.ttl;
    this.#length = skb.length;
  }

  /** Sends the next packet all the way. True: a socket took it. */
  send(): boolean {
    const skb = this.#skb;
    skb.src = this.#src;
    skb.dst = this.#dst;
    skb.sport = this.#sport;
    skb.dport = this.#dport;
    skb.ttl = this.#ttl;
    skb.length = this.#length;
    skb.pktType = PacketType.HOST;
    skb.route = null;
    skb.mark = 0;
    skb.ct = null;
    skb.ctInfo = 0;
    skb.physIn = null;
    skb.physOut = null;
    skb.bridged = false;
    skb.ipvs = false;
    skb.nfTrace = false;
    skb.flooded = false;
    skb.hops = 0;
    skb.dropReason = '';
    skb.socket = null;
    this.socket.transmit(skb);
    this.netns.world.run();
    return skb.socket !== null;
  }

  /** What became of the last one. */
  outcome(): FlowOutcome {
    const { socket, dropReason } = this.#skb;
    if (socket !== null) return { kind: 'delivered', socket };
    return dropReason === '' ? { kind: 'waiting' } : { kind: 'dropped', reason: dropReason };
  }

  close(): void {
    this.socket.close();
  }
}

/** Opens a flow: a connected UDP socket, or a TCP connection after its handshake. Or the error that this gives. */
export function openFlow(netns: Netns, options: FlowOptions): Flow | Errno {
  const { dst, dport, src, sport } = options;
  const { world } = netns;
  if (options.protocol === 'udp') {
    const socket = netns.bindUdp({ address: src, port: sport, program: 'flow' });
    if (typeof socket === 'string') return socket;
    const error = socket.connect(dst, dport);
    if (error !== '') {
      socket.close();
      return error;
    }
    return new Flow(netns, socket, options.payloadLength ?? 0);
  }
  const connection = netns.connectTcp({ dst, dport, src, sport, program: 'flow' });
  world.runUntil(() => connection.phase !== 'SYN_SENT', 130_000);
  if (!connection.established) return connection.error === '' ? 'ETIMEDOUT' : connection.error;
  return new Flow(netns, connection, 0);
}

import { IpProto } from '@netsim/wire';
import type { SocketError } from '../net/icmp.ts';
import type { Netns } from '../net/netns.ts';
import type { Vxlan } from '../net/vxlan.ts';
import type { Skb } from '../skb.ts';
import { PingSockets } from './ping.ts';
import { SctpSockets } from './sctp.ts';
import { Socket } from './socket.ts';
import { TcpSockets } from './tcp-sockets.ts';
import { UdpSockets } from './udp.ts';

/** The kernel itself, where it answers without a program (echo requests). */
class KernelSocket extends Socket {
  readonly protocol = 'icmp';
  state(): string {
    return 'UNCONN';
  }
  override describe(): string {
    return 'icmp echo';
  }
}

/** The sockets of one netns, by protocol. */
export class Sockets {
  readonly udp: UdpSockets;
  readonly tcp: TcpSockets;
  readonly sctp: SctpSockets;
  readonly ping: PingSockets;
  readonly echo: Socket;

  constructor(netns: Netns) {
    this.udp = new UdpSockets(netns);
    this.tcp = new TcpSockets(netns);
    this.sctp = new SctpSockets(netns);
    this.ping = new PingSockets(netns);
    this.echo = new KernelSocket(netns, undefined, 0, '');
  }

  addTunnel(tunnel: Vxlan): void {
    this.udp.addTunnel(tunnel);
  }
  removeTunnel(tunnel: Vxlan): void {
    this.udp.removeTunnel(tunnel);
  }

  /** An ICMP error came in about a packet that was sent from here: `about` is what it quotes. */
  receiveError(skb: Skb, about: Skb, error: SocketError): void {
    const { netns } = this.echo;
    const socket = this.#senderOf(about);
    if (socket === undefined) {
      netns.drop(skb, 'NO_SOCKET', 'no socket sent the packet that this is about');
      return;
    }
    netns.delivered(skb, socket);
    socket.receiveError(skb, about, error);
  }

  #senderOf(about: Skb): Socket | undefined {
    switch (about.protocol) {
      case IpProto.TCP:
        return this.tcp.find(about.src, about.sport, about.dst, about.dport);
      case IpProto.UDP:
        return this.udp.find(about.src, about.sport, about.dst, about.dport);
      case IpProto.ICMP:
      case IpProto.ICMPV6:
        return this.ping.find(about.sport);
      case IpProto.SCTP:
        return this.sctp.find(about.sport);
      default:
        return undefined;
    }
  }

  /** All of them: listening ones first. */
  list(): Socket[] {
    return [...this.tcp.list(), ...this.udp.list(), ...this.sctp.list()];
  }
}

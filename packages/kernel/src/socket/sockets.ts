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
    switch (about.protocol) {
      case IpProto.TCP:
        this.tcp.receiveError(skb, about, error);
        return;
      case IpProto.UDP:
        this.udp.receiveError(skb, about, error);
        return;
      case IpProto.ICMP:
      case IpProto.ICMPV6:
        this.ping.receiveError(skb, about, error);
        return;
      case IpProto.SCTP:
        this.sctp.receiveError(skb, about, error);
        return;
      default:
    }
  }

  /** All of them: listening ones first. */
  list(): Socket[] {
    return [...this.tcp.list(), ...this.udp.list(), ...this.sctp.list()];
  }
}

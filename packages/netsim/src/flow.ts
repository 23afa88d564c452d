import { Skb, type TcpConnection, type UdpSocket } from '@netsim/kernel';
import type { Disposition } from '@netsim/trace';
import type { Cluster } from './cluster.ts';
import { UsageError } from './errors.ts';

export interface FlowOptions {
  readonly from: string;
  readonly to: string;
  /** Default: that of the destination's port. */
  readonly protocol?: 'tcp' | 'udp';
  readonly namespace?: string;
}

/**
 * Packets of one flow without a trace. The first opens it (for TCP: the handshake); each {@link send} then takes one packet
 * all the way and says how it ended. Nothing is made per packet beyond the packet.
 */
export class Flow {
  readonly #socket: UdpSocket | TcpConnection;
  readonly #world: Cluster['world'];
  readonly #udp: UdpSocket | undefined;
  readonly #tcp: TcpConnection | undefined;

  constructor(cluster: Cluster, options: FlowOptions) {
    const names = cluster.names(options.namespace);
    const source = names.source(options.from);
    const { ip, port, protocol } = names.destination(options.to, options.protocol);
    if (port === undefined) throw new UsageError(`a flow of ${protocol} is not possible`, 'use tcp or udp');
    const netns =
      source.kind === 'Pod'
        ? cluster.netnsOfPod(source.pod)
        : cluster.netnsOfMachine(source.kind === 'Node' ? source.node.metadata.name : source.name);
    this.#world = cluster.world;
    if (protocol === 'udp') {
      const socket = netns.sockets.udp.bind({});
      if (typeof socket === 'string') throw new UsageError(`no UDP port is free: ${socket}`);
      socket.connect(ip, port);
      this.#udp = socket;
      this.#socket = socket;
    } else {
      const connection = netns.sockets.tcp.connect({ dst: ip, dport: port });
      cluster.world.run();
      this.#tcp = connection;
      this.#socket = connection;
    }
  }

  /** One packet of the flow, all the way. */
  send(): Disposition {
    const skb = new Skb();
    if (this.#udp !== undefined) {
      const error = this.#udp.prepare(skb, SMALL);
      if (error !== '') return 'NO_ROUTE';
      this.#udp.transmit(skb);
    } else {
      const tcp = this.#tcp!;
      if (!tcp.established) return tcp.error === 'ECONNREFUSED' ? 'REJECTED' : 'DROPPED';
      tcp.prepareAck(skb);
      tcp.transmitPrepared(skb);
    }
    this.#world.run();
    if (skb.socket !== null) return 'DELIVERED';
    return skb.dropReason === 'NO_SOCKET' ? 'NO_LISTENER' : 'DROPPED';
  }

  close(): void {
    if (this.#tcp !== undefined) this.#tcp.abort();
    else this.#socket.close();
    this.#world.run();
  }
}

/** A datagram of 32 bytes that nobody follows. */
const SMALL = { payloadLength: 32, trackId: 0 } as const;

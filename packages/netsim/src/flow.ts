import type { Flow as KernelFlow } from '@netsim/kernel';
import type { Disposition } from '@netsim/trace';
import type { Cluster } from './cluster.ts';
import { UsageError } from './errors.ts';
import { netnsOf } from './source-netns.ts';

export interface FlowOptions {
  readonly from: string;
  readonly to: string;
  /** Default: that of the destination's port. */
  readonly protocol?: 'tcp' | 'udp';
  readonly namespace?: string;
}

/** Bytes of data in each datagram. */
const PAYLOAD = 32;

/**
 * Packets of one flow without a trace. The first opens it (for TCP: the handshake); each {@link send} then takes one packet
 * all the way and says how it ended. Nothing is made per packet.
 */
export class Flow {
  readonly #flow: KernelFlow | undefined;
  readonly #failed: Disposition;

  constructor(cluster: Cluster, options: FlowOptions) {
    const names = cluster.names(options.namespace);
    const source = names.source(options.from);
    const { ip, port, protocol } = names.destination(options.to, options.protocol);
    if (port === undefined || (protocol !== 'tcp' && protocol !== 'udp')) {
      throw new UsageError(`a flow of ${protocol} is not possible`, 'use tcp or udp');
    }
    const netns = netnsOf(cluster, source);
    const flow = netns.openFlow({ dst: ip, dport: port, protocol, payloadLength: PAYLOAD });
    this.#failed =
      flow === 'ECONNREFUSED' ? 'REJECTED' : flow === 'EHOSTUNREACH' || flow === 'ENETUNREACH' ? 'NO_ROUTE' : 'DROPPED';
    this.#flow = typeof flow === 'string' ? undefined : flow;
  }

  /** One packet of the flow, all the way. */
  send(): Disposition {
    if (this.#flow === undefined) return this.#failed;
    if (this.#flow.send()) return 'DELIVERED';
    const outcome = this.#flow.outcome();
    if (outcome.kind === 'dropped') return outcome.reason === 'NO_SOCKET' ? 'NO_LISTENER' : 'DROPPED';
    return outcome.kind === 'waiting' ? 'NEIGHBOR_UNREACHABLE' : 'DELIVERED';
  }

  close(): void {
    this.#flow?.close();
  }
}

import type { LookupResult, Query } from '@netsim/dns';
import type { Netns, PacketWatcher, Skb } from '@netsim/kernel';
import type { Path } from '@netsim/trace';
import { Collector } from '../trace/collector.ts';

const PORT = 53;

/** Listens to a look-up: which packet each query was, and what was sent because of it. */
export class QueryWatch {
  readonly #collector = new Collector();
  readonly #answers = new Map<number, number>();

  /** Runs a look-up with every packet of it observed. */
  during<T>({ world }: Netns, lookUp: () => T): T {
    const { tracer, watcher } = world;
    world.tracer = this.#collector;
    world.watcher = this.#pairs(watcher);
    try {
      return lookUp();
    } finally {
      world.tracer = tracer;
      world.watcher = watcher;
    }
  }

  #pairs(next: PacketWatcher | null): PacketWatcher {
    return {
      delivered: (netns, skb, socket) => next?.delivered?.(netns, skb, socket),
      dropped: (netns, skb, reason) => next?.dropped?.(netns, skb, reason),
      answered: (netns: Netns, about: Skb, answer: Skb) => {
        // What a server asks others, or itself, while it is asked is no answer.
        const other = answer.protocol === about.protocol && answer.dport !== about.sport;
        if (!other && !this.#answers.has(about.trackId)) this.#answers.set(about.trackId, answer.trackId);
        next?.answered?.(netns, about, answer);
      },
    };
  }

  /**
   * The path of each query, as `build` tells it from its packet and the reply. A query over TCP has the path of the SYN;
   * undefined for one that shares a connection with another, or was never sent.
   */
  paths(
    netns: Netns,
    { queries }: LookupResult,
    build: (query: Query, collector: Collector) => Path,
  ): (Path | undefined)[] {
    const sends = this.#sends(netns);
    const taken = new Set<number>();
    return queries.map((query) => {
      const sent = sends.find(
        ({ trackId, protocol, dst }) =>
          !taken.has(trackId) && protocol === query.transport && dst === query.server.replace(/%.*$/, ''),
      );
      if (sent === undefined) return undefined;
      taken.add(sent.trackId);
      return build(query, this.#collector.only(sent.trackId, this.#answers.get(sent.trackId) ?? this.#late(sent)));
    });
  }

  /** What the netns sent to name servers: datagrams, and the first segments of connections. */
  #sends(netns: Netns): Sent[] {
    return this.#collector.events.flatMap(({ where, trackId, step }) => {
      if (where.name !== netns.name || step.kind !== 'send' || step.packet.dport !== PORT) return [];
      const { protocol, dst, sport, info } = step.packet;
      return protocol === 'udp' || info === 'SYN' ? [{ trackId, protocol, dst, sport }] : [];
    });
  }

  /** A reply that its server had to wait for itself is no answer at once: the first packet that comes back to the port. */
  #late(sent: Sent): number {
    const { events } = this.#collector;
    const arrived = events.findIndex(({ trackId, step }) => trackId === sent.trackId && step.kind === 'socket');
    if (arrived < 0) return 0;
    const server = events[arrived]!.where.name;
    const seen = events
      .slice(0, arrived)
      .findLast(({ trackId, step }) => trackId === sent.trackId && step.kind === 'receive');
    const port = seen?.step.kind === 'receive' ? seen.step.packet.sport : sent.sport;
    const paired = new Set(this.#answers.values());
    const reply = events.find(
      ({ where, trackId, step }, index) =>
        index > arrived &&
        where.name === server &&
        !paired.has(trackId) &&
        step.kind === 'send' &&
        step.packet.sport === PORT &&
        step.packet.dport === port,
    );
    if (reply === undefined) return 0;
    this.#answers.set(sent.trackId, reply.trackId);
    return reply.trackId;
  }
}

interface Sent {
  readonly trackId: number;
  readonly protocol: string;
  readonly dst: string;
  readonly sport: number | undefined;
}

import { decodeMessage, WireError } from '@netsim/dns';
import type { Netns, PacketWatcher, Skb } from '@netsim/kernel';
import type { ForwardedQuery, Path, Step } from '@netsim/trace';
import { Collector, type TraceEvent } from '../trace/collector.ts';
import { FrameReader } from './tcp-frame.ts';

const PORT = 53;
/** Name servers that ask on for one query, one behind the other: more is a circle. */
const MAX_DEPTH = 4;

/** One packet that carries a query, or opens the connection for it. */
export interface SentQuery {
  readonly trackId: number;
  readonly transport: 'udp' | 'tcp';
  readonly dst: string;
  readonly dport: number;
  readonly sport: number | undefined;
  /** Name of the netns that it was sent from. */
  readonly from: string;
}

/** The name server that a query of a look-up was for. */
export interface AskedServer {
  readonly server: string;
  readonly transport: string;
}

/** The way of a query and its reply, and of what was asked of others for it. */
export interface QueryPath {
  readonly path: Path;
  readonly forwards: readonly ForwardedQuery[];
}

/** Listens to a look-up: which packet each query was, and what was sent because of it. */
export class QueryWatch {
  readonly #collector = new QueryCollector();
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
    { queries }: { readonly queries: readonly AskedServer[] },
    build: (query: SentQuery, collector: Collector) => Path,
  ): (QueryPath | undefined)[] {
    const sends = this.#sends(netns.name);
    const taken = new Set<number>();
    const found = queries.map((query) => {
      const sent = sends.find(
        ({ trackId, transport, dst, dport }) =>
          dport === PORT &&
          !taken.has(trackId) &&
          transport === query.transport &&
          dst === query.server.replace(/%.*$/, ''),
      );
      if (sent !== undefined) taken.add(sent.trackId);
      return sent;
    });
    return found.map((sent) => {
      if (sent === undefined) return undefined;
      const path = build(sent, this.#packets(sent));
      return { path, forwards: this.#forwards(sent, build, taken, MAX_DEPTH) };
    });
  }

  #packets(sent: SentQuery): Collector {
    return this.#collector.only(sent.trackId, this.#answers.get(sent.trackId) ?? this.#late(sent));
  }

  /** What the server that a query arrived at has asked others for it: the same question, until it is asked it again. */
  #forwards(
    sent: SentQuery,
    build: (query: SentQuery, collector: Collector) => Path,
    taken: Set<number>,
    depth: number,
  ): ForwardedQuery[] {
    const question = this.#collector.questionOf(sent);
    const arrived = this.#arrival(sent.trackId);
    if (question === undefined || arrived < 0 || depth === 0) return [];
    const { events } = this.#collector;
    const { where } = events[arrived]!;
    const again = events.findIndex(
      ({ where: at, trackId, step }, index) =>
        index > arrived &&
        at.name === where.name &&
        trackId !== sent.trackId &&
        isArrival(step) &&
        this.#asks(trackId, question),
    );
    return this.#sends(where.name, arrived, again < 0 ? events.length : again).flatMap((forward) => {
      if (taken.has(forward.trackId) || this.#collector.questionOf(forward) !== question) return [];
      taken.add(forward.trackId);
      const { dst: server, dport: port, transport } = forward;
      const own = { node: where.machine, netns: where.label, server, port, transport };
      const path = build(forward, this.#packets(forward));
      return [{ ...own, answered: this.#answered(forward), path }, ...this.#forwards(forward, build, taken, depth - 1)];
    });
  }

  /** What was made because of it is its answer, and no ICMP error. */
  #answered({ trackId, dport }: SentQuery): boolean {
    const answer = this.#answers.get(trackId);
    return this.#collector.events.some(
      ({ trackId: packet, step }) =>
        packet === answer && step.kind === 'send' && step.packet.sport === dport && !/RST/.test(step.packet.info ?? ''),
    );
  }

  /** Where a socket took the packet. */
  #arrival(packet: number): number {
    return this.#collector.events.findIndex(({ trackId, step }) => trackId === packet && isArrival(step));
  }

  #asks(packet: number, question: string): boolean {
    return this.#collector.questions.get(packet) === question;
  }

  /** What a netns sent that may be queries: datagrams, and the first segments of connections. */
  #sends(netns: string, from = 0, to = Number.POSITIVE_INFINITY): SentQuery[] {
    const begun = new Set<number>();
    return this.#collector.events.flatMap(({ where, trackId, step }, index) => {
      // A packet that is sent once more travels inside another one.
      if (step.kind !== 'send' || begun.has(trackId)) return [];
      begun.add(trackId);
      if (index < from || index >= to || where.name !== netns) return [];
      const { protocol, dst, sport, dport, info } = step.packet;
      if (dport === undefined || sport === PORT || !(protocol === 'udp' || info === 'SYN')) return [];
      return [{ trackId, transport: protocol === 'udp' ? 'udp' : 'tcp', dst, dport, sport, from: where.name }];
    });
  }

  /** A reply that its server had to wait for itself is no answer at once: the first packet that comes back to the port. */
  #late(sent: SentQuery): number {
    const { events } = this.#collector;
    const arrived = this.#arrival(sent.trackId);
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
        step.packet.sport === sent.dport &&
        step.packet.dport === port,
    );
    if (reply === undefined) return 0;
    this.#answers.set(sent.trackId, reply.trackId);
    return reply.trackId;
  }
}

function isArrival(step: Step): boolean {
  return step.kind === 'socket';
}

/** Keeps what the packets ask, too. */
class QueryCollector extends Collector {
  /** `id type` of the question, by packet. */
  readonly questions = new Map<number, string>();
  /** The same by connection: where it was sent from, its ports and its far end. */
  readonly #asked = new Map<string, string>();

  override step(where: TraceEvent['where'], skb: Skb, step: Step): void {
    super.step(where, skb, step);
    if (step.kind !== 'send' || skb.payload === null || this.questions.has(skb.trackId)) return;
    const { protocol, dst, sport, dport } = step.packet;
    const question =
      protocol === 'udp' ? questionIn(skb.payload) : new FrameReader().push(skb.payload).map(questionIn)[0];
    if (question === undefined) return;
    this.questions.set(skb.trackId, question);
    if (protocol !== 'udp') this.#asked.set(`${where.name} ${sport} ${dst} ${dport}`, question);
  }

  questionOf({ trackId, from, sport, dst, dport }: SentQuery): string | undefined {
    return this.questions.get(trackId) ?? this.#asked.get(`${from} ${sport} ${dst} ${dport}`);
  }
}

/** Servers ask on with the number of the query that they were asked. */
function questionIn(bytes: Uint8Array): string | undefined {
  try {
    const { id, response, questions } = decodeMessage(bytes);
    return response || questions[0] === undefined ? undefined : `${id} ${questions[0].type}`;
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

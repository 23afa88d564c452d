import type { Finding, ObjectStore } from '@netsim/manifest';
import { formatIp, type Ip } from '@netsim/wire';
import { type Corefile, CorefileError, readCorefile } from '../corefile/parse.ts';
import { accept } from './accept.ts';
import { drive, type ExchangeFunction } from './drive.ts';
import { encodeMessage } from './encode.ts';
import { rcodeNumber } from './header.ts';
import { ClusterIndexes } from './kubernetes/cluster-indexes.ts';
import { type HttpListener, httpListenersOf, type Listener } from './listeners.ts';
import { type DnsMessage, queryMessage } from './message.ts';
import { Metrics, type Tally, UNCOUNTED } from './metrics.ts';
import {
  type Environment,
  isWaiting,
  type QuerySource,
  type Request,
  type Serving,
  type UpstreamServer,
} from './plugin.ts';
import { CacheResult } from './plugins/cache.ts';
import { parseDuration } from './plugins/lines.ts';
import { finish, plainReply, writeDatagram, writeReply } from './reply.ts';
import type { ReplyMemo } from './reply-memo.ts';
import { findZone, Servers, type Zone } from './server-blocks.ts';

export interface CoreDnsOptions {
  /** Text of the Corefile, or one that was read. */
  readonly corefile: string | Corefile;
  /** Name of the text in messages; `Corefile` where it is not given. */
  readonly file?: string;
  readonly store: ObjectStore;
  /** Indexes of the store that are shared with other servers; without them, it has its own. */
  readonly indexes?: ClusterIndexes;
  /** Virtual time in seconds since 1970. */
  readonly now: () => number;
  /** An integer in [0, bound). */
  readonly below?: (bound: number) => number;
  /** Files by path: zone files, hosts files, files to import. */
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** How `forward` reaches other servers. Without it they do not answer. */
  readonly exchange?: ExchangeFunction;
  /** Addresses of the pod or host that this CoreDNS runs on. */
  readonly localIps?: readonly Ip[];
  readonly hostname?: string;
  /** Whether the API was read; false makes missing names SERVFAIL. */
  readonly synced?: () => boolean;
  readonly log?: (line: string) => void;
}

/** The query by which plugin `loop` finds out whether what is forwarded comes back, and where it is sent. */
export interface LoopProbe {
  readonly query: Uint8Array;
  /** The port of CoreDNS that it is sent to. */
  readonly port: number;
  /** Where the server block forwards to. */
  readonly upstreams: readonly UpstreamServer[];
  /** No reply came: counts anew before the next try. */
  again(): void;
  /** It was answered, or tried long enough. */
  done(): void;
}

/** How often plugin `reload` reads the Corefile: the interval, to which up to half of the jitter is added or taken off; seconds. */
export interface Reloading {
  readonly interval: number;
  readonly jitter: number;
}

const NOT_MODELLED = new Set([
  'azure',
  'clouddns',
  'dnssec',
  'erratic',
  'etcd',
  'geoip',
  'grpc',
  'nomad',
  'route53',
  'secondary',
  'sign',
  'tsig',
  'view',
]);

/** A server that forwards to itself would ask itself without end; memory bounds the real program. */
const MAX_DEPTH = 40;
const MAX_WAITING = 1_000;

/**
 * CoreDNS in memory: one Corefile, its servers and their plugin chains. Queries come in as octets or messages, replies go
 * out by callback, because a `forward` may have to wait for another server. Throws {@link CorefileError} for a Corefile
 * that CoreDNS would not start with, with every mistake in it.
 */
export class CoreDns {
  readonly corefile: Corefile;
  readonly #servers = new Servers();
  /** Asks another name server. */
  readonly #ask: ExchangeFunction;
  /** Calls of itself inside calls of itself, where exchanges answer at once. */
  #depth = 0;
  /** Queries that wait for other servers. */
  #waiting = 0;
  /** Changes of what answers depend on. */
  #generation = 0;
  /** Counts what makes an answer one of its kind: a random choice, a line of the log, a question to another server. */
  #singular = 0;
  readonly #ends: (() => void)[] = [];
  readonly #environment: Environment;
  /** The zone of the last query that was served; undefined where none took it. */
  #zone: Zone | undefined;
  readonly #metrics: Metrics | undefined;

  constructor(options: CoreDnsOptions) {
    const { corefile, file, env = {}, files = {} } = options;
    const reading = { env, files, ...(file === undefined ? {} : { file }) };
    const read =
      typeof corefile === 'string' ? readCorefile(corefile, reading) : { corefile, findings: [] as readonly Finding[] };
    this.corefile = read.corefile;
    const { exchange = (_, done) => done({ kind: 'failed', reason: 'no route to host' }) } = options;
    this.#ask = (asked, done) => {
      this.#singular++;
      exchange(asked, done);
    };
    const findings = [...read.findings];
    this.#environment = environmentOf(options, {
      singular: () => {
        this.#singular++;
      },
      changed: () => {
        this.#generation++;
      },
      onClose: (end) => this.#ends.push(end),
    });
    for (const block of this.corefile.blocks) this.#servers.add(block, this.#environment, findings);
    if (findings.length > 0) throw new CorefileError(findings);
    const { zones } = this.#servers;
    this.#metrics = zones.some(({ counted }) => counted) ? new Metrics(zones) : undefined;
  }

  get listeners(): readonly Listener[] {
    return this.#servers.list;
  }

  /** The TCP ports of plugins `health`, `ready` and `prometheus`, and the path that answers 200. */
  get httpListeners(): readonly HttpListener[] {
    return httpListenersOf(this.corefile);
  }

  /** What plugin `prometheus` tells at `/metrics`; empty without it. */
  get metrics(): string {
    return this.#metrics?.text() ?? '';
  }

  /** Plugins of the Corefile that real answers would depend on, and that are not modelled: they are passed over. */
  get notModelled(): readonly string[] {
    const names = this.corefile.blocks.flatMap(({ directives }) => directives.map(({ name }) => name));
    return [...new Set(names)].filter((name) => NOT_MODELLED.has(name));
  }

  /** Why CoreDNS has exited: plugin `loop` saw its own probe again. Nothing is answered from then on. */
  get fatal(): string | undefined {
    return this.#servers.loops.find(({ loop }) => loop.fatal !== undefined)?.loop.fatal;
  }

  /** What plugin `loop` wants to be sent when CoreDNS starts. */
  get probes(): readonly LoopProbe[] {
    return this.#servers.loops.map(({ loop, port, upstreams }) => ({
      query: encodeMessage(queryMessage(loop.probe, 'HINFO', { id: this.#environment.below(65_536) })),
      port,
      upstreams,
      again: () => loop.reset(),
      done: () => loop.turnOff(),
    }));
  }

  /** Plugin `reload`; undefined where a changed Corefile changes nothing. */
  get reloading(): Reloading | undefined {
    for (const { directives } of this.corefile.blocks) {
      const directive = directives.find(({ name }) => name === 'reload');
      if (directive === undefined) continue;
      const [interval = 30, jitter = 15] = directive.args.map(parseDuration);
      return { interval, jitter: Math.min(jitter, interval / 2) };
    }
    return undefined;
  }

  /** Sends the probes of plugin `loop` to itself without a network. */
  start(self: Ip): void {
    for (const { loop, port } of this.#servers.loops) {
      const source: QuerySource = { client: self, server: self, port, transport: 'udp' };
      this.ask(queryMessage(loop.probe, 'HINFO'), source, () => {});
    }
  }

  /** Ends it: what it followed is let go. It must not be asked any more. */
  close(): void {
    for (const end of this.#ends.splice(0)) end();
  }

  /**
   * Answers the octets of a query. A zone transfer may take several replies, in order; all else has one. The reply is undefined where CoreDNS sends nothing: for octets without a DNS header,
   * for replies, for queries that `acl` drops, and where it does not listen.
   */
  query(bytes: Uint8Array, source: QuerySource, reply: (bytes: Uint8Array | undefined) => void): void {
    const memo = this.#memoFor(source);
    const generation = this.#generation;
    const now = this.#environment.now();
    const known = memo?.recall(bytes, generation, now);
    if (known !== undefined) {
      this.#metrics?.count(memo!.tally, source);
      reply(known);
      return;
    }
    const query = accept(bytes);
    if (query === undefined || query instanceof Uint8Array) {
      reply(query);
      return;
    }
    const singular = this.#singular;
    const served = this.#serve(query, source);
    const zone = this.#zone;
    const cache = zone?.cache?.last ?? CacheResult.NOT_ASKED;
    if (served !== undefined && isWaiting(served)) {
      this.#wait(served, query, source, (message) => {
        if (message !== undefined) this.#metrics?.count(this.#tallyOf(message, zone, cache), source);
        writeReply(query, message, source, reply);
      });
      return;
    }
    const tally = served === undefined ? UNCOUNTED : this.#tallyOf(served, zone, cache);
    this.#metrics?.count(tally, source);
    if (memo === undefined || served === undefined) {
      writeReply(query, served, source, reply);
    } else {
      const written = writeDatagram(query, served);
      if (written !== undefined && singular === this.#singular && generation === this.#generation)
        memo.remember(bytes, written, generation, now, tally);
      reply(written);
    }
  }

  #tallyOf({ questions, rcode }: DnsMessage, zone: Zone | undefined, cache: CacheResult): Tally {
    return this.#metrics?.tally(zone, questions[0]?.type ?? '', rcodeNumber(rcode), cache) ?? UNCOUNTED;
  }

  /** Where a reply may be kept that does not depend on what the server is busy with. */
  #memoFor(source: QuerySource): ReplyMemo | undefined {
    if (source.transport !== 'udp' || this.#depth > 0 || this.#waiting > 0) return undefined;
    if (this.fatal !== undefined || !this.#environment.synced()) return undefined;
    const server = this.#servers.for(source);
    return server?.repeatable === true ? server.memo : undefined;
  }

  /** Answers a message. The reply is not cut to the size of a UDP message. */
  ask(message: DnsMessage, source: QuerySource, reply: (message: DnsMessage | undefined) => void): void {
    const served = this.#serve(message, source);
    if (served !== undefined && isWaiting(served)) this.#wait(served, message, source, reply);
    else reply(served);
  }

  /** As {@link ask} where the answer is there at once; throws where another server has to be waited for. */
  askNow(message: DnsMessage, source: QuerySource): DnsMessage | undefined {
    let result: { readonly message: DnsMessage | undefined } | undefined;
    this.ask(message, source, (answer) => {
      result = { message: answer };
    });
    if (result === undefined) throw new Error('the answer depends on another name server, which has not replied yet');
    return result.message;
  }

  /** The reply, or a plugin that has to wait for it; undefined where none is sent. */
  #serve(query: DnsMessage, source: QuerySource): DnsMessage | Serving | undefined {
    this.#zone = undefined;
    const server = this.fatal === undefined ? this.#servers.for(source) : undefined;
    if (server === undefined) return undefined;
    const question = query.questions[0];
    if (question === undefined) return plainReply(query, 'SERVFAIL');
    if (query.edns !== undefined && query.edns.version !== 0) {
      return { ...plainReply(query, 'BADVERS'), edns: { ...query.edns, version: 0, options: [] } };
    }
    const request: Request = { message: query, question, name: question.name.toLowerCase(), source };
    const zone = findZone(server, request);
    if (zone === undefined || (question.class !== 'IN' && !server.chaos)) return plainReply(query, 'REFUSED');
    if (this.#depth >= MAX_DEPTH || this.#waiting >= MAX_WAITING) return plainReply(query, 'SERVFAIL');
    this.#zone = zone;
    if (zone.cache !== undefined) zone.cache.last = CacheResult.NOT_ASKED;
    const served = zone.chain.serve(request);
    return isWaiting(served) ? served : finish(query, source, served);
  }

  /** Asks the other servers that a plugin wants to be asked, and replies when it is done. */
  #wait(
    serving: Serving,
    query: DnsMessage,
    source: QuerySource,
    reply: (message: DnsMessage | undefined) => void,
  ): void {
    this.#waiting++;
    this.#depth++;
    try {
      drive(serving, this.#ask, (outcome) => {
        this.#waiting--;
        reply(finish(query, source, outcome));
      });
    } finally {
      this.#depth--;
    }
  }
}

function environmentOf(
  options: CoreDnsOptions,
  tell: Pick<Environment, 'changed' | 'onClose'> & { singular(): void },
): Environment {
  const { files = {}, localIps = [], below = () => 0, log = () => {} } = options;
  return {
    indexes: options.indexes ?? new ClusterIndexes(options.store, options.now),
    now: options.now,
    below: (bound) => {
      tell.singular();
      return below(bound);
    },
    file: (path) => files[path],
    files: (directory) => Object.keys(files).filter((path) => path.startsWith(`${directory.replace(/\/$/, '')}/`)),
    localIps: localIps.map(formatIp),
    hostname: options.hostname ?? 'coredns',
    synced: options.synced ?? (() => true),
    log: (line) => {
      tell.singular();
      log(line);
    },
    changed: tell.changed,
    onClose: tell.onClose,
  };
}

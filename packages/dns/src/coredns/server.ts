import type { Finding, ObjectStore } from '@netsim/manifest';
import { formatIp, type Ip, tryParseIp } from '@netsim/wire';
import { parseServerKey } from '../corefile/keys.ts';
import { type Corefile, CorefileError, corefileFinding, parseCorefile, type ServerBlock } from '../corefile/parse.ts';
import { buildChain } from './chain.ts';
import { encodeMessage } from './encode.ts';
import { ClusterIndexes } from './kubernetes/cluster-indexes.ts';
import { type DnsMessage, queryMessage, type Rcode, replyTo } from './message.ts';
import type {
  Environment,
  Exchange,
  ExchangeResult,
  Handler,
  Outcome,
  QuerySource,
  Request,
  Serving,
  UpstreamServer,
} from './plugin.ts';
import { ForwardHandler } from './plugins/forward.ts';
import { parseDuration } from './plugins/lines.ts';
import { LoopHandler } from './plugins/observe.ts';
import { ReplyMemo } from './reply-memo.ts';
import { fitReply } from './truncate.ts';
import { decodeMessage, WireError } from './wire.ts';

/** Asks another name server; calls back once, at once or later. */
export type ExchangeFunction = (exchange: Exchange, done: (result: ExchangeResult) => void) => void;

export interface CoreDnsOptions {
  /** Text of the Corefile, or one that was read. */
  readonly corefile: string | Corefile;
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

/** Where CoreDNS listens. */
export interface Listener {
  readonly scheme: string;
  readonly port: number;
  /** Addresses of `bind`; all where there are none. */
  readonly addresses: readonly Ip[];
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

/** A port where a plugin answers HTTP. */
export interface HttpListener {
  readonly plugin: string;
  readonly port: number;
  readonly path: string;
}

const HTTP_PLUGINS: Readonly<Record<string, { readonly port: number; readonly path: string }>> = {
  health: { port: 8080, path: '/health' },
  ready: { port: 8181, path: '/ready' },
  prometheus: { port: 9153, path: '/metrics' },
};

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

const MAX_TCP = 65_535;
/** Records in one message of a zone transfer. */
const TRANSFER_PART = 200;
/** The size of a UDP reply to a client that says nothing, in octets. */
const UDP_SIZE = 512;

/**
 * Plugins whose answers depend on the query, on the API and on the second, and on nothing else that they do not tell: neither on
 * who asks, nor on earlier queries.
 */
const REPEATABLE = new Set([
  'any',
  'bufsize',
  'cache',
  'errors',
  'forward',
  'health',
  'hosts',
  'kubernetes',
  'loadbalance',
  'local',
  'loop',
  'minimal',
  'prometheus',
  'ready',
  'reload',
]);

interface Zone {
  readonly zone: string;
  readonly chain: Handler;
}
interface Server extends Listener {
  /** Whether a plugin of it answers classes other than IN. */
  chaos: boolean;
  /** Whether all plugins of it are {@link REPEATABLE}. */
  repeatable: boolean;
  /** What was replied over UDP. */
  readonly memo: ReplyMemo;
  readonly zones: Map<string, Zone>;
}

/**
 * CoreDNS in memory: one Corefile, its servers and their plugin chains. Queries come in as octets or messages, replies go
 * out by callback, because a `forward` may have to wait for another server. Throws {@link CorefileError} for a Corefile
 * that CoreDNS would not start with, with every mistake in it.
 */
export class CoreDns {
  readonly corefile: Corefile;
  readonly #servers: Server[] = [];
  readonly #exchange: ExchangeFunction;
  readonly #loops: {
    readonly loop: LoopHandler;
    readonly port: number;
    readonly upstreams: readonly UpstreamServer[];
  }[] = [];
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

  constructor(options: CoreDnsOptions) {
    const { corefile, env = {}, files = {} } = options;
    this.corefile = typeof corefile === 'string' ? parseCorefile(corefile, { env, files }) : corefile;
    this.#exchange = options.exchange ?? ((_, done) => done({ kind: 'failed', reason: 'no route to host' }));
    const findings: Finding[] = [];
    this.#environment = environmentOf(options, {
      singular: () => {
        this.#singular++;
      },
      changed: () => {
        this.#generation++;
      },
      onClose: (end) => this.#ends.push(end),
    });
    for (const block of this.corefile.blocks) this.#addBlock(block, this.#environment, findings);
    if (findings.length > 0) throw new CorefileError(findings);
  }

  get listeners(): readonly Listener[] {
    return this.#servers;
  }

  /** The TCP ports of plugins `health`, `ready` and `prometheus`, and the path that answers 200. */
  get httpListeners(): readonly HttpListener[] {
    return this.corefile.blocks.flatMap(({ directives }) =>
      directives.flatMap(({ name, args }) => {
        const known = HTTP_PLUGINS[name];
        if (known === undefined) return [];
        const port = Number(/:([0-9]+)$/.exec(args[0] ?? '')?.[1] ?? known.port);
        return [{ plugin: name, port, path: known.path }];
      }),
    );
  }

  /** Plugins of the Corefile that real answers would depend on, and that are not modelled: they are passed over. */
  get notModelled(): readonly string[] {
    const names = this.corefile.blocks.flatMap(({ directives }) => directives.map(({ name }) => name));
    return [...new Set(names)].filter((name) => NOT_MODELLED.has(name));
  }

  /** Why CoreDNS has exited: plugin `loop` saw its own probe again. Nothing is answered from then on. */
  get fatal(): string | undefined {
    return this.#loops.find(({ loop }) => loop.fatal !== undefined)?.loop.fatal;
  }

  /** What plugin `loop` wants to be sent when CoreDNS starts. */
  get probes(): readonly LoopProbe[] {
    return this.#loops.map(({ loop, port, upstreams }) => ({
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
    for (const { loop, port } of this.#loops) {
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
    if (memo === undefined) {
      this.#query(bytes, source, reply);
      return;
    }
    const before = { generation: this.#generation, now: this.#environment.now() };
    const known = memo.recall(bytes, before);
    if (known !== undefined) {
      reply(known);
      return;
    }
    const singular = this.#singular;
    let returned = false;
    this.#query(bytes, source, (answer) => {
      const same = !returned && singular === this.#singular && before.generation === this.#generation;
      if (same && answer !== undefined) memo.remember(bytes, answer, before);
      reply(answer);
    });
    returned = true;
  }

  #query(bytes: Uint8Array, source: QuerySource, reply: (bytes: Uint8Array | undefined) => void): void {
    const query = this.#accept(bytes);
    if (query === undefined) reply(undefined);
    else if (query.kind === 'refused') reply(query.bytes);
    else this.#serve(query.message, source, (message) => this.#write(query.message, message, source, reply));
  }

  /** Where a reply may be kept that does not depend on what the server is busy with. */
  #memoFor(source: QuerySource): ReplyMemo | undefined {
    if (source.transport !== 'udp' || this.#depth > 0 || this.#waiting > 0) return undefined;
    if (this.fatal !== undefined || !this.#environment.synced()) return undefined;
    const server = this.#serverFor(source);
    return server?.repeatable === true ? server.memo : undefined;
  }

  /** Answers a message. The reply is not cut to the size of a UDP message. */
  ask(message: DnsMessage, source: QuerySource, reply: (message: DnsMessage | undefined) => void): void {
    this.#serve(message, source, reply);
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

  #addBlock(block: ServerBlock, environment: Environment, findings: Finding[]): void {
    const addresses = block.keys.flatMap((key) => {
      const parsed = parseServerKey(key.text);
      if (typeof parsed !== 'string') return parsed.map((address) => ({ ...address, key }));
      findings.push(corefileFinding(key.file, key.line, parsed));
      return [];
    });
    const bound = bindAddresses(block, findings);
    const zones = [...new Set(addresses.map(({ zone }) => zone))];
    const { first: chain, handlers } = buildChain(block, zones, environment, findings);
    const loop = handlers.get('loop');
    if (loop instanceof LoopHandler) {
      const forward = handlers.get('forward');
      const upstreams = forward instanceof ForwardHandler ? forward.upstreams : [];
      this.#loops.push({ loop, port: addresses[0]?.port ?? 53, upstreams });
    }
    const chaos = block.directives.some(({ name }) => name === 'chaos' || name === 'forward');
    const repeatable = block.directives.every(({ name }) => REPEATABLE.has(name));
    for (const { scheme, port, zone, key } of addresses) {
      const id = `${scheme} ${port} ${bound.join(' ')}`;
      let server = this.#servers.find((one) => `${one.scheme} ${one.port} ${one.addresses.join(' ')}` === id);
      if (server === undefined) {
        server = {
          scheme,
          port,
          addresses: bound,
          chaos: false,
          repeatable: true,
          memo: new ReplyMemo(),
          zones: new Map(),
        };
        this.#servers.push(server);
      }
      const viewed = block.directives.some(({ name }) => name === 'view');
      if (server.zones.has(zone) && !viewed) {
        const text = `${scheme}://${zone}:${port}`;
        findings.push(corefileFinding(key.file, key.line, `cannot serve ${text} - it is already defined`));
      }
      server.chaos ||= chaos;
      server.repeatable &&= repeatable;
      server.zones.set(zone, { zone, chain });
    }
  }

  /** The message of a query, or the reply to what is none. After miekg/dns `DefaultMsgAcceptFunc`. */
  #accept(
    bytes: Uint8Array,
  ):
    | { readonly kind: 'query'; readonly message: DnsMessage }
    | { readonly kind: 'refused'; readonly bytes: Uint8Array }
    | undefined {
    if (bytes.length < 12) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const flags = view.getUint16(2);
    if ((flags & 0x8000) !== 0) return undefined;
    const opcode = (flags >> 11) & 15;
    if (opcode !== 0 && opcode !== 4) return { kind: 'refused', bytes: headerOnly(view, 'NOTIMP', opcode) };
    const counts = [view.getUint16(4), view.getUint16(6), view.getUint16(8), view.getUint16(10)] as const;
    if (counts[0] !== 1 || counts[1] > 1 || counts[2] > 1 || counts[3] > 2) {
      return { kind: 'refused', bytes: headerOnly(view, 'FORMERR', 0) };
    }
    try {
      return { kind: 'query', message: decodeMessage(bytes) };
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      return { kind: 'refused', bytes: headerOnly(view, 'FORMERR', 0) };
    }
  }

  #serve(query: DnsMessage, source: QuerySource, reply: (message: DnsMessage | undefined) => void): void {
    const server = this.fatal === undefined ? this.#serverFor(source) : undefined;
    if (server === undefined) {
      reply(undefined);
      return;
    }
    const question = query.questions[0];
    if (question === undefined) {
      reply(plainReply(query, 'SERVFAIL'));
      return;
    }
    if (query.edns !== undefined && query.edns.version !== 0) {
      reply({ ...plainReply(query, 'BADVERS'), edns: { ...query.edns, version: 0, options: [] } });
      return;
    }
    const request: Request = { message: query, question, name: question.name.toLowerCase(), source };
    const zone = findZone(server.zones, request);
    if (zone === undefined || (question.class !== 'IN' && !server.chaos)) {
      reply(plainReply(query, 'REFUSED'));
      return;
    }
    if (this.#depth >= MAX_DEPTH || this.#waiting >= MAX_WAITING) {
      reply(plainReply(query, 'SERVFAIL'));
      return;
    }
    this.#waiting++;
    this.#depth++;
    try {
      this.#drive(zone.chain.serve(request), (outcome) => {
        this.#waiting--;
        reply(finish(query, source, outcome));
      });
    } finally {
      this.#depth--;
    }
  }

  /** Runs a chain until it is done or waits. Answers that come at once do not deepen the call stack. */
  #drive(serving: Serving, done: (outcome: Outcome) => void): void {
    let step = serving.next();
    while (step.done !== true) {
      this.#singular++;
      let state: 'asking' | 'waiting' | 'answered' = 'asking';
      let result: ExchangeResult | undefined;
      this.#exchange(step.value, (answer) => {
        if (state === 'answered') return;
        const waiting = state === 'waiting';
        state = 'answered';
        result = answer;
        if (waiting) this.#resume(serving, answer, done);
      });
      if (result === undefined) {
        state = 'waiting';
        return;
      }
      step = serving.next(result);
    }
    done(step.value);
  }

  #resume(serving: Serving, answer: ExchangeResult, done: (outcome: Outcome) => void): void {
    const step = serving.next(answer);
    if (step.done === true) done(step.value);
    else this.#drive(continued(serving, step.value), done);
  }

  #write(
    query: DnsMessage,
    message: DnsMessage | undefined,
    source: QuerySource,
    reply: (bytes: Uint8Array | undefined) => void,
  ): void {
    if (message === undefined) {
      reply(undefined);
      return;
    }
    const type = query.questions[0]?.type;
    const parts = type === 'AXFR' || type === 'IXFR' ? Math.ceil(message.answers.length / TRANSFER_PART) : 1;
    for (let part = 0; part < Math.max(1, parts); part++) {
      const answers = message.answers.slice(part * TRANSFER_PART, (part + 1) * TRANSFER_PART);
      reply(this.#fit(query, parts > 1 ? { ...message, answers } : message, source));
    }
  }

  #fit(query: DnsMessage, message: DnsMessage, source: QuerySource): Uint8Array | undefined {
    try {
      return fitReply(message, source.transport === 'tcp' ? MAX_TCP : (query.edns?.size ?? UDP_SIZE)).bytes;
    } catch (error) {
      // A reply that cannot be written, such as one with a name that grew too long, is not sent.
      if (error instanceof WireError) return undefined;
      throw error;
    }
  }

  #serverFor(source: QuerySource): Server | undefined {
    const port = source.port ?? 53;
    let open: Server | undefined;
    for (const server of this.#servers) {
      if (server.port !== port || (server.scheme !== 'dns' && server.scheme !== 'tls')) continue;
      if (server.addresses.length === 0) open ??= server;
      else if (server.addresses.includes(source.server)) return server;
    }
    return open;
  }
}

/** A generator that first yields a value that another one has yielded already. */
function* continued(serving: Serving, value: Exchange): Serving {
  let answer = yield value;
  for (;;) {
    const step = serving.next(answer);
    if (step.done === true) return step.value;
    answer = yield step.value;
  }
}

/** The zone that serves a name: the longest that holds it; for DS the one above, where there is one. */
function findZone(zones: ReadonlyMap<string, Zone>, { name, question }: Request): Zone | undefined {
  let child: Zone | undefined;
  let at = 0;
  while (at < name.length && name !== '.') {
    const zone = zones.get(at === 0 ? name : name.slice(at));
    if (zone !== undefined) {
      if (question.type !== 'DS') return zone;
      child ??= zone;
    }
    at = name.indexOf('.', at) + 1;
    if (at === 0) break;
  }
  return child ?? zones.get('.');
}

function finish(query: DnsMessage, source: QuerySource, outcome: Outcome): DnsMessage | undefined {
  switch (outcome.kind) {
    case 'dropped':
      return undefined;
    case 'unwritten':
      return withEdns(plainReply(query, outcome.rcode), query, source);
    case 'reply':
      return withEdns(outcome.message, query, source);
  }
}

/** A reply to a query with EDNS has an OPT record that repeats the client's size and DO bit. */
function withEdns(message: DnsMessage, query: DnsMessage, source: QuerySource): DnsMessage {
  if (query.edns === undefined) {
    if (message.edns === undefined) return message;
    const { edns: _, ...rest } = message;
    return rest;
  }
  const size = source.transport === 'tcp' ? query.edns.size : Math.max(query.edns.size, 512);
  const options = message.edns?.options ?? [];
  return { ...message, edns: { size, version: 0, dnssecOk: query.edns.dnssecOk, options } };
}

function plainReply(query: DnsMessage, rcode: Rcode): DnsMessage {
  return replyTo(query, { rcode });
}

function headerOnly(view: DataView, rcode: Rcode, opcode: number): Uint8Array {
  const flags = view.getUint16(2);
  return encodeMessage({
    id: view.getUint16(0),
    response: true,
    opcode,
    rcode,
    aa: false,
    tc: (flags & 0x0200) !== 0,
    rd: (flags & 0x0100) !== 0,
    ra: (flags & 0x0080) !== 0,
    ad: (flags & 0x0020) !== 0,
    cd: (flags & 0x0010) !== 0,
    questions: [],
    answers: [],
    authorities: [],
    additionals: [],
  });
}

function bindAddresses(block: ServerBlock, findings: Finding[]): Ip[] {
  const addresses: Ip[] = [];
  for (const directive of block.directives) {
    if (directive.name !== 'bind') continue;
    for (const text of directive.args) {
      const ip = tryParseIp(text);
      if (ip !== undefined) {
        addresses.push(ip);
      } else if (!/^[a-z][a-z0-9._-]*$/i.test(text)) {
        const message = `Error during parsing: not a valid IP address or interface name: ${text}`;
        findings.push(corefileFinding(`plugin/bind: ${directive.file}`, directive.line, message));
      }
    }
  }
  return addresses;
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

import { BoundedMap } from '../bounded-map.ts';
import { type DnsMessage, type ResourceRecord, replyTo } from '../message.ts';
import { matchZone } from '../names.ts';
import {
  type Handler,
  isWaiting,
  type Outcome,
  type Request,
  replied,
  type Served,
  type Serving,
  type Setup,
  type SetupContext,
} from '../plugin.ts';
import { expectArgs, normalZones, only, readDuration, readLines, readNumber } from './lines.ts';

interface CacheLimits {
  readonly capacity: number;
  /** Seconds. */
  readonly most: number;
  readonly least: number;
}
interface CacheOptions {
  readonly zones: readonly string[];
  readonly success: CacheLimits;
  readonly denial: CacheLimits;
  /** Seconds that SERVFAIL is kept. */
  readonly servfail: number;
  /** Seconds that an answer may be given after its end, when nobody answers. */
  readonly stale: number;
  readonly staleImmediate: boolean;
  readonly keepTtl: boolean;
  readonly successExcept: readonly string[];
  readonly denialExcept: readonly string[];
}
interface Entry {
  readonly message: DnsMessage;
  readonly stored: number;
  readonly ttl: number;
}
type Kind = 'success' | 'denial' | 'servfail' | 'other';

/** What was found when a query came. */
export const CacheResult = { NOT_ASKED: 0, MISS: 1, SUCCESS: 2, DENIAL: 3 } as const;
export type CacheResult = (typeof CacheResult)[keyof typeof CacheResult];

/** Keeps answers. After CoreDNS `plugin/cache`: one shard, the oldest entry goes first where it is full. */
export class CacheHandler implements Handler {
  readonly name = 'cache';
  /** What the last query has found, for who counts. */
  last: CacheResult = CacheResult.NOT_ASKED;
  readonly #options: CacheOptions;
  readonly #context: SetupContext;
  readonly #next: Handler;
  readonly #success: BoundedMap<string, Entry>;
  readonly #denial: BoundedMap<string, Entry>;

  constructor(options: CacheOptions, context: SetupContext, next: Handler) {
    this.#options = options;
    this.#success = new BoundedMap(options.success.capacity);
    this.#denial = new BoundedMap(options.denial.capacity);
    this.#context = context;
    this.#next = next;
  }

  /** The zones that it keeps answers of. */
  get zones(): readonly string[] {
    return this.#options.zones;
  }

  serve(request: Request): Served {
    if (matchZone(this.#options.zones, request.name) === undefined) return this.#next.serve(request);
    const now = this.#context.environment.now();
    const entry = this.#find(request);
    const left = entry === undefined ? 0 : entry.stored + entry.ttl - now;
    if (entry !== undefined && left > 0) {
      this.last = kindOf(entry.message) === 'success' ? CacheResult.SUCCESS : CacheResult.DENIAL;
      return replied(this.#serveEntry(entry, request, left));
    }
    this.last = CacheResult.MISS;
    const stale = entry !== undefined && -left < this.#options.stale ? entry : undefined;
    const served = this.#next.serve(request);
    return isWaiting(served) ? this.#later(request, served, now, stale) : this.#settle(request, served, now, stale);
  }

  *#later(request: Request, serving: Serving, now: number, stale: Entry | undefined): Serving {
    return this.#settle(request, yield* serving, now, stale);
  }

  #find(request: Request): Entry | undefined {
    if (this.#success.size === 0 && this.#denial.size === 0) return undefined;
    const key = keyOf(request);
    return this.#denial.get(key) ?? this.#success.get(key);
  }

  /** Keeps what came, and says what is answered: that, or what is stale. */
  #settle(request: Request, outcome: Outcome, now: number, stale: Entry | undefined): Outcome {
    if (stale !== undefined && this.#options.staleImmediate) {
      this.#store(request, outcome, now);
      return replied(this.#serveEntry(stale, request, 0));
    }
    if (stale !== undefined && (outcome.kind !== 'reply' || outcome.message.rcode === 'SERVFAIL')) {
      return replied(this.#serveEntry(stale, request, 0));
    }
    return this.#store(request, outcome, now);
  }

  #serveEntry(entry: Entry, request: Request, left: number): DnsMessage {
    const { message } = entry;
    const age = (records: readonly ResourceRecord[]) =>
      records.map((record) => ({ ...record, ttl: this.#options.keepTtl ? record.ttl : Math.floor(left) }));
    return {
      // Not what the answer was: CoreDNS sets AA since some clients throw away replies without it.
      ...replyTo(request.message, { rcode: message.rcode, aa: true }),
      ra: message.ra,
      ad: message.ad && (request.message.ad || request.message.edns?.dnssecOk === true),
      answers: age(message.answers),
      authorities: age(message.authorities),
      additionals: age(message.additionals),
    };
  }

  /** Keeps a reply; what goes to the client has the TTL under which it is kept. */
  #store(request: Request, outcome: Outcome, now: number): Outcome {
    if (outcome.kind !== 'reply') return outcome;
    const { message } = outcome;
    const kind = kindOf(message);
    if (kind === 'other' || message.tc || message.opcode !== 0) return outcome;
    const { success, denial, servfail, keepTtl, successExcept, denialExcept } = this.#options;
    const except = kind === 'success' ? successExcept : denialExcept;
    if (matchZone(except, request.name) !== undefined) return outcome;
    const limits = kind === 'success' ? success : denial;
    const ttl = kind === 'servfail' ? servfail : Math.min(Math.max(leastTtl(message), limits.least), limits.most);
    if (ttl === 0) return outcome;
    const table = kind === 'success' ? this.#success : this.#denial;
    const key = keyOf(request);
    table.set(key, { message, stored: now, ttl });
    this.#context.environment.changed();
    if (kind === 'success') this.#denial.delete(key);
    if (keepTtl) return outcome;
    const set = (records: readonly ResourceRecord[]) => records.map((record) => ({ ...record, ttl }));
    return replied({
      ...message,
      answers: set(message.answers),
      authorities: set(message.authorities),
      additionals: set(message.additionals),
    });
  }
}

/** What an entry is kept under: the question, and the flags that its answer depends on. */
function keyOf({ message, question, name }: Request): string {
  const flags = `${message.edns?.dnssecOk === true ? 1 : 0}${message.cd ? 1 : 0}`;
  return `${name} ${question.type} ${question.class} ${flags}`;
}

function kindOf({ rcode, answers, authorities }: DnsMessage): Kind {
  if (rcode === 'NOERROR' && answers.length > 0) return 'success';
  if ((rcode === 'NOERROR' || rcode === 'NXDOMAIN') && authorities.some(isSoa)) return 'denial';
  if (rcode === 'SERVFAIL' || rcode === 'NOTIMP') return 'servfail';
  return rcode === 'NOERROR' ? 'success' : 'other';
}

function isSoa({ type }: ResourceRecord): boolean {
  return type === 'SOA';
}

/** Seconds that a reply without any record is kept. */
const NO_RECORD_TTL = 5;

/** Seconds that a reply is kept at most, whatever its records say. */
const MAX_TTL = 3600;

function leastTtl({ answers, authorities, additionals }: DnsMessage): number {
  const records = [...answers, ...authorities, ...additionals];
  if (records.length === 0) return NO_RECORD_TTL;
  return records.reduce((least, record) => Math.min(least, record.ttl), MAX_TTL);
}

const CAPACITY = 9984;

export const cache: Setup = (directives, context) => {
  const directive = only(directives, context);
  let args = directive.args;
  let success: CacheLimits = { capacity: CAPACITY, most: 3600, least: 5 };
  let denial: CacheLimits = { capacity: CAPACITY, most: 1800, least: 5 };
  if (args.length > 0 && /^-?[0-9]+$/.test(args[0]!)) {
    const most = Number(args[0]);
    if (most <= 0) context.error(directive, `cache TTL can not be zero or negative: ${most}`);
    success = { ...success, most };
    denial = { ...denial, most };
    args = args.slice(1);
  }
  const zones = args.length === 0 ? context.zones : args.flatMap((text) => normalZones(text, directive, context.error));
  const options = {
    servfail: 5,
    stale: 0,
    staleImmediate: true,
    keepTtl: false,
    successExcept: [] as readonly string[],
    denialExcept: [] as readonly string[],
  };
  const limits = (line: (typeof directives)[number], before: CacheLimits): CacheLimits => {
    if (!expectArgs(line, context, 1, 3)) return before;
    const [capacity, most, least] = line.args;
    return {
      capacity: readNumber(line, capacity, context),
      most: most === undefined ? before.most : readNumber(line, most, context),
      least: least === undefined ? before.least : readNumber(line, least, context),
    };
  };
  readLines(directive, context, {
    success: (line) => {
      success = limits(line, success);
    },
    denial: (line) => {
      denial = limits(line, denial);
    },
    prefetch: (line) => void readNumber(line, line.args[0], context),
    serve_stale: (line) => {
      const [duration, mode = 'immediate'] = line.args;
      options.stale = duration === undefined ? 3600 : readDuration(line, duration, context);
      if (mode !== 'immediate' && mode !== 'verify')
        context.error(line, `invalid value for serve_stale refresh mode: ${mode}`);
      options.staleImmediate = mode === 'immediate';
    },
    servfail: (line) => {
      options.servfail = readDuration(line, line.args[0], context);
      if (options.servfail > 300) context.error(line, `caching SERVFAIL responses over 5 minutes is not permitted`);
    },
    disable: (line) => {
      const [what, ...names] = line.args;
      const except = names.length === 0 ? zones : names.flatMap((text) => normalZones(text, line, context.error));
      if (what === 'success') options.successExcept = except;
      else if (what === 'denial') options.denialExcept = except;
      else context.error(line, `cache type for disable must be "success" or "denial"`);
    },
    keepttl: () => {
      options.keepTtl = true;
    },
  });
  return (next) => new CacheHandler({ zones, success, denial, ...options }, context, next);
};

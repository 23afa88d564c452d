import { formatEndpoint } from '@netsim/wire';
import { encodeMessage } from '../encode.ts';
import type { DnsMessage } from '../message.ts';
import { replyTo } from '../message.ts';
import { isSubDomainLower } from '../names.ts';
import { afterwards, type Handler, type Outcome, type Request, type Served, type Setup } from '../plugin.ts';
import { expectArgs, only, originsOf, parseDuration, readDuration, readLines } from './lines.ts';

/** log: a line for each query, in CoreDNS's common format. Other formats are read and ignored. */
export const log: Setup = (directives, context) => {
  const scopes: { zones: readonly string[]; classes: ReadonlySet<string> }[] = [];
  for (const directive of directives) {
    const classes = new Set<string>();
    readLines(directive, context, {
      class: (line) => {
        for (const name of line.args) {
          if (['success', 'denial', 'error', 'all'].includes(name)) classes.add(name);
          else context.error(line, `invalid Class: ${name}`);
        }
      },
    });
    if (classes.size === 0) classes.add('all');
    const [zone] = directive.args;
    const zones = zone === undefined ? context.zones : originsOf({ ...directive, args: [zone] }, [], context.error);
    scopes.push({ zones, classes });
  }
  const logged = (outcome: Outcome, request: Request): Outcome => {
    for (const { zones, classes } of scopes) {
      if (!zones.some((zone) => isSubDomainLower(zone, request.name))) continue;
      if (classes.has('all') || classes.has(classOf(outcome))) context.environment.log(logLine(request, outcome));
      break;
    }
    return outcome;
  };
  return (next) => ({
    name: 'log',
    serve: (request) => afterwards(next.serve(request), request, logged),
  });
};

function classOf(outcome: Outcome): string {
  if (outcome.kind !== 'reply') return 'error';
  const { rcode, answers } = outcome.message;
  if (rcode === 'NXDOMAIN' || (rcode === 'NOERROR' && answers.length === 0)) return 'denial';
  return rcode === 'NOERROR' ? 'success' : 'error';
}

function logLine({ message, question, source }: Request, outcome: Outcome): string {
  const remote = formatEndpoint(source.client, source.clientPort ?? 0);
  const dnssec = message.edns?.dnssecOk ?? false;
  const size = message.edns?.size ?? 512;
  const query = `${question.type} ${question.class} ${question.name} ${source.transport} ${encodeMessage(message).length} ${dnssec} ${size}`;
  const reply =
    outcome.kind === 'reply'
      ? outcome.message
      : replyTo(message, { rcode: outcome.kind === 'unwritten' ? outcome.rcode : 'NOERROR' });
  const flags = flagsOf(reply).join(',');
  return `[INFO] ${remote} - ${message.id} "${query}" ${reply.rcode} ${flags} ${encodeMessage(reply).length} 0s`;
}

function flagsOf(message: DnsMessage): string[] {
  const flags: readonly [boolean, string][] = [
    [message.response, 'qr'],
    [message.aa, 'aa'],
    [message.tc, 'tc'],
    [message.rd, 'rd'],
    [message.ra, 'ra'],
    [message.ad, 'ad'],
    [message.cd, 'cd'],
  ];
  return flags.filter(([set]) => set).map(([, name]) => name);
}

/** errors: a line for each query that nobody could answer. */
export const errors: Setup = (directives, context) => {
  const directive = only(directives, context);
  readLines(directive, context, {
    stacktrace: (line) => void expectArgs(line, context, 0),
    consolidate: (line) => {
      if (line.args.length < 2) expectArgs(line, context, 2);
      else if (parseDuration(line.args[0]!) === undefined) context.error(line, `invalid duration: ${line.args[0]}`);
    },
  });
  const told = (outcome: Outcome, { question: { name, type } }: Request): Outcome => {
    if (outcome.kind === 'unwritten' && outcome.rcode === 'SERVFAIL')
      context.environment.log(`[ERROR] plugin/errors: 2 ${name} ${type}: ${outcome.reason}`);
    return outcome;
  };
  return (next) => ({ name: 'errors', serve: (request) => afterwards(next.serve(request), request, told) });
};

/** How often CoreDNS may see its own probe: once from itself, once more for a retry. */
const LOOP_LIMIT = 2;

/** Finds out whether what is forwarded comes back. After `plugin/loop/loop.go`. */
export class LoopHandler implements Handler {
  readonly name = 'loop';
  readonly zone: string;
  readonly probe: string;
  readonly #next: Handler;
  #off = false;
  #seen = 0;
  readonly #changed: () => void;
  #fatal: string | undefined;

  constructor(zone: string, probe: string, next: Handler, changed: () => void) {
    this.#changed = changed;
    this.zone = zone;
    this.probe = probe;
    this.#next = next;
  }

  /** Why CoreDNS exits, once it has seen its probe too often. */
  get fatal(): string | undefined {
    return this.#fatal;
  }

  /** Begins to count anew, as after a probe without a reply. */
  reset(): void {
    this.#seen = 0;
  }

  /** Looks no more: a probe has been answered, or for half a minute none was. */
  turnOff(): void {
    this.#off = true;
    this.#changed();
  }

  serve(request: Request): Served {
    const { question, name } = request;
    if (question.type !== 'HINFO' || name !== this.probe || this.#off || this.#fatal !== undefined) {
      return this.#next.serve(request);
    }
    this.#seen++;
    this.#changed();
    if (this.#seen > LOOP_LIMIT) {
      const { client, clientPort = 0, port = 53 } = request.source;
      const route = `${formatEndpoint(client, clientPort)} -> :${port}`;
      const help = 'see https://coredns.io/plugins/loop#troubleshooting';
      this.#fatal = `[FATAL] plugin/loop: Loop (${route}) detected for zone "${this.zone}", ${help}. Query: "HINFO ${this.probe}"`;
      return { kind: 'dropped', reason: this.#fatal };
    }
    return this.#next.serve(request);
  }
}

export const loop: Setup = (directives, context) => {
  const directive = only(directives, context);
  expectArgs(directive, context, 0);
  const zone = context.zones[0] ?? '.';
  const number = () => `${context.environment.below(0x7fff_ffff)}${context.environment.below(0x7fff_ffff)}`;
  const probe = `${number()}.${number()}.${zone === '.' ? '' : zone}`;
  return (next) => new LoopHandler(zone, probe, next, context.environment.changed);
};

/** Plugins that serve HTTP or change how CoreDNS runs: their arguments are checked, answers stay as they are. */
export const health: Setup = (directives, context) => {
  const directive = only(directives, context);
  expectArgs(directive, context, 0, 1);
  readLines(directive, context, { lameduck: (line) => void readDuration(line, line.args[0], context) });
  return undefined;
};
export const ready: Setup = (directives, context) => {
  const directive = only(directives, context);
  expectArgs(directive, context, 0, 1);
  readLines(directive, context, { monitor: (line) => void expectArgs(line, context, 1) });
  return undefined;
};
export const reload: Setup = (directives, context) => {
  const directive = only(directives, context);
  expectArgs(directive, context, 0, 2);
  for (const [index, text] of directive.args.entries()) {
    const seconds = parseDuration(text);
    if (seconds === undefined) context.error(directive, `time: invalid duration "${text}"`);
    else if (index === 0 && seconds < 2) context.error(directive, 'interval value must be greater or equal to 2s');
    else if (index === 1 && seconds < 1) context.error(directive, 'jitter value must be greater or equal to 1s');
  }
  return undefined;
};

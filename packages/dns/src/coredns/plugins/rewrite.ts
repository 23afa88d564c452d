import type { Directive, Statement } from '../../corefile/parse.ts';
import { type DnsMessage, RCODES, type Rcode, type ResourceRecord, replyTo } from '../message.ts';
import { fqdn } from '../names.ts';
import {
  type Handler,
  type Request,
  replied,
  type Serving,
  type Setup,
  type SetupContext,
  settled,
  unwritten,
  withQuestion,
} from '../plugin.ts';
import { goRegExp } from './go-regexp.ts';
import { argumentError } from './lines.ts';

/** Changes one record, or the code, of a reply to a rewritten question. */
type ReplyRule =
  | { readonly kind: 'owner' | 'value'; readonly rewrite: (name: string) => string | undefined }
  | { readonly kind: 'ttl'; readonly least: number; readonly most: number }
  | { readonly kind: 'rcode'; readonly from: Rcode; readonly to: Rcode };

/** What a rule made of a question. */
interface Rewritten {
  readonly name: string;
  readonly type: string;
  readonly class: string;
  readonly replyRules: readonly ReplyRule[];
  /** A name that the question becomes an alias of. */
  readonly alias?: string;
}
interface RewriteRule {
  readonly goOn: boolean;
  readonly apply: (request: Request) => Rewritten | undefined;
}

/** Changes questions on their way in, and replies on their way out. After CoreDNS `plugin/rewrite`. */
class RewriteHandler implements Handler {
  readonly name = 'rewrite';
  readonly #rules: readonly RewriteRule[];
  readonly #context: SetupContext;
  readonly #next: Handler;

  constructor(rules: readonly RewriteRule[], context: SetupContext, next: Handler) {
    this.#rules = rules;
    this.#context = context;
    this.#next = next;
  }

  *serve(request: Request): Serving {
    let current = request;
    let alias: string | undefined;
    const replyRules: ReplyRule[] = [];
    let matched = false;
    for (const rule of this.#rules) {
      const rewritten = rule.apply(current);
      if (rewritten === undefined) continue;
      if (!isDomainName(rewritten.name)) return unwritten('SERVFAIL', `invalid name after rewrite: ${rewritten.name}`);
      matched = true;
      alias = rewritten.alias ?? alias;
      const question = { name: rewritten.name, type: rewritten.type, class: rewritten.class };
      current = { ...withQuestion(current, question.name, question.type), question };
      current = { ...current, message: { ...current.message, questions: [question] } };
      replyRules.push(...rewritten.replyRules);
      if (!rule.goOn) break;
    }
    if (!matched) return yield* settled(this.#next.serve(request));
    if (alias !== undefined) return yield* this.#aliased(request, alias);
    const outcome = yield* settled(this.#next.serve(current));
    if (outcome.kind === 'dropped') return outcome;
    const message = outcome.kind === 'reply' ? outcome.message : replyTo(current.message, { rcode: outcome.rcode });
    return replied(reverted(message, request, replyRules));
  }

  /** `rewrite cname`: the alias, and what the server itself says of it. */
  *#aliased(request: Request, alias: string): Serving {
    const { question, message } = request;
    const reply = yield* this.#context.lookup(request, alias, question.type);
    if (reply === undefined) return unwritten('SERVFAIL', `lookup of ${alias} failed`);
    const ttl = reply.answers[0]?.ttl ?? 0;
    const cname: ResourceRecord = { name: question.name, class: 'IN', ttl, type: 'CNAME', data: alias };
    return replied({ ...replyTo(message, { rcode: reply.rcode, aa: reply.aa }), answers: [cname, ...reply.answers] });
  }
}

function isDomainName(name: string): boolean {
  return (
    name.length <= 254 &&
    (name === '.' ||
      name
        .slice(0, -1)
        .split(/(?<!\\)\./)
        .every((label) => label !== '' && label.length < 64))
  );
}

function reverted(message: DnsMessage, request: Request, rules: readonly ReplyRule[]): DnsMessage {
  const change = (records: readonly ResourceRecord[]) => records.map((record) => rules.reduce(changeRecord, record));
  let { rcode } = message;
  for (const rule of rules) if (rule.kind === 'rcode' && rule.from === rcode) rcode = rule.to;
  return {
    ...message,
    rcode,
    questions: request.message.questions,
    answers: change(message.answers),
    authorities: change(message.authorities),
    additionals: change(message.additionals),
  };
}

function changeRecord(record: ResourceRecord, rule: ReplyRule): ResourceRecord {
  switch (rule.kind) {
    case 'owner': {
      const name = rule.rewrite(record.name);
      return name === undefined ? record : { ...record, name };
    }
    case 'value':
      return changeValue(record, rule.rewrite);
    case 'ttl':
      return { ...record, ttl: Math.min(Math.max(record.ttl, rule.least), rule.most) };
    case 'rcode':
      return record;
  }
}

function changeValue(record: ResourceRecord, rewrite: (name: string) => string | undefined): ResourceRecord {
  switch (record.type) {
    case 'CNAME':
    case 'NS':
    case 'PTR':
    case 'DNAME':
      return { ...record, data: rewrite(record.data) ?? record.data };
    case 'SRV':
      return { ...record, data: { ...record.data, target: rewrite(record.data.target) ?? record.data.target } };
    case 'MX':
      return { ...record, data: { ...record.data, exchange: rewrite(record.data.exchange) ?? record.data.exchange } };
    case 'SOA':
      return { ...record, data: { ...record.data, mname: rewrite(record.data.mname) ?? record.data.mname } };
    case 'NAPTR': {
      const { replacement } = record.data;
      return { ...record, data: { ...record.data, replacement: rewrite(replacement) ?? replacement } };
    }
    default:
      return record;
  }
}

export const rewrite: Setup = (directives, context) => {
  const rules = directives.flatMap((directive) => readRule(directive, context) ?? []);
  return (next) => new RewriteHandler(rules, context, next);
};

function readRule(directive: Directive, context: SetupContext): RewriteRule | undefined {
  let words = [...directive.args, ...(directive.body ?? []).flatMap((line) => [line.name, ...line.args])];
  const mode = words[0]?.toLowerCase();
  const goOn = mode === 'continue';
  if (mode === 'continue' || mode === 'stop') words = words.slice(1);
  const [kind, ...args] = words;
  try {
    const apply = readKind(kind?.toLowerCase(), args, directive);
    return { goOn, apply };
  } catch (error) {
    // Bad patterns throw a SyntaxError, bad rules the error below.
    context.error(directive, error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

function readKind(kind: string | undefined, args: readonly string[], line: Statement): RewriteRule['apply'] {
  switch (kind) {
    case 'name':
      return nameRule(args, line);
    case 'type':
    case 'class': {
      const [from, to] = args.map((word) => word.toUpperCase());
      if (from === undefined || to === undefined || args.length !== 2) {
        throw new Error(`${kind} rules must have exactly two arguments`);
      }
      return ({ question }) => (question[kind] === from ? { ...question, replyRules: [], [kind]: to } : undefined);
    }
    case 'ttl':
      return ttlRule(args);
    case 'rcode':
      return rcodeRule(args);
    case 'cname': {
      const [match = '', from = '', to = ''] = args.length === 2 ? ['exact', ...args] : args;
      if (from === '' || to === '') throw new Error(`too few arguments for a cname rule`);
      const matches = matcher(match, from);
      return ({ name, question }) =>
        matches(name) === undefined ? undefined : { ...question, replyRules: [], alias: fqdn(to.toLowerCase()) };
    }
    case 'edns0':
      // Only other servers could see the option, and no answer here depends on it.
      if (args.length < 3) throw new Error('too few arguments for an EDNS0 rule');
      return () => undefined;
    case undefined:
      throw new Error(argumentError(line));
    default:
      throw new Error(`invalid rule type "${kind}"`);
  }
}

/** A match of a name: the groups of a pattern, or none. */
function matcher(kind: string, text: string): (name: string) => readonly string[] | undefined {
  // CoreDNS completes the text of every kind but regex with a dot, so that a prefix ends at a label.
  const lower = fqdn(text.toLowerCase());
  const found = (good: boolean) => (good ? [] : undefined);
  switch (kind) {
    case 'exact':
      return (name) => found(name === lower);
    case 'prefix':
      return (name) => found(name.startsWith(lower));
    case 'suffix':
      return (name) => found(name.endsWith(lower));
    case 'substring':
      return (name) => found(name.includes(lower));
    case 'regex': {
      const pattern = goRegExp(text);
      return (name) => pattern.exec(name)?.map((group) => group ?? '');
    }
    default:
      throw new Error(`unknown matching type "${kind}": expected exact, prefix, suffix, substring or regex`);
  }
}

function fill(template: string, groups: readonly string[]): string {
  return groups.reduce((text, group, index) => text.replaceAll(`{${index}}`, group), template);
}

const MATCH_KINDS = new Set(['exact', 'prefix', 'suffix', 'substring', 'regex']);

function nameRule(args: readonly string[], line: Statement): RewriteRule['apply'] {
  const named = MATCH_KINDS.has(args[0]?.toLowerCase() ?? '') && args.length > 2;
  const kind = named ? args[0]!.toLowerCase() : 'exact';
  const [from, to, ...rest] = named ? args.slice(1) : args;
  if (from === undefined || to === undefined) throw new Error(argumentError(line));
  const { auto, rules } = answerRules(rest);
  const matches = matcher(kind, from);
  const lowerFrom = fqdn(from.toLowerCase());
  const lowerTo = fqdn(to.toLowerCase());
  return ({ name, question }) => {
    const groups = matches(name);
    if (groups === undefined) return undefined;
    let renamed: string;
    if (kind === 'exact') renamed = lowerTo;
    else if (kind === 'prefix') renamed = lowerTo + name.slice(lowerFrom.length);
    else if (kind === 'suffix') renamed = name.slice(0, name.length - lowerFrom.length) + lowerTo;
    else if (kind === 'substring') renamed = name.replaceAll(lowerFrom, lowerTo);
    else renamed = fill(to, groups);
    const target = fqdn(renamed);
    // The whole name is put back, nothing of it: names below it keep what they are.
    const back = (text: string) => (text.toLowerCase() === target.toLowerCase() ? name : undefined);
    const automatic: ReplyRule[] =
      auto || kind === 'exact'
        ? [
            { kind: 'owner', rewrite: back },
            { kind: 'value', rewrite: back },
          ]
        : [];
    return { ...question, name: target, replyRules: [...automatic, ...rules] };
  };
}

/** `answer auto`, `answer name FROM TO`, `answer value FROM TO`, in any number. */
function answerRules(words: readonly string[]): { auto: boolean; rules: ReplyRule[] } {
  const rules: ReplyRule[] = [];
  let auto = false;
  for (let at = 0; at < words.length; ) {
    const [word, what, from, to] = words.slice(at, at + 4);
    if (word?.toLowerCase() !== 'answer') throw new Error(`exceeded the number of arguments for a rule: "${word}"`);
    if (what?.toLowerCase() === 'auto') {
      auto = true;
      at += 2;
      continue;
    }
    const kind = what?.toLowerCase() === 'name' ? 'owner' : what?.toLowerCase() === 'value' ? 'value' : undefined;
    if (kind === undefined) throw new Error(`invalid type "${what}" of an answer rule: expected auto, name or value`);
    if (from === undefined || to === undefined)
      throw new Error(`response ${what} rules need a pattern and a replacement`);
    const pattern = goRegExp(from);
    const rewriteName = (name: string) => {
      const groups = pattern.exec(name);
      return groups === null
        ? undefined
        : fqdn(
            fill(
              to,
              groups.map((group) => group ?? ''),
            ),
          );
    };
    rules.push({ kind, rewrite: rewriteName });
    at += 4;
  }
  return { auto, rules };
}

function ttlRule(args: readonly string[]): RewriteRule['apply'] {
  const [kind, name, ttl] = args.length === 2 ? ['exact', ...args] : args;
  const range = /^([0-9]+)?(-)?([0-9]+)?$/.exec(ttl ?? '');
  if (kind === undefined || name === undefined || range === null || ttl === '' || ttl === '-') {
    throw new Error(`invalid TTL value: '${ttl ?? ''}'`);
  }
  const single = range[2] === undefined;
  const least = Number(range[1] ?? 0);
  const most = single ? least : Number(range[3] ?? 0x7fff_ffff);
  if (least > most) throw new Error(`invalid TTL range: '${ttl}'`);
  const matches = matcher(kind.toLowerCase(), name);
  return (request) =>
    matches(request.name) === undefined
      ? undefined
      : { ...request.question, replyRules: [{ kind: 'ttl', least, most }] };
}

function rcodeRule(args: readonly string[]): RewriteRule['apply'] {
  const [kind = '', name = '', from, to] = args.length === 3 ? ['exact', ...args] : args;
  const codes = [from, to].map((text) => {
    const code = RCODES.find((rcode, index) => rcode === text?.toUpperCase() || String(index) === text);
    if (code === undefined) throw new Error(`invalid rcode: '${text ?? ''}'`);
    return code;
  }) as [Rcode, Rcode];
  const matches = matcher(kind.toLowerCase(), name);
  const rule: ReplyRule = { kind: 'rcode', from: codes[0], to: codes[1] };
  return (request) => (matches(request.name) === undefined ? undefined : { ...request.question, replyRules: [rule] });
}

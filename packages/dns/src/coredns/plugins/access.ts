import { familyOf, formatIp, type Prefix, prefixContains, tryParseIp, tryParsePrefix } from '@netsim/wire';
import type { Directive } from '../../corefile/parse.ts';
import { type DnsMessage, type ResourceRecord, replyTo } from '../message.ts';
import { matchZone } from '../names.ts';
import {
  afterwards,
  type Handler,
  type Outcome,
  type Request,
  replied,
  type Served,
  type Serving,
  type Setup,
  type SetupContext,
  settled,
  withQuestion,
} from '../plugin.ts';
import { argumentError, originsOf, readLines } from './lines.ts';

type Action = 'allow' | 'block' | 'filter' | 'drop';
interface Policy {
  readonly action: Action;
  /** Upper case; empty for all. */
  readonly types: readonly string[];
  /** Empty for all. */
  readonly nets: readonly Prefix[];
}

/** acl: who may ask what. The first rule that matches decides; without one the query goes on. */
export const acl: Setup = (directives, context) => {
  const rules = directives.map((directive) => ({
    zones: originsOf(directive, context.zones, context.error),
    policies: (directive.body ?? []).flatMap((line) => readPolicy(line, context) ?? []),
  }));
  return (next) => ({
    name: 'acl',
    serve(request: Request): Served {
      for (const { zones, policies } of rules) {
        if (matchZone(zones, request.name) === undefined) continue;
        const policy = policies.find((one) => applies(one, request));
        if (policy?.action === 'block') return replied(replyTo(request.message, { rcode: 'REFUSED' }));
        if (policy?.action === 'filter') return replied(replyTo(request.message, {}));
        if (policy?.action === 'drop') return { kind: 'dropped', reason: 'acl' };
      }
      return next.serve(request);
    },
  });
};

function applies({ types, nets }: Policy, { question, source }: Request): boolean {
  if (types.length > 0 && !types.includes(question.type)) return false;
  return nets.length === 0 || nets.some((net) => prefixContains(net, source.client));
}

function readPolicy(line: Directive, context: SetupContext): Policy | undefined {
  const action = line.name.toLowerCase();
  if (action !== 'allow' && action !== 'block' && action !== 'filter' && action !== 'drop') {
    context.error(line, `unexpected token "${line.name}"; expect 'allow', 'block', 'filter' or 'drop'`);
    return undefined;
  }
  const types: string[] = [];
  const nets: Prefix[] = [];
  let section = '';
  let anyNet = false;
  let anyType = false;
  for (const word of line.args) {
    const lower = word.toLowerCase();
    if (lower === 'type' || lower === 'net') {
      section = lower;
    } else if (section === 'type') {
      if (word === '*') anyType = true;
      else types.push(word.toUpperCase());
    } else if (section === 'net') {
      const net = tryParsePrefix(word);
      if (word === '*') anyNet = true;
      else if (net === undefined) context.error(line, `illegal CIDR notation "${word}"`);
      else nets.push(net);
    } else context.error(line, `unexpected token "${word}"; expect 'type | net'`);
  }
  return { action, types: anyType ? [] : types, nets: anyNet ? [] : nets };
}

const FLAGS = ['aa', 'ra', 'rd', 'ad', 'cd'] as const;
type Flag = (typeof FLAGS)[number];
interface HeaderRule {
  readonly on: 'query' | 'response';
  readonly flag: Flag;
  readonly value: boolean;
}

/** header: sets or clears flags of queries and replies. */
export const header: Setup = (directives, context) => {
  const rules: HeaderRule[] = [];
  for (const directive of directives) {
    for (const line of directive.body ?? []) {
      const selected = line.name === 'query' || line.name === 'response';
      const [action, ...flags] = selected ? line.args : [line.name, ...line.args];
      const on = line.name === 'query' ? 'query' : 'response';
      if (action !== 'set' && action !== 'clear') {
        context.error(line, `unknown flag action=${action}, should be set or clear`);
      } else if (flags.length === 0) context.error(line, 'invalid length for flags, at least one should be provided');
      for (const flag of flags) {
        const known = FLAGS.find((one) => one === flag.toLowerCase());
        if (known === undefined) context.error(line, `unknown/unsupported flag=${flag}`);
        else rules.push({ on, flag: known, value: action === 'set' });
      }
    }
  }
  const change = (message: DnsMessage, on: HeaderRule['on']): DnsMessage => {
    const flags: Partial<Record<Flag, boolean>> = {};
    for (const rule of rules) if (rule.on === on) flags[rule.flag] = rule.value;
    return { ...message, ...flags };
  };
  return (next) => ({
    name: 'header',
    serve(request: Request): Served {
      const changed = { ...request, message: change(request.message, 'query') };
      return afterwards(next.serve(changed), request, (outcome) =>
        outcome.kind === 'reply' ? replied(change(outcome.message, 'response')) : outcome,
      );
    },
  });
};

/** dns64: IPv6 addresses made of IPv4 ones, RFC 6147, for clients that ask over IPv6. */
export const dns64: Setup = (directives, context) => {
  const directive = directives[0]!;
  let prefix = tryParsePrefix(directive.args[0] ?? '64:ff9b::/96');
  let all = false;
  let allowV4 = false;
  readLines(directive, context, {
    prefix: (line) => {
      if (line.args.length !== 1) context.error(line, argumentError(line));
      prefix = tryParsePrefix(line.args[0] ?? '');
    },
    translate_all: () => {
      all = true;
    },
    allow_ipv4: () => {
      allowV4 = true;
    },
  });
  const lengths = [32, 40, 48, 56, 64, 96];
  if (prefix === undefined || typeof prefix.address !== 'bigint' || !lengths.includes(prefix.length)) {
    context.error(directive, `invalid prefix: "${directive.args[0] ?? ''}"`);
    return undefined;
  }
  const { address, length } = { address: prefix.address, length: prefix.length };
  return (next: Handler) => ({
    name: 'dns64',
    *serve(request: Request): Serving {
      const { question, source, message } = request;
      const wanted = question.type === 'AAAA' && (allowV4 || familyOf(source.client) === 6);
      const outcome: Outcome = yield* settled(next.serve(request));
      if (!wanted || outcome.kind !== 'reply') return outcome;
      const { rcode, answers } = outcome.message;
      if (rcode === 'NXDOMAIN' || (!all && answers.some((record) => record.type === 'AAAA'))) return outcome;
      const v4: Outcome = yield* settled(next.serve(withQuestion(request, question.name, 'A')));
      if (v4.kind !== 'reply' || v4.message.rcode !== 'NOERROR') return outcome;
      const translated = v4.message.answers.map(
        (record): ResourceRecord =>
          record.type === 'A' ? { ...record, type: 'AAAA', data: embed(address, length, record.data) } : record,
      );
      if (!translated.some((record) => record.type === 'AAAA')) return outcome;
      return replied({ ...v4.message, questions: message.questions, answers: translated });
    },
  });
};

/** An IPv4 address inside an IPv6 prefix, RFC 6052: octet 8 stays zero. */
function embed(prefix: bigint, length: number, v4: string): string {
  let value = BigInt((tryParseIp(v4) as number) >>> 0);
  let result = prefix;
  let at = length;
  for (let shift = 24n; shift >= 0n; shift -= 8n) {
    if (at === 64) at += 8;
    result |= ((value >> shift) & 255n) << BigInt(120 - at);
    at += 8;
  }
  value = result;
  return formatIp(value);
}

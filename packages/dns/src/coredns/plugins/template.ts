import { formatIp } from '@netsim/wire';
import type { Directive } from '../../corefile/parse.ts';
import { fallsThrough } from '../kubernetes/plugin.ts';
import { type DnsMessage, RCODES, type Rcode, type ResourceRecord, replyTo } from '../message.ts';
import { matchZone } from '../names.ts';
import {
  type Handler,
  type Request,
  replied,
  type Served,
  type Setup,
  type SetupContext,
  unwritten,
} from '../plugin.ts';
import { parseRecordText, ZoneError } from '../zone/zone-text.ts';
import { goRegExp } from './go-regexp.ts';
import { compileTemplate, type Template, TemplateError, type TemplateValues } from './go-template.ts';
import { argumentError, expectArgs, type Fallthrough, normalZones, readFallthrough, readLines } from './lines.ts';

interface TemplateRule {
  readonly class: string;
  readonly type: string;
  readonly zones: readonly string[];
  readonly matches: readonly RegExp[];
  readonly answers: readonly Template[];
  readonly authorities: readonly Template[];
  readonly additionals: readonly Template[];
  readonly rcode: Rcode;
  readonly fallthrough: Fallthrough;
}

/** Answers by pattern. After CoreDNS `plugin/template/template.go`. */
class TemplateHandler implements Handler {
  readonly name = 'template';
  readonly #rules: readonly TemplateRule[];
  readonly #next: Handler;

  constructor(rules: readonly TemplateRule[], next: Handler) {
    this.#rules = rules;
    this.#next = next;
  }

  serve(request: Request): Served {
    const { question } = request;
    for (const rule of this.#rules) {
      const zone = matchZone(rule.zones, request.name);
      if (zone === undefined) continue;
      if (rule.class !== 'ANY' && question.class !== 'ANY' && rule.class !== question.class) continue;
      if (rule.type !== 'ANY' && question.type !== 'ANY' && rule.type !== question.type) continue;
      const match = firstMatch(rule.matches, request.name);
      if (match === undefined) {
        if (fallsThrough(rule.fallthrough, request.name)) continue;
        // CoreDNS ends here with the code NXDOMAIN but writes no reply, so that the client waits in vain.
        return { kind: 'dropped', reason: 'no template matches, and there is no fallthrough' };
      }
      if (rule.rcode === 'SERVFAIL') return unwritten('SERVFAIL', 'template');
      try {
        return replied(this.#reply(request, rule, valuesOf(request, zone, match)));
      } catch (error) {
        if (error instanceof ZoneError || error instanceof TemplateError) return unwritten('SERVFAIL', error.message);
        throw error;
      }
    }
    return this.#next.serve(request);
  }

  #reply(request: Request, rule: TemplateRule, values: TemplateValues): DnsMessage {
    const records = (templates: readonly Template[]): ResourceRecord[] =>
      templates.map((template) => parseRecordText(template(values)));
    return replyTo(request.message, {
      rcode: rule.rcode,
      aa: true,
      answers: records(rule.answers),
      authorities: records(rule.authorities),
      additionals: records(rule.additionals),
    });
  }
}

function firstMatch(patterns: readonly RegExp[], name: string): RegExpExecArray | undefined {
  for (const pattern of patterns) {
    const match = pattern.exec(name);
    if (match !== null) return match;
  }
  return undefined;
}

function valuesOf({ question, name, message, source }: Request, zone: string, match: RegExpExecArray): TemplateValues {
  return {
    Zone: zone,
    Name: name,
    Class: question.class,
    Type: question.type,
    Match: match.map((part) => part ?? ''),
    Group: { ...Object.fromEntries(match.map((part, index) => [String(index), part ?? ''])), ...match.groups },
    Remote: formatIp(source.client),
    Message: { Id: message.id },
    Question: { Name: question.name, Qtype: question.type, Qclass: question.class },
    Meta: {},
  };
}

export const template: Setup = (directives, context) => {
  const rules = directives.flatMap((directive) => readRule(directive, context) ?? []);
  return (next) => new TemplateHandler(rules, next);
};

function readRule(directive: Directive, context: SetupContext): TemplateRule | undefined {
  const [klass, type, ...origins] = directive.args;
  if (klass === undefined || type === undefined) {
    context.error(directive, argumentError(directive));
    return undefined;
  }
  const zones =
    origins.length === 0 ? context.zones : origins.flatMap((text) => normalZones(text, directive, context.error));
  const matches: RegExp[] = [];
  const answers: Template[] = [];
  const authorities: Template[] = [];
  const additionals: Template[] = [];
  let rcode: Rcode = 'NOERROR';
  let fallthrough: Fallthrough;
  const compile = (list: Template[]) => (line: Directive) => {
    if (line.args.length === 0) context.error(line, argumentError(line));
    for (const text of line.args) {
      try {
        list.push(compileTemplate(text));
      } catch (error) {
        if (!(error instanceof TemplateError)) throw error;
        context.error(line, `could not compile template: ${text}, ${error.message}`);
      }
    }
  };
  readLines(directive, context, {
    match: (line) => {
      if (line.args.length === 0) context.error(line, argumentError(line));
      for (const text of line.args) {
        try {
          matches.push(goRegExp(text));
        } catch (error) {
          context.error(line, `could not parse regex: ${text}, ${error instanceof Error ? error.message : ''}`);
        }
      }
    },
    answer: compile(answers),
    authority: compile(authorities),
    additional: compile(additionals),
    rcode: (line) => {
      if (!expectArgs(line, context, 1)) return;
      const code = RCODES.find((name) => name === line.args[0]!.toUpperCase());
      if (code === undefined) context.error(line, `unknown rcode "${line.args[0]}"`);
      else rcode = code;
    },
    ederror: () => {},
    fallthrough: (line) => {
      fallthrough = readFallthrough(line, context.error);
    },
    upstream: () => {},
  });
  if (matches.length === 0) matches.push(/.*/);
  const rule = { class: klass.toUpperCase(), type: type.toUpperCase(), zones, matches };
  return { ...rule, answers, authorities, additionals, rcode, fallthrough };
}

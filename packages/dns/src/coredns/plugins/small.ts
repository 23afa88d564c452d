import { formatIp } from '@netsim/wire';
import type { DnsMessage, ResourceRecord } from '../message.ts';
import { replyTo } from '../message.ts';
import { matchZone } from '../names.ts';
import { afterwards, type Handler, type Outcome, type Request, replied, type Served, type Setup } from '../plugin.ts';
import { only } from './lines.ts';

/** A plugin that changes the reply of those behind it. */
function replyChanger(
  name: string,
  change: (message: DnsMessage, request: Request) => DnsMessage,
): (next: Handler) => Handler {
  const changed = (outcome: Outcome, request: Request): Outcome => {
    if (outcome.kind !== 'reply') return outcome;
    const message = change(outcome.message, request);
    return message === outcome.message ? outcome : replied(message);
  };
  return (next) => ({ name, serve: (request) => afterwards(next.serve(request), request, changed) });
}

/** minimal: only the answer of a good reply, unless it is a referral or has no answer. */
export const minimal: Setup = (directives, context) => {
  const directive = only(directives, context);
  if (directive.args.length > 0)
    context.error(directive, `Wrong argument count or unexpected line ending after '${directive.args.at(-1)}'`);
  return replyChanger('minimal', (message) =>
    message.rcode === 'NOERROR' && message.answers.length > 0
      ? { ...message, authorities: [], additionals: [] }
      : message,
  );
};

/** any: the refusal of RFC 8482 for questions of type ANY. */
export const any: Setup = () => (next) => ({
  name: 'any',
  serve(request: Request): Served {
    const { question, message } = request;
    if (question.type !== 'ANY') return next.serve(request);
    const data = { cpu: 'ANY obsoleted', os: 'See RFC 8482' };
    const record: ResourceRecord = { name: question.name, class: 'IN', ttl: 8482, type: 'HINFO', data };
    return replied(replyTo(message, { aa: true, answers: [record] }));
  },
});

/** whoami: who asked, from where, over what. */
export const whoami: Setup = () => () => ({
  name: 'whoami',
  serve({ question, message, source }: Request): Served {
    const ip = formatIp(source.client);
    const owner = { name: question.name, class: 'IN', ttl: 0 };
    const address: ResourceRecord = { ...owner, type: ip.includes(':') ? 'AAAA' : 'A', data: ip };
    const data = { priority: 0, weight: 0, port: source.clientPort ?? 0, target: '.' };
    const port: ResourceRecord = { ...owner, name: `_${source.transport}.${question.name}`, type: 'SRV', data };
    return replied(replyTo(message, { aa: true, additionals: [address, port] }));
  },
});

const CHAOS_NAMES: Readonly<Record<string, 'version' | 'authors' | 'hostname'>> = {
  'version.bind.': 'version',
  'version.server.': 'version',
  'authors.bind.': 'authors',
  'hostname.bind.': 'hostname',
  'id.server.': 'hostname',
};

/** chaos: `version.bind` and its like in class CH. */
export const chaos: Setup = (directives, context) => {
  const [version = 'CoreDNS-1.14.0', ...authors] = directives[0]!.args;
  return (next) => ({
    name: 'chaos',
    serve(request: Request): Served {
      const { question, name, message } = request;
      const what = CHAOS_NAMES[name];
      if (question.class !== 'CH' || question.type !== 'TXT' || what === undefined) return next.serve(request);
      const texts = what === 'version' ? [version] : what === 'hostname' ? [context.environment.hostname] : authors;
      const answers = texts.map(
        (text): ResourceRecord => ({
          name: question.name,
          class: 'CH',
          ttl: 0,
          type: 'TXT',
          data: [text],
        }),
      );
      return replied(replyTo(message, { answers }));
    },
  });
};

/** nsid: the name server identifier of RFC 5001, for clients that ask for it. */
export const nsid: Setup = (directives, context) => {
  const identifier = directives[0]!.args.join(' ') || context.environment.hostname;
  const NSID = 3;
  return replyChanger('nsid', (message, { message: query }) => {
    if (query.edns?.options.some((option) => option.code === NSID) !== true) return message;
    const option = { code: NSID, data: Buffer.from(identifier) };
    const edns = message.edns ?? { ...query.edns, options: [] };
    return { ...message, edns: { ...edns, options: [...edns.options, option] } };
  });
};

/** loadbalance: another order of addresses in each good answer. After CoreDNS `plugin/loadbalance/loadbalance.go`. */
export const loadbalance: Setup = (directives, context) => {
  const directive = directives[0]!;
  const [policy = 'round_robin'] = directive.args;
  if (policy !== 'round_robin' && policy !== 'weighted') {
    context.error(directive, `unknown policy: ${policy}`);
  }
  const { below } = context.environment;
  return replyChanger('loadbalance', (message, { question }) => {
    // A zone is transferred in its own order.
    if (message.rcode !== 'NOERROR' || question.type === 'AXFR' || question.type === 'IXFR') return message;
    if (message.answers.length < 2 && message.authorities.length < 2 && message.additionals.length < 2) return message;
    return {
      ...message,
      answers: balanced(message.answers, below),
      authorities: balanced(message.authorities, below),
      additionals: balanced(message.additionals, below),
    };
  });
};

/** Aliases, then what is left alone, then addresses and mail servers, these two shuffled. */
function balanced(records: readonly ResourceRecord[], below: (bound: number) => number): readonly ResourceRecord[] {
  if (records.length < 2) return records;
  const aliases: ResourceRecord[] = [];
  const rest: ResourceRecord[] = [];
  const addresses: ResourceRecord[] = [];
  const mail: ResourceRecord[] = [];
  for (const record of records) {
    if (record.type === 'CNAME') aliases.push(record);
    else if (record.type === 'A' || record.type === 'AAAA') addresses.push(record);
    else if (record.type === 'MX') mail.push(record);
    else rest.push(record);
  }
  return [...aliases, ...rest, ...shuffled(addresses, below), ...shuffled(mail, below)];
}

function shuffled(records: ResourceRecord[], below: (bound: number) => number): ResourceRecord[] {
  for (let index = records.length - 1; index > 0; index--) {
    const other = below(index + 1);
    [records[index], records[other]] = [records[other]!, records[index]!];
  }
  return records;
}

/** local: names that should not leave the host. */
export const local: Setup = () => (next) => ({
  name: 'local',
  serve(request: Request): Served {
    const { name, question, message } = request;
    const owner = { name: question.name, class: 'IN', ttl: 86400 };
    if (matchZone(['localhost.'], name) === undefined) return next.serve(request);
    if (question.type === 'A')
      return replied(replyTo(message, { aa: true, answers: [{ ...owner, type: 'A', data: '127.0.0.1' }] }));
    if (question.type === 'AAAA')
      return replied(replyTo(message, { aa: true, answers: [{ ...owner, type: 'AAAA', data: '::1' }] }));
    return replied(replyTo(message, { aa: true }));
  },
});

/** bufsize: the largest UDP reply that is sent, whatever the client takes. */
export const bufsize: Setup = (directives, context) => {
  const directive = only(directives, context);
  const size = Number(directive.args[0] ?? 1232);
  if (!Number.isInteger(size) || size < 512 || size > 4096) {
    context.error(directive, `bufsize provided is invalid: ${directive.args[0]}`);
  }
  return (next) => ({
    name: 'bufsize',
    serve(request: Request): Served {
      const { message } = request;
      if (message.edns === undefined || message.edns.size <= size) return next.serve(request);
      const edns = { ...message.edns, size };
      return afterwards(next.serve({ ...request, message: { ...message, edns } }), request, (outcome) =>
        outcome.kind === 'reply' ? replied({ ...outcome.message, edns: { ...edns, options: [] } }) : outcome,
      );
    },
  });
};

import type { DnsMessage, ResourceRecord } from '../../coredns/message.ts';
import {
  failureText,
  plainName,
  recordText,
  type ToolFailure,
  type ToolOutput,
  type ToolReply,
  typeText,
} from './reply.ts';

/** What one call of nslookup asked, and what it got. */
export interface NslookupRun {
  /** As the user typed it; for an address the reverse name. */
  readonly name: string;
  /** `default`: A, then AAAA. `reverse`: an address was typed. `typed`: one type was asked for with `-type=`. */
  readonly mode: 'default' | 'reverse' | 'typed';
  /** As the user typed the server, or the address from resolv.conf. */
  readonly server: string;
  /** The replies that ended each question, in order; none where no server answered. */
  readonly replies: readonly ToolReply[];
  /** Tries without a reply, in order. */
  readonly failures?: readonly ToolFailure[];
}

/** `nslookup` of bind 9.18, not interactive. */
export function formatNslookup({ name, mode, server, replies, failures = [] }: NslookupRun): ToolOutput {
  let out = failureText(failures);
  if (replies.length === 0) return { stdout: `${out};; no servers could be reached\n\n`, stderr: '', status: 1 };
  const [first, ...others] = replies as [ToolReply, ...ToolReply[]];
  for (const reply of replies) {
    if (reply.message.rcode === 'SERVFAIL') out += `;; Got SERVFAIL reply from ${reply.server}\n`;
  }
  if (mode !== 'reverse') out += `Server:\t\t${server}\nAddress:\t${first.server}#${first.port ?? 53}\n\n`;
  const { message } = first;
  if (message.rcode !== 'NOERROR') {
    return { stdout: `${out}** server can't find ${plainName(name)}: ${message.rcode}\n\n`, stderr: '', status: 1 };
  }
  if (mode !== 'reverse' && !message.aa) out += 'Non-authoritative answer:\n';
  const later = others.flatMap((reply) => (reply.message.rcode === 'NOERROR' ? reply.message.answers : []));
  // The alias was printed with the first answer.
  const shown = [
    ...message.answers,
    ...(message.answers.length === 0 ? later : later.filter(({ type }) => type !== 'CNAME')),
  ];
  out += shown.length === 0 ? `*** Can't find ${plainName(name)}: No answer\n` : shown.map(bindLine).join('');
  if (mode !== 'default' && !message.aa && !asksAddress(message)) {
    out += '\nAuthoritative answers can be found from:\n';
    out += [...message.authorities, ...message.additionals].map(authorityLine).join('');
  }
  return { stdout: `${out}\n`, stderr: '', status: 0 };
}

function asksAddress({ questions }: DnsMessage): boolean {
  const type = questions[0]?.type;
  return type === 'A' || type === 'AAAA';
}

function bindLine(record: ResourceRecord): string {
  const name = plainName(record.name);
  switch (record.type) {
    case 'A':
    case 'AAAA':
      return `Name:\t${name}\nAddress: ${record.data}\n`;
    case 'SOA':
      return soaLines(record.data, name);
    default:
      return `${name}\t${verb(record)}${recordText(record)}\n`;
  }
}

function authorityLine(record: ResourceRecord): string {
  if (record.type === 'A') return `${plainName(record.name)}\tinternet address = ${record.data}\n`;
  if (record.type === 'AAAA') return `${plainName(record.name)}\thas AAAA address ${record.data}\n`;
  return bindLine(record);
}

function soaLines(data: Extract<ResourceRecord, { type: 'SOA' }>['data'], name: string): string {
  const { mname, rname, serial, refresh, retry, expire, minimum } = data;
  return `${name}\n\torigin = ${plainName(mname)}\n\tmail addr = ${plainName(rname)}\n\tserial = ${serial}\n\trefresh = ${refresh}\n\tretry = ${retry}\n\texpire = ${expire}\n\tminimum = ${minimum}\n`;
}

function verb(record: ResourceRecord): string {
  switch (record.type) {
    case 'CNAME':
      return 'canonical name = ';
    case 'PTR':
      return 'name = ';
    case 'NS':
      return 'nameserver = ';
    case 'MX':
      return 'mail exchanger = ';
    case 'TXT':
      return 'text = ';
    case 'SRV':
      return 'service = ';
    default:
      return `rdata_${typeText(record)} = `;
  }
}

/** What one call of BusyBox's nslookup asked, and what it got: it asks the name as it stands, without a search list. */
export interface BusyboxNslookupRun {
  /** As the user typed it; for an address the reverse name. */
  readonly name: string;
  readonly server: string;
  /** Replies in the order of their coming. */
  readonly replies: readonly ToolReply[];
  /** Questions that no reply came to. */
  readonly unanswered?: number;
  /** The system's words where the server could not be reached: `Connection refused`. */
  readonly error?: string;
}

/** `nslookup` of BusyBox since 1.29, with its own resolver (as in Alpine). */
export function formatBusyboxNslookup({
  name,
  server,
  replies,
  unanswered = 0,
  error,
}: BusyboxNslookupRun): ToolOutput {
  const [first] = replies;
  if (first === undefined) {
    const stderr = error === undefined ? '' : `nslookup: write to '${server}': ${error}\n`;
    return { stdout: ';; connection timed out; no servers could be reached\n\n', stderr, status: 1 };
  }
  const port = first.port ?? 53;
  const address = first.server.includes(':') ? `[${first.server}]:${port}` : `${first.server}:${port}`;
  let out = `Server:\t\t${server}\nAddress:\t${address}\n\n`;
  let status = 0;
  for (const { message } of replies) {
    if (message.rcode !== 'NOERROR') {
      out += `** server can't find ${name}: ${message.rcode}\n\n`;
      status = 1;
      continue;
    }
    if (!message.aa) out += 'Non-authoritative answer:\n';
    out += `${message.answers.map(busyboxLine).join('')}\n`;
  }
  if (unanswered > 0) {
    out += `${`*** Can't find ${name}: No answer\n`.repeat(unanswered)}\n`;
    status = 1;
  }
  return { stdout: out, stderr: '', status };
}

function busyboxLine(record: ResourceRecord): string {
  const name = plainName(record.name);
  switch (record.type) {
    case 'A':
    case 'AAAA':
    case 'SOA':
      return bindLine(record);
    case 'CNAME':
    case 'NS':
    case 'PTR':
      return `${name}\t${verb(record)}${plainName(record.data)}\n`;
    case 'MX':
      return `${name}\tmail exchanger = ${record.data.preference} ${plainName(record.data.exchange)}\n`;
    case 'SRV': {
      const { priority, weight, port, target } = record.data;
      return `${name}\tservice = ${priority} ${weight} ${port} ${plainName(target)}\n`;
    }
    case 'TXT':
      return `${name}\ttext = "${record.data[0] ?? ''}"\n`;
    default:
      return '';
  }
}

import type { DnsMessage, ResourceRecord } from '../../coredns/message.ts';
import type { ResolvConf } from '../resolv-conf.ts';
import { illegalName } from './legal-name.ts';
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
  /** `default`: A, then AAAA. `reverse`: an address was typed. `typed`: one type was asked for with `-type=`. */
  readonly mode: 'default' | 'reverse' | 'typed';
  /** As the user typed the server, or the address from resolv.conf. */
  readonly server: string;
  /** The user typed a server. Without, replies of a server that does not offer recursion are remarked on, as CoreDNS's are. */
  readonly serverGiven: boolean;
  /** All replies in the order of their coming, those to candidates of the search list included. */
  readonly replies: readonly ToolReply[];
  /** Tries without a reply, in order. */
  readonly failures?: readonly ToolFailure[];
}

/** `nslookup` of bind 9.18, not interactive. */
export function formatNslookup(run: NslookupRun): ToolOutput {
  const { mode, server, replies } = run;
  let out = failureText(run.failures ?? []);
  if (replies.length === 0) return { stdout: `${out};; no servers could be reached\n\n`, stderr: '', status: 1 };
  // NXDOMAIN goes on to the next candidate of the search list; anything else is the answer.
  const decisive = replies.findIndex(({ message }, i) => message.rcode !== 'NXDOMAIN' || i === replies.length - 1);
  let shown = 0;
  for (const [index, reply] of replies.entries()) {
    const { message } = reply;
    out += remark(reply, run.serverGiven);
    if (index < decisive) continue;
    if (index === decisive) {
      if (mode !== 'reverse') out += `Server:\t\t${server}\nAddress:\t${reply.server}#${reply.port ?? 53}\n\n`;
      if (message.rcode !== 'NOERROR') {
        const stdout = `${out}** server can't find ${askedName(message)}: ${message.rcode}\n\n`;
        return { stdout, stderr: '', status: 1 };
      }
      if (mode !== 'reverse' && !message.aa) out += 'Non-authoritative answer:\n';
    }
    if (message.rcode !== 'NOERROR') continue;
    // An alias is printed with the first answer only.
    const records = shown === 0 ? message.answers : message.answers.filter(({ type }) => type !== 'CNAME');
    out += records.map(bindLine).join('');
    shown += records.length;
  }
  const { message } = replies[decisive]!;
  if (shown === 0) out += `*** Can't find ${askedName(message)}: No answer\n`;
  if (mode !== 'default' && !message.aa && !asksAddress(message)) {
    out += '\nAuthoritative answers can be found from:\n';
    out += [...message.authorities, ...message.additionals].map(authorityLine).join('');
  }
  return { stdout: `${out}\n`, stderr: '', status: 0 };
}

/**
 * The names that nslookup, host and `dig +search` of bind ask, in this order, while the answer is NXDOMAIN: with at least
 * ndots dots the name alone; else the search list, then the name.
 */
export function bindCandidates(name: string, conf: Pick<ResolvConf, 'search' | 'ndots'>): string[] {
  if (name.endsWith('.') || name.split('.').length - 1 >= conf.ndots) return [name];
  // An entry of the search list that makes the name too long is passed over.
  const searched = conf.search.map((domain) => `${name}.${domain}`);
  return [...searched.filter((candidate) => illegalName(candidate) === undefined), name];
}

function remark({ message, server }: ToolReply, serverGiven: boolean): string {
  if (message.rcode === 'SERVFAIL') return `;; Got SERVFAIL reply from ${server}\n`;
  return serverGiven || message.ra || !message.rd ? '' : `;; Got recursion not available from ${server}\n`;
}

function askedName({ questions }: DnsMessage): string {
  return plainName(questions[0]?.name ?? '');
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

/** What one call of BusyBox's nslookup asked, and what it got. */
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

/** `nslookup` of BusyBox 1.35, with its own resolver (as in Alpine). */
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
      const asked = askedName(message);
      out += `** server can't find ${asked === plainName(name) ? name : asked}: ${message.rcode}\n\n`;
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

/**
 * The names that BusyBox's nslookup asks, all of them at once for each type: the search list for a name without a dot,
 * else the name alone. ndots is not looked at.
 */
export function busyboxCandidates(name: string, { search }: Pick<ResolvConf, 'search'>): string[] {
  return name.includes('.') || search.length === 0 ? [name] : search.map((domain) => `${name}.${domain}`);
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

import type { ResourceRecord } from '../../coredns/message.ts';
import {
  failureText,
  plainName,
  recordText,
  type ToolFailure,
  type ToolOutput,
  type ToolReply,
  typeText,
} from './reply.ts';

/** What one call of host asked, and what it got. */
export interface HostRun {
  /** As the user typed it; for an address the reverse name with its final dot. */
  readonly name: string;
  /** A type was asked for with `-t`. Without: A, AAAA, then MX. */
  readonly type?: string;
  /** As the user typed the server; absent where resolv.conf named it. */
  readonly server?: string;
  readonly replies: readonly ToolReply[];
  readonly failures?: readonly ToolFailure[];
}

/** `host` of bind 9.18. */
export function formatHost({ name, type, server, replies, failures = [] }: HostRun): ToolOutput {
  let out = failureText(failures);
  const [first] = replies;
  if (first === undefined) return { stdout: `${out};; no servers could be reached\n`, stderr: '', status: 1 };
  if (server !== undefined) {
    out += `Using domain server:\nName: ${server}\nAddress: ${first.server}#${first.port ?? 53}\nAliases: \n\n`;
  }
  for (const [index, { message }] of replies.entries()) {
    if (message.rcode !== 'NOERROR') {
      if (index > 0) continue;
      const number = { FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 }[message.rcode as string] ?? 0;
      return { stdout: `${out}Host ${name} not found: ${number}(${message.rcode})\n`, stderr: '', status: 1 };
    }
    // The alias was printed with the first answer.
    const records = index === 0 ? message.answers : message.answers.filter((record) => record.type !== 'CNAME');
    out += records.map(hostLine).join('');
    if (type !== undefined && message.answers.length === 0) out += `${plainName(name)} has no ${type} record\n`;
  }
  return { stdout: out, stderr: '', status: 0 };
}

function hostLine(record: ResourceRecord): string {
  return `${plainName(record.name)} ${says(record)} ${recordText(record)}\n`;
}

function says(record: ResourceRecord): string {
  switch (record.type) {
    case 'A':
      return 'has address';
    case 'AAAA':
      return 'has IPv6 address';
    case 'CNAME':
      return 'is an alias for';
    case 'PTR':
      return 'domain name pointer';
    case 'MX':
      return 'mail is handled by';
    case 'NS':
      return 'name server';
    case 'TXT':
      return 'descriptive text';
    default:
      return `has ${typeText(record)} record`;
  }
}

import { type DnsMessage, type ResourceRecord, typeOf } from '../../coredns/message.ts';
import type { Transport } from '../io.ts';

/** Text of a tool, and its exit status. */
export interface ToolOutput {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number;
}

/** A reply that a tool prints, and where it came from. */
export interface ToolReply {
  readonly message: DnsMessage;
  /** Address of the server, and its port (53). */
  readonly server: string;
  readonly port?: number;
  readonly transport?: Transport;
  /** Octets on the wire. */
  readonly size?: number;
  /** Milliseconds from query to reply. */
  readonly elapsedMs?: number;
}

/** A try that brought no reply: what the bind tools write of it. */
export interface ToolFailure {
  readonly server: string;
  readonly port?: number;
  readonly error: 'timed out' | 'connection refused' | 'host unreachable' | 'network unreachable';
}

/** The line of the bind tools for each try that failed, and the last one where none was left. */
export function failureText(failures: readonly ToolFailure[]): string {
  return failures
    .map(({ server, port = 53, error }) => `;; communications error to ${server}#${port}: ${error}\n`)
    .join('');
}

/** A name without its final dot; the root stays a dot. */
export function plainName(name: string): string {
  return name.length > 1 && name.endsWith('.') ? name.slice(0, -1) : name;
}

/** The data of a record in master file form, as `dig` and `host` print it. */
export function recordText(record: ResourceRecord): string {
  switch (record.type) {
    case 'SRV': {
      const { priority, weight, port, target } = record.data;
      return `${priority} ${weight} ${port} ${target}`;
    }
    case 'SOA': {
      const { mname, rname, serial, refresh, retry, expire, minimum } = record.data;
      return `${mname} ${rname} ${serial} ${refresh} ${retry} ${expire} ${minimum}`;
    }
    case 'MX':
      return `${record.data.preference} ${record.data.exchange}`;
    case 'TXT':
      return record.data.map(quoted).join(' ');
    case 'HINFO':
      return `${quoted(record.data.cpu)} ${quoted(record.data.os)}`;
    case 'CAA':
      return `${record.data.flags} ${record.data.tag} ${quoted(record.data.value)}`;
    case 'NAPTR': {
      const { order, preference, flags, services, regexp, replacement } = record.data;
      return `${order} ${preference} ${quoted(flags)} ${quoted(services)} ${quoted(regexp)} ${replacement}`;
    }
    case 'OPAQUE':
      return record.data.length === 0
        ? '\\# 0'
        : `\\# ${record.data.length} ${Buffer.from(record.data).toString('hex').toUpperCase()}`;
    default:
      return record.data;
  }
}

/** The type as the tools write it. */
export function typeText(record: ResourceRecord): string {
  return typeOf(record).replace(/^UNKNOWN_/, 'TYPE');
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

import type { Ip } from '@netsim/wire';
import { formatIp, type Prefix, prefixContains } from '@netsim/wire';
import { type Conn, CtStatus, type Tuple } from './conntrack.ts';
import { tcpStateNames } from './conntrack-tcp.ts';
import { iptablesProtocol } from './iptables/names.ts';

const sctpStateNames = ['NONE', 'CLOSED', 'COOKIE_WAIT', 'COOKIE_ECHOED', 'ESTABLISHED'];

/** A tuple in conntrack's words: `src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2`. */
export function tupleText(tuple: Tuple): string {
  const addresses = `src=${formatIp(tuple.src)} dst=${formatIp(tuple.dst)}`;
  switch (tuple.protocol) {
    case 1:
    case 58:
      return `${addresses} type=${tuple.dport >> 8} code=${tuple.dport & 255} id=${tuple.sport}`;
    case 6:
    case 17:
    case 33:
    case 132:
    case 136:
      return `${addresses} sport=${tuple.sport} dport=${tuple.dport}`;
    default:
      return addresses;
  }
}

/** A connection as `conntrack -L` prints it; `extended` as `-o extended`. `now` in ms. */
export function printConn(conn: Conn, now: number, options: { readonly extended?: boolean } = {}): string {
  const { protocol } = conn;
  const v6 = typeof conn.origSrc === 'bigint';
  const known = [1, 6, 17, 33, 58, 132, 136, 47].includes(protocol);
  let line = options.extended ? (v6 ? 'ipv6     10 ' : 'ipv4     2 ') : '';
  const name = protocol === 58 ? 'icmpv6' : known ? iptablesProtocol(protocol) : 'unknown';
  line += `${name.padEnd(8)} ${protocol} ${Math.max(0, Math.floor((conn.expires - now) / 1000))} `;
  if (protocol === 6) line += `${tcpStateNames[conn.state as 0] ?? 'NONE'} `;
  if (protocol === 132) line += `${sctpStateNames[conn.state] ?? 'NONE'} `;
  line += `${tupleText(conn.original)} `;
  if ((conn.status & CtStatus.SEEN_REPLY) === 0) line += '[UNREPLIED] ';
  line += `${tupleText(conn.reply)} `;
  if ((conn.status & CtStatus.ASSURED) !== 0) line += '[ASSURED] ';
  return `${line}mark=${conn.mark >>> 0} use=1`;
}

/** What `conntrack -L` prints of connections: one line each; its closing line goes to stderr, see {@link shownText}. */
export function printConntrack(
  conns: readonly Conn[],
  now: number,
  options: { readonly extended?: boolean } = {},
): string {
  return conns.map((conn) => `${printConn(conn, now, options)}\n`).join('');
}

/** The line that `conntrack` ends with, on stderr: `-L`: shown, `-D`: deleted. */
export function shownText(count: number, what: 'shown' | 'deleted' = 'shown'): string {
  return `conntrack v1.4.7 (conntrack-tools): ${count} flow entries have been ${what}.`;
}

/** Which connections: every field given must agree. The fields are conntrack's options. */
export interface ConnFilter {
  readonly family?: 4 | 6;
  readonly protocol?: number;
  /** `-s`, `-d`: original source and destination. */
  readonly origSource?: Prefix;
  readonly origDestination?: Prefix;
  /** `-r`, `-q`: source and destination of the reply. */
  readonly replySource?: Prefix;
  readonly replyDestination?: Prefix;
  readonly origSport?: number;
  readonly origDport?: number;
  readonly replySport?: number;
  readonly replyDport?: number;
  readonly mark?: number;
  /** `-n`, `-g`: translated source, destination. */
  readonly srcNat?: boolean;
  readonly dstNat?: boolean;
}

export function connMatches(conn: Conn, filter: ConnFilter): boolean {
  const { original, reply } = conn;
  const inside = (prefix: Prefix | undefined, ip: Ip): boolean => prefix === undefined || prefixContains(prefix, ip);
  const same = (wanted: number | undefined, value: number): boolean => wanted === undefined || wanted === value;
  return (
    (filter.family === undefined || (filter.family === 4) === (typeof original.src === 'number')) &&
    same(filter.protocol, conn.protocol) &&
    inside(filter.origSource, original.src) &&
    inside(filter.origDestination, original.dst) &&
    inside(filter.replySource, reply.src) &&
    inside(filter.replyDestination, reply.dst) &&
    same(filter.origSport, original.sport) &&
    same(filter.origDport, original.dport) &&
    same(filter.replySport, reply.sport) &&
    same(filter.replyDport, reply.dport) &&
    same(filter.mark, conn.mark) &&
    (filter.srcNat !== true || (conn.status & CtStatus.SRC_NAT) !== 0) &&
    (filter.dstNat !== true || (conn.status & CtStatus.DST_NAT) !== 0)
  );
}

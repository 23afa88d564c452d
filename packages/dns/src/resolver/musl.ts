import type { Found } from './glibc.ts';
import { type HostsEntry, lookupHostsMusl } from './hosts.ts';
import type { Conversation, Family } from './io.ts';
import { decodeReply, encodeQuery, RCODE, type Reply, TYPE_A, TYPE_AAAA, TYPE_CNAME } from './message.ts';
import type { ResolvConf } from './resolv-conf.ts';
import { type Sockets, sameId } from './sockets.ts';

/** Everything that a look-up of musl reads. */
export interface MuslContext {
  readonly conf: ResolvConf;
  readonly hosts: readonly HostsEntry[];
  readonly sockets: Sockets;
  readonly random: (bound: number) => number;
}

/** Replies are read into buffers of this size, and the rest is lost: no TCP before musl 1.2.4. */
const ANSWER_SIZE = 512;
const MAX_ADDRESSES = 48;

/** Hosts file, then DNS: `__lookup_name` of musl 1.2.3 (`src/network/lookup_name.c`). */
export function* lookupMusl(name: string, family: Family, context: MuslContext): Conversation<Found> {
  const length = new TextEncoder().encode(name).length;
  if (length === 0 || length > 254) return { addresses: [], error: 'EAI_NONAME' };
  const hosts = lookupHostsMusl(context.hosts, name, family);
  if (hosts.addresses.length > 0) {
    return {
      addresses: hosts.addresses.slice(0, MAX_ADDRESSES),
      canonicalName: hosts.canonicalName ?? name,
      from: 'hosts',
    };
  }
  if (hosts.otherFamily) return { addresses: [], error: 'EAI_NONAME' };
  return yield* searchList(name, family, context);
}

/** `name_from_dns_search`: the search list only for names with fewer dots than ndots; the first answer of any kind ends it. */
function* searchList(name: string, family: Family, context: MuslContext): Conversation<Found> {
  const { conf } = context;
  const dots = name.split('.').length - 1;
  const search = dots >= conf.ndots || name.endsWith('.') ? [] : conf.search;
  const base = name.endsWith('.') ? name.slice(0, -1) : name;
  if (base === '' || base.endsWith('.')) return { addresses: [], error: 'EAI_NONAME' };
  for (const domain of search) {
    if (domain.length >= 256 - base.length - 1) continue;
    const found = yield* askOne(`${base}.${domain}`, `${base}.${domain}`, family, context);
    if (found !== undefined) return found;
  }
  return (yield* askOne(name, base, family, context)) ?? { addresses: [], error: 'EAI_NONAME' };
}

/** `name_from_dns`: undefined where the name does not exist, and the search goes on. */
function* askOne(
  name: string,
  canonicalName: string,
  family: Family,
  context: MuslContext,
): Conversation<Found | undefined> {
  const encoded = encodeMuslName(name);
  if (encoded === undefined) return undefined;
  const types = family === 'inet' ? [TYPE_A] : family === 'inet6' ? [TYPE_AAAA] : [TYPE_A, TYPE_AAAA];
  const id = context.random(65536);
  const queries = types.map((type, i) =>
    encodeQuery((id + i * 0x100) & 0xffff, encoded.name, type, { pad: encoded.pad }),
  );
  const replies = yield* sendToAll(queries, context);
  for (const reply of replies) {
    if (reply === undefined) return { addresses: [], error: 'EAI_AGAIN' };
    if (reply.rcode === RCODE.NXDOMAIN) return undefined;
  }
  const addresses: string[] = [];
  let canonical = canonicalName;
  for (const reply of replies) {
    for (const record of reply!.answers) {
      if (record.type === TYPE_CNAME) canonical = record.data;
      else if (record.type === TYPE_A || record.type === TYPE_AAAA) addresses.push(record.data);
    }
  }
  if (addresses.length === 0) return { addresses: [], error: 'EAI_NONAME' };
  return { addresses: addresses.slice(0, MAX_ADDRESSES), canonicalName: canonical, from: 'dns' };
}

/**
 * All queries to all nameservers at once from one socket, again after each interval to those that said nothing; the
 * first reply to each query wins. SERVFAIL is asked again at once, a few times; other errors are not heard:
 * `__res_msend_rc` of `src/network/res_msend.c`.
 */
function* sendToAll(queries: readonly Uint8Array[], context: MuslContext): Conversation<(Reply | undefined)[]> {
  const { conf, sockets } = context;
  const timeout = conf.timeout * 1000;
  const interval = Math.floor(timeout / conf.attempts);
  const replies: (Reply | undefined)[] = queries.map(() => undefined);
  const socket = sockets.open('udp');
  const start = sockets.now;
  let sentAt = start - interval;
  let retries = 0;
  while (sockets.now - start < timeout && replies.includes(undefined)) {
    if (sockets.now - sentAt >= interval) {
      for (const [i, query] of queries.entries()) {
        if (replies[i] !== undefined) continue;
        for (const server of conf.nameservers) sockets.send(socket, server, query);
      }
      sentAt = sockets.now;
      retries = 2 * queries.length;
    }
    const event = sockets.poll() ?? (yield sentAt + interval);
    if (event.kind !== 'message' || event.socket !== socket || !conf.nameservers.includes(event.server)) continue;
    const bytes = event.message.subarray(0, ANSWER_SIZE);
    const reply = decodeReply(bytes);
    if (reply === undefined) continue;
    const which = queries.findIndex((query, i) => replies[i] === undefined && sameId(query, reply.id));
    if (which < 0) continue;
    sockets.took(event.server, bytes, reply);
    if (reply.rcode === RCODE.SERVFAIL && retries > 0) {
      retries--;
      sockets.send(socket, event.server, queries[which]!);
    }
    if (reply.rcode === RCODE.NOERROR || reply.rcode === RCODE.NXDOMAIN) replies[which] = reply;
  }
  sockets.close(socket);
  return replies;
}

/**
 * The name as `__res_mkquery` writes it: one final dot is dropped, then labels are counted up to each dot. A second dot
 * at the end (from `search .`) stays in the bytes in place of the root label, and what follows is one octet early: the
 * message is malformed, as there.
 */
function encodeMuslName(name: string): { name: Uint8Array; pad: number } | undefined {
  const bytes = new TextEncoder().encode(name.endsWith('.') ? name.slice(0, -1) : name);
  const length = bytes.length;
  if (length > 253) return undefined;
  if (length === 0) return { name: new Uint8Array(1), pad: 0 };
  const out = new Uint8Array(length + 2);
  out.set(bytes, 1);
  let at = 1;
  while (at <= length) {
    let end = at;
    while (end <= length && out[end] !== 0x2e) end++;
    if (end === at || end - at > 63) return undefined;
    out[at - 1] = end - at;
    at = end + 1;
  }
  return { name: out.subarray(0, at), pad: length + 2 - at };
}

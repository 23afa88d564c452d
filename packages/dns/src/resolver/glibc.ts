import { type GlibcState, type QueryPair, sendQueries } from './glibc-send.ts';
import { type HostsEntry, lookupHostsGlibc } from './hosts.ts';
import type { Conversation, EaiError, Family } from './io.ts';
import { encodeName, encodeQuery, RCODE, type Reply, TYPE_A, TYPE_AAAA, TYPE_CNAME, withoutDot } from './message.ts';
import type { NssService } from './nsswitch.ts';
import type { ResolvConf } from './resolv-conf.ts';
import type { Sockets } from './sockets.ts';

/** What a C library found, before sorting. */
export interface Found {
  readonly addresses: readonly string[];
  readonly canonicalName?: string;
  readonly error?: EaiError;
  readonly from?: 'numeric' | 'hosts' | 'dns';
}

/** `h_errno`, and success. */
type HErrno = 'SUCCESS' | 'HOST_NOT_FOUND' | 'TRY_AGAIN' | 'NO_RECOVERY' | 'NO_DATA';

/** Everything that a look-up of glibc reads. */
export interface GlibcContext {
  readonly conf: ResolvConf;
  readonly hosts: readonly HostsEntry[];
  readonly services: readonly NssService[];
  readonly state: GlibcState;
  readonly sockets: Sockets;
  /** An integer in [0, bound): identifiers, and the first server of `rotate`. */
  readonly random: (bound: number) => number;
}

/** RESOLV_EDNS_BUFFER_SIZE of glibc 2.36. */
const EDNS_SIZE = 1200;
const MAX_NAME = 1025;

/** The services of `nsswitch.conf` in their order: `gaih_inet` of glibc 2.36 (`nss/getaddrinfo.c`). */
export function* lookupGlibc(name: string, family: Family, context: GlibcContext): Conversation<Found> {
  let error: EaiError = 'EAI_NONAME';
  for (const service of context.services) {
    if (service.name === 'files') {
      const found = lookupHostsGlibc(context.hosts, name, family);
      if (found.addresses.length > 0) {
        return { addresses: found.addresses, canonicalName: found.canonicalName ?? name, from: 'hosts' };
      }
      error = 'EAI_NONAME';
      if (service.stopsOn.has('NOTFOUND')) break;
      continue;
    }
    const answer = yield* lookupDnsAgain(name, family, context);
    if (answer.status === 'SUCCESS') return { ...answer.found, from: 'dns' };
    error = answer.error;
    if (service.stopsOn.has(answer.status)) break;
  }
  return { addresses: [], error };
}

/** Octets of the buffer that getaddrinfo first gives to nss_dns (`struct scratch_buffer`), and of one address in it. */
const FIRST_BUFFER = 1024;
const ADDRESS_TUPLE = 40;
const ALIGNMENT = 8;

/**
 * What does not fit into getaddrinfo's buffer (some 25 addresses) is asked for again with one of double the size, all names of the
 * search list included: `NSS_STATUS_TRYAGAIN` with `ERANGE` of `gethostbyname4_r`, which looks up both families.
 */
function* lookupDnsAgain(name: string, family: Family, context: GlibcContext): Conversation<DnsAnswer> {
  for (let buffer = FIRST_BUFFER; ; buffer *= 2) {
    const answer = yield* lookupDns(name, family, context);
    if (answer.status !== 'SUCCESS' || family !== 'unspec') return answer;
    const { addresses, canonicalName = name } = answer.found;
    const text = Math.ceil((canonicalName.length + 1) / ALIGNMENT) * ALIGNMENT;
    if (text + addresses.length * ADDRESS_TUPLE <= buffer) return answer;
  }
}

type DnsAnswer =
  | { readonly status: 'SUCCESS'; readonly found: Found }
  | { readonly status: 'NOTFOUND' | 'UNAVAIL'; readonly error: EaiError };

function* lookupDns(name: string, family: Family, context: GlibcContext): Conversation<DnsAnswer> {
  const noAaaa = context.conf.options.has('no-aaaa');
  if (family === 'inet6' && noAaaa) return { status: 'NOTFOUND', error: 'EAI_NODATA' };
  const types =
    family === 'inet' || (family === 'unspec' && noAaaa)
      ? ([TYPE_A] as const)
      : family === 'inet6'
        ? ([TYPE_AAAA] as const)
        : ([TYPE_A, TYPE_AAAA] as const);
  const search = new Search(context, types);
  const { hErrno, replies, unavailable } = yield* search.run(name);
  if (hErrno !== 'SUCCESS') {
    const error = hErrno === 'TRY_AGAIN' ? 'EAI_AGAIN' : hErrno === 'NO_DATA' ? 'EAI_NODATA' : 'EAI_NONAME';
    return { status: unavailable ? 'UNAVAIL' : 'NOTFOUND', error };
  }
  const addresses: string[] = [];
  let canonicalName: string | undefined;
  for (const reply of replies) {
    for (const record of reply.rcode === RCODE.NOERROR ? reply.answers : []) {
      if (record.type !== TYPE_A && record.type !== TYPE_AAAA) continue;
      if (!types.some((type) => type === record.type)) continue;
      addresses.push(record.data);
      canonicalName ??= canonicalOf(reply, record.name);
    }
  }
  if (addresses.length === 0) return { status: 'NOTFOUND', error: 'EAI_NONAME' };
  return { status: 'SUCCESS', found: { addresses, canonicalName: canonicalName ?? name } };
}

/** The owner of the addresses: the end of the CNAME chain. */
function canonicalOf(reply: Reply, owner: string): string {
  const last = reply.answers.findLast((record) => record.type === TYPE_CNAME);
  return last === undefined ? withoutDot(owner) : last.data;
}

interface QueryOutcome {
  readonly hErrno: HErrno;
  readonly replies: readonly Reply[];
}
const failure = (hErrno: HErrno): QueryOutcome => ({ hErrno, replies: [] });

/** One walk of the search list: `__res_context_search` of `resolv/res_query.c`. */
class Search {
  readonly #context: GlibcContext;
  readonly #types: readonly number[];
  #errno: 'ECONNREFUSED' | 'ETIMEDOUT' | undefined;
  #bufferRcode: number = RCODE.NOERROR;

  constructor(context: GlibcContext, types: readonly number[]) {
    this.#context = context;
    this.#types = types;
  }

  *run(name: string): Conversation<QueryOutcome & { readonly unavailable: boolean }> {
    const outcome = yield* this.#walk(name);
    return { ...outcome, unavailable: this.#errno !== undefined };
  }

  *#walk(name: string): Conversation<QueryOutcome> {
    const { conf } = this.#context;
    const dots = name.split('.').length - 1;
    const trailingDot = name.endsWith('.');
    let asIs: HErrno | undefined;
    let last: HErrno = 'HOST_NOT_FOUND';
    if (dots >= conf.ndots || trailingDot) {
      const outcome = yield* this.#query(name);
      if (outcome.hErrno === 'SUCCESS' || trailingDot) return outcome;
      asIs = outcome.hErrno;
    }
    let noData = false;
    let servfail = false;
    let rootOnList = false;
    for (const entry of conf.search) {
      const domain = entry.startsWith('.') ? entry.slice(1) : entry;
      rootOnList ||= domain === '';
      const outcome =
        name.length + domain.length + 1 >= MAX_NAME ? failure('NO_RECOVERY') : yield* this.#query(`${name}.${domain}`);
      if (outcome.hErrno === 'SUCCESS') return outcome;
      if (this.#errno === 'ECONNREFUSED') return failure('TRY_AGAIN');
      last = outcome.hErrno;
      if (last === 'NO_DATA') noData = true;
      else if (last === 'TRY_AGAIN' && this.#bufferRcode === RCODE.SERVFAIL) servfail = true;
      else if (last !== 'HOST_NOT_FOUND') break;
    }
    const wanted = dots > 0 || conf.search.length === 0 || !conf.options.has('no-tld-query');
    if (wanted && asIs === undefined && !rootOnList) {
      const outcome = yield* this.#query(name);
      if (outcome.hErrno === 'SUCCESS') return outcome;
      last = outcome.hErrno;
    }
    return failure(asIs ?? (noData ? 'NO_DATA' : servfail ? 'TRY_AGAIN' : last));
  }

  /** One name, all its types: `__res_context_query`. */
  *#query(name: string): Conversation<QueryOutcome> {
    const { conf, state, sockets, random } = this.#context;
    this.#bufferRcode = RCODE.NOERROR;
    const encoded = encodeName(name);
    if (encoded === undefined || name === '') return failure('NO_RECOVERY');
    const options = {
      ...(conf.options.has('edns0') ? { edns: EDNS_SIZE } : {}),
      ...(conf.options.has('trust-ad') ? { ad: true } : {}),
    };
    const id = random(65536);
    const messages = this.#types.map((type, i) =>
      encodeQuery(i === 0 ? id : distinct(random(65536), id), encoded, type, options),
    );
    const pair: QueryPair = messages.length === 1 ? [messages[0]!] : [messages[0]!, messages[1]!];
    const sent = yield* sendQueries(pair, conf, state, sockets, random);
    this.#bufferRcode = sent.bufferRcode;
    const { first, second, errno } = sent;
    if (errno !== undefined) {
      this.#errno = errno;
      return failure('TRY_AGAIN');
    }
    const one = first ?? second!;
    const two = second ?? one;
    if (hasAnswers(one) || hasAnswers(two)) return { hErrno: 'SUCCESS', replies: one === two ? [one] : [one, two] };
    return failure(hErrnoOf(one.rcode === RCODE.NOERROR ? two.rcode : one.rcode));
  }
}

function distinct(id: number, other: number): number {
  return id === other ? (id + 1) & 0xffff : id;
}

function hasAnswers(reply: Reply): boolean {
  return reply.rcode === RCODE.NOERROR && reply.answerCount > 0;
}

function hErrnoOf(rcode: number): HErrno {
  if (rcode === RCODE.NXDOMAIN) return 'HOST_NOT_FOUND';
  if (rcode === RCODE.SERVFAIL) return 'TRY_AGAIN';
  return rcode === RCODE.NOERROR ? 'NO_DATA' : 'NO_RECOVERY';
}

import type { Conversation } from './io.ts';
import { decodeReply, RCODE, type Reply } from './message.ts';
import type { ResolvConf } from './resolv-conf.ts';
import { type Sockets, sameId } from './sockets.ts';

/** What glibc keeps in `struct __res_state` from one look-up of a thread to the next, as far as it shows. */
export interface GlibcState {
  /** Set for good once a server answered one of two questions only: see {@link sendDatagram}. */
  singleRequest: boolean;
  singleRequestReopen: boolean;
  /** Where `rotate` begins; undefined until the first use. */
  offset: number | undefined;
}

/** One or two queries that are sent together, A before AAAA. */
export type QueryPair = readonly [Uint8Array] | readonly [Uint8Array, Uint8Array];

/** Answers in the order in which they came, as the two buffers of `__libc_res_nsend` hold them. */
export interface Sent {
  readonly first: Reply | undefined;
  readonly second: Reply | undefined;
  /** The rcode of the last message read into the first buffer, even where that message did not count. */
  readonly bufferRcode: number;
  /** `errno` where nothing came. */
  readonly errno?: 'ECONNREFUSED' | 'ETIMEDOUT';
}

interface Attempt {
  readonly first?: Reply | undefined;
  readonly second?: Reply | undefined;
  readonly truncated?: boolean;
  readonly bufferRcode?: number;
  readonly gotSomewhere?: boolean;
}

const NOTHING: Attempt = {};

/**
 * Asks the nameservers one after the other until one gives an answer: `__res_context_send` of `resolv/res_send.c`.
 * SERVFAIL, NOTIMP and REFUSED count as no answer; a truncated one is asked again over TCP.
 */
export function* sendQueries(
  pair: QueryPair,
  conf: ResolvConf,
  state: GlibcState,
  sockets: Sockets,
  random: (bound: number) => number,
): Conversation<Sent> {
  const count = conf.nameservers.length;
  const offset = nextOffset(conf, state, random);
  let overTcp = conf.options.has('use-vc');
  let gotSomewhere = false;
  let bufferRcode: number = RCODE.NOERROR;
  for (let attempt = 0; attempt < conf.attempts; attempt++) {
    for (let shift = 0; shift < count; shift++) {
      const index = (shift + offset) % count;
      const server = conf.nameservers[index]!;
      let got: Attempt = NOTHING;
      if (!overTcp) {
        got = yield* sendDatagram(pair, server, secondsFor(conf, index), state, sockets);
        gotSomewhere ||= got.gotSomewhere === true;
        overTcp = got.truncated === true;
      }
      if (overTcp) {
        // Over TCP each server is asked once.
        attempt = conf.attempts;
        got = yield* sendStream(pair, server, sockets);
      }
      bufferRcode = got.bufferRcode ?? bufferRcode;
      if (got.first !== undefined || got.second !== undefined) {
        return { first: got.first, second: got.second, bufferRcode };
      }
    }
  }
  return {
    first: undefined,
    second: undefined,
    bufferRcode,
    errno: overTcp || gotSomewhere ? 'ETIMEDOUT' : 'ECONNREFUSED',
  };
}

function nextOffset(conf: ResolvConf, state: GlibcState, random: (bound: number) => number): number {
  const count = conf.nameservers.length;
  if (count <= 1 || !conf.options.has('rotate')) return 0;
  state.offset = state.offset === undefined ? random(count) : (state.offset + 1) % count;
  return state.offset;
}

/** Later servers get more time: timeout, then timeout * 2^n / servers. */
function secondsFor({ timeout, nameservers }: ResolvConf, index: number): number {
  const seconds = index === 0 ? timeout : Math.floor((timeout << index) / nameservers.length);
  return Math.max(1, seconds);
}

/**
 * Both queries over one UDP socket, connected to the server. Where only one of them is answered in time, they are sent
 * again one after the other, and at last from two sockets, and so it stays for this process: `send_dg`.
 */
function* sendDatagram(
  pair: QueryPair,
  server: string,
  seconds: number,
  state: GlibcState,
  sockets: Sockets,
): Conversation<Attempt> {
  let bufferRcode: number | undefined;
  let gotSomewhere = false;
  let socket = sockets.open('udp', server);
  for (;;) {
    const serial = state.singleRequest || state.singleRequestReopen;
    const deadline = sockets.now + seconds * 1000;
    const received = [false, pair.length === 1];
    let first: Reply | undefined;
    let second: Reply | undefined;
    let failed = false;
    for (const message of serial ? pair.slice(0, 1) : pair) {
      failed ||= sockets.send(socket, server, message) !== undefined;
    }
    while (!failed) {
      const event = sockets.poll() ?? (yield deadline);
      if (event.kind === 'timeout') break;
      if (event.socket !== socket) continue;
      if (event.kind === 'error') {
        sockets.failed(pair, event.error);
        failed = true;
        break;
      }
      gotSomewhere = true;
      const reply = decodeReply(event.message);
      if (reply === undefined) {
        failed = true;
        break;
      }
      const toFirst = (!received[0] && !received[1]) || pair.length === 1;
      if (toFirst) bufferRcode = reply.rcode;
      const which = pair.findIndex(
        (message, i) => !received[i] && sameId(message, reply.id) && sockets.answers(reply, message),
      );
      if (which < 0) {
        // A FORMERR carries no question: the server does not know EDNS.
        if (reply.rcode === RCODE.FORMERR && pair.some((message) => sameId(message, reply.id))) failed = true;
        if (failed) break;
        continue;
      }
      sockets.took(server, event.message, reply);
      if (isUseless(reply)) {
        if ((received[0] || received[1]) && pair.length === 2) {
          sockets.close(socket);
          return { first, bufferRcode, gotSomewhere };
        }
        if (pair.length === 1 || serial) {
          failed = true;
          break;
        }
        received[which] = true;
        continue;
      }
      if (reply.truncated) {
        sockets.close(socket);
        return { truncated: true, bufferRcode, gotSomewhere };
      }
      if (toFirst) first = reply;
      else second = reply;
      received[which] = true;
      if (received[0] && received[1]) {
        sockets.close(socket);
        return { first, second, bufferRcode, gotSomewhere };
      }
      if (!serial) continue;
      if (state.singleRequestReopen) {
        sockets.close(socket);
        socket = sockets.open('udp', server);
      }
      failed = sockets.send(socket, server, pair[1]!) !== undefined;
    }
    if (failed || first === undefined) {
      sockets.close(socket);
      return { bufferRcode, gotSomewhere: gotSomewhere || !failed };
    }
    if (state.singleRequestReopen) {
      sockets.close(socket);
      return { first, bufferRcode, gotSomewhere };
    }
    if (serial) {
      state.singleRequestReopen = true;
      sockets.close(socket);
      socket = sockets.open('udp', server);
    } else {
      state.singleRequest = true;
    }
  }
}

function isUseless(reply: Reply): boolean {
  const { rcode } = reply;
  if (rcode === RCODE.SERVFAIL || rcode === RCODE.NOTIMP || rcode === RCODE.REFUSED) return true;
  return (
    rcode === RCODE.NOERROR &&
    reply.answerCount === 0 &&
    !reply.authoritative &&
    !reply.recursionAvailable &&
    reply.additionalCount === 0
  );
}

/** Both queries over one TCP connection, with no time limit of its own: `send_vc`. One reset is forgiven. */
function* sendStream(pair: QueryPair, server: string, sockets: Sockets): Conversation<Attempt> {
  for (let resets = 0; ; resets++) {
    const socket = sockets.open('tcp', server);
    const received = [false, pair.length === 1];
    let first: Reply | undefined;
    let second: Reply | undefined;
    let reset = false;
    let failed = false;
    for (const message of pair) failed ||= sockets.send(socket, server, message, 'tcp') !== undefined;
    while (!failed) {
      const event = sockets.poll() ?? (yield Number.POSITIVE_INFINITY);
      if (event.kind === 'timeout') break;
      if (event.socket !== socket) continue;
      if (event.kind === 'error') {
        sockets.failed(pair, event.error);
        reset = event.error === 'ECONNRESET';
        break;
      }
      const reply = decodeReply(event.message);
      if (reply === undefined) break;
      const which = pair.findIndex((message, i) => !received[i] && sameId(message, reply.id));
      if (which < 0) continue;
      sockets.took(server, event.message, reply);
      if (!received[0] && (!received[1] || pair.length === 1)) first = reply;
      else if (first === undefined) first = reply;
      else second = reply;
      received[which] = true;
      if (received[0] && received[1]) {
        sockets.close(socket);
        return { first, second, bufferRcode: first.rcode };
      }
    }
    sockets.close(socket);
    if (!reset || resets > 0) return NOTHING;
  }
}

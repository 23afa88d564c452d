import { type DnsMessage, type Rcode, replyTo } from './message.ts';
import type { Outcome, QuerySource } from './plugin.ts';
import { fitReply } from './truncate.ts';
import { WireError } from './wire.ts';

const MAX_TCP = 65_535;
/** Records in one message of a zone transfer. */
const TRANSFER_PART = 200;
/** The size of a UDP reply to a client that says nothing, in octets. */
const UDP_SIZE = 512;

/** A reply with nothing but a code. */
export function plainReply(query: DnsMessage, rcode: Rcode): DnsMessage {
  return replyTo(query, { rcode });
}

/** The reply that the outcome of a chain comes to; undefined where none is sent. */
export function finish(query: DnsMessage, source: QuerySource, outcome: Outcome): DnsMessage | undefined {
  switch (outcome.kind) {
    case 'dropped':
      return undefined;
    case 'unwritten':
      return withEdns(plainReply(query, outcome.rcode), query, source);
    case 'reply':
      return withEdns(outcome.message, query, source);
  }
}

/** A reply to a query with EDNS has an OPT record that repeats the client's size and DO bit. */
function withEdns(message: DnsMessage, query: DnsMessage, source: QuerySource): DnsMessage {
  if (query.edns === undefined) {
    if (message.edns === undefined) return message;
    const { edns: _, ...rest } = message;
    return rest;
  }
  const size = source.transport === 'tcp' ? query.edns.size : Math.max(query.edns.size, 512);
  const options = message.edns?.options ?? [];
  return { ...message, edns: { size, version: 0, dnssecOk: query.edns.dnssecOk, options } };
}

/** Writes a reply for its transport: a zone transfer in several messages, all else in one. */
export function writeReply(
  query: DnsMessage,
  message: DnsMessage | undefined,
  source: QuerySource,
  send: (bytes: Uint8Array | undefined) => void,
): void {
  if (message === undefined) {
    send(undefined);
    return;
  }
  const type = query.questions[0]?.type;
  const parts = type === 'AXFR' || type === 'IXFR' ? Math.ceil(message.answers.length / TRANSFER_PART) : 1;
  const write = source.transport === 'tcp' ? writeWhole : writeDatagram;
  if (parts <= 1) {
    send(write(query, message));
    return;
  }
  for (let part = 0; part < parts; part++) {
    const answers = message.answers.slice(part * TRANSFER_PART, (part + 1) * TRANSFER_PART);
    send(write(query, { ...message, answers }));
  }
}

/** A reply for UDP, cut to what the client takes; undefined for one that cannot be written. */
export function writeDatagram(query: DnsMessage, message: DnsMessage): Uint8Array | undefined {
  return fit(message, query.edns?.size ?? UDP_SIZE);
}

function writeWhole(_: DnsMessage, message: DnsMessage): Uint8Array | undefined {
  return fit(message, MAX_TCP);
}

function fit(message: DnsMessage, size: number): Uint8Array | undefined {
  try {
    return fitReply(message, size).bytes;
  } catch (error) {
    // A reply that cannot be written, such as one with a name that grew too long, is not sent.
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

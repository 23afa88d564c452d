import { BoundedMap } from './bounded-map.ts';

interface Known {
  readonly query: Uint8Array;
  reply: Uint8Array;
  generation: number;
  now: number;
}

/** Queries that are remembered; the oldest go first. */
const CAPACITY = 32_768;
/** Octets of a query and of a reply that are remembered. */
const MAX_LENGTH = 512;

/**
 * The octets that were replied to the octets of a query: a server that is asked the same again within the same second, while
 * nothing changed, need not think again. Only the identifiers of the messages may differ.
 */
export class ReplyMemo {
  readonly #known = new BoundedMap<number, Known>(CAPACITY);
  /** What {@link recall} was asked for last: it is mostly what is remembered next. */
  #asked: Uint8Array | undefined;
  #key = 0;
  #found: Known | undefined;

  /**
   * The reply to a query that is known and still holds, with the query's own identifier. `generation` counts the changes of what
   * answers depend on besides the query, `now` is virtual time in seconds.
   */
  recall(query: Uint8Array, generation: number, now: number): Uint8Array | undefined {
    this.#look(query);
    const known = this.#found;
    if (known === undefined || known.generation !== generation || known.now !== now) return undefined;
    const reply = known.reply.slice();
    reply[0] = query[0]!;
    reply[1] = query[1]!;
    return reply;
  }

  remember(query: Uint8Array, reply: Uint8Array, generation: number, now: number): void {
    if (query.length > MAX_LENGTH || reply.length > MAX_LENGTH) return;
    if (query !== this.#asked) this.#look(query);
    const known = this.#found;
    // Both belong to others, who may write into them.
    if (known === undefined) {
      this.#known.set(this.#key, { query: query.slice(), reply: reply.slice(), generation, now });
      this.#asked = undefined;
      return;
    }
    if (known.reply.length === reply.length) known.reply.set(reply);
    else known.reply = reply.slice();
    known.generation = generation;
    known.now = now;
  }

  #look(query: Uint8Array): void {
    this.#asked = query;
    this.#key = hash(query);
    const known = this.#known.get(this.#key);
    this.#found = known !== undefined && sameQuestion(known.query, query) ? known : undefined;
  }
}

/** FNV-1a over all but the identifier. */
function hash(bytes: Uint8Array): number {
  let value = 0x811c9dc5;
  for (let at = 2; at < bytes.length; at++) value = Math.imul(value ^ bytes[at]!, 0x01000193);
  // Small integers are cheaper keys.
  return value >>> 2;
}

function sameQuestion(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let at = 2; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}

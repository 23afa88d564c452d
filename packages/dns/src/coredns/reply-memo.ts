import { type Tally, UNCOUNTED } from './metrics.ts';

/** Places for queries: each has one, where the query before it with the same place is forgotten. A power of two. */
const PLACES = 16_384;
/** Octets of queries and replies that are kept: once as many were written, the oldest are written over. A power of two. */
const CAPACITY = 4 * 1024 * 1024;
const FIRST_CAPACITY = 64 * 1024;
/** Octets of a query and of a reply that are remembered. */
const MAX_LENGTH = 512;

/** What is known of a place, as numbers one after the other. */
const FIELDS = 8;
/** Octets that had been written before the query and its reply were; and, after them, their lengths as query * 1024 + reply. */
const POSITION = 0;
const LENGTHS = 1;
const GENERATION = 2;
const NOW = 3;
const TALLY = 4;

/**
 * The octets that were replied to the octets of a query: a server that is asked the same again within the same second, while
 * nothing changed, need not think again. Only the identifiers of the messages may differ. All lies in two arrays, for it costs
 * every query that is not known, too: no object is made to remember it.
 */
export class ReplyMemo {
  #places = new Float64Array(0);
  #octets = new Uint8Array(0);
  /** Octets written since the beginning. */
  #written = 0;
  /** The place that was looked at last, mostly that of the query which is remembered next. */
  #asked: Uint8Array | undefined;
  #place = 0;
  /** What the query that was recalled last counts as. */
  tally: Tally = UNCOUNTED;

  /**
   * The reply to a query that is known and still holds, with the query's own identifier. `generation` counts the changes of what
   * answers depend on besides the query, `now` is virtual time in seconds.
   */
  recall(query: Uint8Array, generation: number, now: number): Uint8Array | undefined {
    this.#asked = query;
    const place = placeOf(query);
    this.#place = place;
    const places = this.#places;
    if (places.length === 0 || places[place + NOW] !== now || places[place + GENERATION] !== generation)
      return undefined;
    const lengths = places[place + LENGTHS]!;
    const position = places[place + POSITION]!;
    if (lengths >> 10 !== query.length || position < this.#written - CAPACITY) return undefined;
    const octets = this.#octets;
    const start = position & (CAPACITY - 1);
    // All but the identifier.
    for (let at = 2; at < query.length; at++) if (octets[start + at] !== query[at]) return undefined;
    const from = start + query.length;
    this.tally = places[place + TALLY]!;
    const reply = octets.slice(from, from + (lengths & 1023));
    reply[0] = query[0]!;
    reply[1] = query[1]!;
    return reply;
  }

  remember(query: Uint8Array, reply: Uint8Array, generation: number, now: number, tally: Tally = UNCOUNTED): void {
    const length = query.length + reply.length;
    if (query.length > MAX_LENGTH || reply.length > MAX_LENGTH) return;
    if (this.#places.length === 0) this.#places = new Float64Array(PLACES * FIELDS);
    const place = query === this.#asked ? this.#place : placeOf(query);
    const position = this.#room(length);
    const start = position & (CAPACITY - 1);
    // Both belong to others, who may write into them.
    this.#octets.set(query, start);
    this.#octets.set(reply, start + query.length);
    const places = this.#places;
    places[place + POSITION] = position;
    places[place + LENGTHS] = (query.length << 10) | reply.length;
    places[place + GENERATION] = generation;
    places[place + NOW] = now;
    places[place + TALLY] = tally;
  }

  /** Where so many octets can be written, one after the other. */
  #room(length: number): number {
    let position = this.#written;
    const start = position & (CAPACITY - 1);
    if (start + length > CAPACITY) position += CAPACITY - start;
    this.#written = position + length;
    if (this.#written > this.#octets.length && this.#octets.length < CAPACITY) {
      const more = new Uint8Array(Math.min(CAPACITY, Math.max(FIRST_CAPACITY, 2 * this.#octets.length)));
      more.set(this.#octets);
      this.#octets = more;
    }
    return position;
  }
}

/** Where the place of a query begins: FNV-1a over all but the identifier. */
function placeOf(bytes: Uint8Array): number {
  let value = 0x811c9dc5;
  for (let at = 2; at < bytes.length; at++) value = Math.imul(value ^ bytes[at]!, 0x01000193);
  return ((value ^ (value >>> 15)) & (PLACES - 1)) * FIELDS;
}

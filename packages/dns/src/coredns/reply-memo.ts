import { BoundedMap } from './bounded-map.ts';

/** What the answers of a server depend on besides the query: it changes when they may be others than before. */
export interface Validity {
  /** Counts up with each such change. */
  readonly generation: number;
  /** Virtual time in seconds. */
  readonly now: number;
}

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

  /** The reply to a query that is known and still holds, with the query's own identifier. */
  recall(query: Uint8Array, { generation, now }: Validity): Uint8Array | undefined {
    const known = this.#known.get(hash(query));
    if (
      known === undefined ||
      known.generation !== generation ||
      known.now !== now ||
      !sameQuestion(known.query, query)
    )
      return undefined;
    const reply = new Uint8Array(known.reply);
    reply[0] = query[0]!;
    reply[1] = query[1]!;
    return reply;
  }

  remember(query: Uint8Array, reply: Uint8Array, { generation, now }: Validity): void {
    if (query.length > MAX_LENGTH || reply.length > MAX_LENGTH) return;
    const key = hash(query);
    const known = this.#known.get(key);
    if (known !== undefined && sameQuestion(known.query, query)) {
      if (known.reply.length === reply.length) known.reply.set(reply);
      else known.reply = new Uint8Array(reply);
      known.generation = generation;
      known.now = now;
      return;
    }
    // Both belong to others, who may write into them.
    this.#known.set(key, { query: new Uint8Array(query), reply: new Uint8Array(reply), generation, now });
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

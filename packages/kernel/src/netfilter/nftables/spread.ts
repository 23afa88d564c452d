import type { Ip } from '@netsim/wire';
import type { Skb } from '../../skb.ts';
import { isIp } from './datatype.ts';
import type { NftChain, NftExpression, NftStatement } from './ruleset.ts';

/** Ends that are written flat at most: it takes a walk over them. */
const MAX_ENDS = 256;

type Numgen = Extract<NftExpression, { kind: 'numgen' }>;

/** What {@link spreadOf} reads out of a chain. */
interface Spread {
  readonly protocol: number;
  readonly draw: Numgen;
  /** Address and port of each way, in turn. */
  readonly ends: readonly Ip[];
}

/**
 * A chain that only spreads connections of one protocol over some ends, as kube-proxy writes one for each service:
 * `meta l4proto udp dnat ip to numgen random mod 2 map { 0 : 10.0.1.2 . 80, 1 : 10.0.2.2 . 80 }`. Null for any other.
 */
function spreadOf({ rules, base }: NftChain): Spread | null {
  if (rules.length !== 1 || base !== undefined) return null;
  const statements = rules[0]!.statements.filter(({ kind }) => kind !== 'counter');
  const [match, nat] = statements;
  if (statements.length !== 2 || match === undefined || nat?.kind !== 'dnat') return null;
  const protocol = protocolOf(match);
  const { addressAndPort: source, address, port, flags } = nat;
  if (protocol === null || source?.kind !== 'map' || address !== undefined || port !== undefined) return null;
  const { key: draw, map } = source;
  if (
    flags !== undefined ||
    nat.family === undefined ||
    draw.kind !== 'numgen' ||
    draw.mode !== 'random' ||
    map.kind !== 'elements'
  )
    return null;
  if (draw.mod > MAX_ENDS || map.elements.interval) return null;
  const ends: Ip[] = [];
  for (let way = 0; way < draw.mod; way++) {
    const data = map.elements.get([way + (draw.offset ?? 0)])?.data;
    if (data === undefined || 'kind' in data || data.length !== 2) return null;
    const [to, toPort] = data;
    if (to === undefined || typeof to === 'object' || !isIp(to) || typeof toPort !== 'number') return null;
    if ((nat.family === 'ip') !== (typeof to === 'number')) return null;
    ends.push(to, toPort);
  }
  return { protocol, draw, ends };
}

function protocolOf(statement: NftStatement): number | null {
  if (statement.kind !== 'match' || statement.operator !== '==') return null;
  const { left, right } = statement;
  if (left.kind !== 'meta' || left.key !== 'l4proto' || right.kind !== 'value') return null;
  const [value] = right.value;
  return right.value.length === 1 && typeof value === 'number' && value >= 0 && value < 256 ? value : null;
}

/** Words of a chain, of which {@link Spreads} keeps whole groups: so that those of most lie in one line of memory. */
const HEAD = 0;
const DRAW = 1;
const ENDS = 2;
const GROUP = 4;
/** In the head: the ends are IPv6 addresses. Below it stands the protocol, above it the number of ways. */
const WIDE = 0x100;
const WAYS_SHIFT = 9;

/**
 * The spreading chains of a table that packets have reached, written side by side: the first packet of a connection takes
 * a chain that no packet before it took, and all of it should lie in one line of memory.
 */
export class Spreads {
  /** For each: head, number of its draw, then address and port of each end; an IPv6 address stands as its number in `#wide`. */
  #words = new Int32Array(16 * GROUP);
  /** The first place is never given: 0 says that there is none. */
  #used = GROUP;
  readonly #wide: bigint[] = [];
  readonly #draws: Numgen[] = [];
  readonly #places = new Map<string, number>();

  /** Place of a chain, or -1 for one that does more, or less. */
  place(chain: NftChain): number {
    let place = this.#places.get(chain.name);
    if (place === undefined) {
      const spread = spreadOf(chain);
      place = spread === null ? -1 : this.#write(spread);
      this.#places.set(chain.name, place);
    }
    return place;
  }

  #write({ protocol, draw, ends }: Spread): number {
    const place = this.#used;
    this.#used += Math.ceil((ENDS + ends.length) / GROUP) * GROUP;
    if (this.#used > this.#words.length) {
      const words = new Int32Array(Math.max(this.#used, this.#words.length * 2));
      words.set(this.#words);
      this.#words = words;
    }
    const wide = typeof ends[0] === 'bigint' ? WIDE : 0;
    this.#words[place + HEAD] = protocol | wide | (draw.mod << WAYS_SHIFT);
    this.#words[place + DRAW] = this.#draws.push(draw) - 1;
    for (const [i, end] of ends.entries()) {
      this.#words[place + ENDS + i] = typeof end === 'bigint' ? this.#wide.push(end) - 1 : end;
    }
    return place;
  }

  /** Is the packet one of those that the chain translates? */
  takes(place: number, skb: Skb): boolean {
    const asked = typeof skb.dst === 'number' ? skb.protocol : skb.protocol | WIDE;
    return (this.#words[place + HEAD]! & (WIDE | 0xff)) === asked;
  }

  ways(place: number): number {
    return this.#words[place + HEAD]! >>> WAYS_SHIFT;
  }

  /** Names the choice. */
  draw(place: number): Numgen {
    return this.#draws[this.#words[place + DRAW]!]!;
  }

  address(place: number, way: number): Ip {
    const words = this.#words;
    const word = words[place + ENDS + way * 2]!;
    return (words[place + HEAD]! & WIDE) === 0 ? word : this.#wide[word]!;
  }

  port(place: number, way: number): number {
    return this.#words[place + ENDS + way * 2 + 1]!;
  }
}

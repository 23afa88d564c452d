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
  return right.value.length === 1 && typeof value === 'number' ? value : null;
}

/**
 * The spreading chains of a table that packets have reached, written side by side: the first packet of a connection takes
 * a chain that no packet before it took, and all of it should lie in one line of memory.
 */
export class Spreads {
  /** For each: protocol, number of its draw, number of ways, then the ends. */
  readonly #cells: Ip[] = [0];
  readonly #draws: Numgen[] = [];
  readonly #places = new Map<string, number>();

  /** Place of a chain, or -1 for one that does more, or less. */
  place(chain: NftChain): number {
    let place = this.#places.get(chain.name);
    if (place === undefined) {
      const spread = spreadOf(chain);
      place = -1;
      if (spread !== null) {
        place = this.#cells.length;
        this.#cells.push(spread.protocol, this.#draws.push(spread.draw) - 1, spread.draw.mod, ...spread.ends);
      }
      this.#places.set(chain.name, place);
    }
    return place;
  }

  /** Is the packet one of those that the chain translates? */
  takes(place: number, skb: Skb): boolean {
    return this.#cells[place] === skb.protocol && typeof this.#cells[place + 3] === typeof skb.dst;
  }

  ways(place: number): number {
    return this.#cells[place + 2] as number;
  }

  /** Names the choice. */
  draw(place: number): Numgen {
    return this.#draws[this.#cells[place + 1] as number]!;
  }

  address(place: number, way: number): Ip {
    return this.#cells[place + 3 + way * 2]!;
  }

  port(place: number, way: number): number {
    return this.#cells[place + 4 + way * 2] as number;
  }
}

import type { Ip, Prefix } from '@netsim/wire';
import type { Skb } from '../../skb.ts';
import type { Negatable, Rule } from './rule.ts';

/** Chains shorter than this are walked: a look-up would cost more. */
export const MIN_RULES = 8;
const NONE = 0x7fffffff;

/**
 * Finds the rules of a chain that can match a packet without looking at the others.
 *
 * Each rule goes into one list, by the strongest key that it asks for: destination address, protocol and port; protocol and
 * port; destination address; source address; or nothing. A packet has at most one list of each kind; {@link seek} merges
 * them back into the order of the chain, so that the outcome is that of a plain walk.
 */
export class ChainIndex {
  /** Open-addressing hash: high and low word of a key, start and end of a run in `#rules`; one cache line holds them. */
  readonly #slots: Int32Array;
  readonly #mask: number;
  /** Rule numbers from 0, run after run, ascending in each. */
  readonly #rules: Int32Array;
  readonly #restStart: number;
  /** IPv6 addresses that rules name, as small numbers. */
  readonly #wide: Map<bigint, number> | null;
  readonly #kinds: number;

  private constructor(lists: Map<string, KeyedList>, rest: number[], wide: Map<bigint, number> | null, kinds: number) {
    let size = 16;
    while (size < lists.size * 2) size *= 2;
    this.#mask = size - 1;
    const slots = new Int32Array(size * 4);
    this.#slots = slots;
    let total = rest.length;
    for (const list of lists.values()) total += list.rules.length;
    this.#rules = new Int32Array(total);
    this.#wide = wide;
    this.#kinds = kinds;
    let at = 0;
    for (const list of lists.values()) {
      let slot = hashPair(list.high, list.low) & this.#mask;
      while (slots[slot * 4 + 3] !== 0) slot = (slot + 1) & this.#mask;
      this.#rules.set(list.rules, at);
      slots.set([list.high, list.low, at, at + list.rules.length], slot * 4);
      at += list.rules.length;
    }
    this.#restStart = at;
    this.#rules.set(rest, at);
  }

  /** An index over the rules, or null where it would not help. */
  static of(rules: readonly Rule[]): ChainIndex | null {
    if (rules.length < MIN_RULES) return null;
    const lists = new Map<string, KeyedList>();
    const rest: number[] = [];
    let wide: Map<bigint, number> | null = null;
    let kinds = 0;
    const number = (ip: Ip): number => {
      if (typeof ip === 'number') return ip;
      wide ??= new Map();
      let id = wide.get(ip);
      if (id === undefined) {
        id = wide.size + 1;
        wide.set(ip, id);
      }
      return id;
    };
    for (let i = 0; i < rules.length; i++) {
      const key = keyOf(rules[i]!, number);
      if (key === null) {
        rest.push(i);
        continue;
      }
      kinds |= key.kind;
      const name = `${key.high}:${key.low}`;
      const list = lists.get(name);
      if (list === undefined) lists.set(name, { high: key.high, low: key.low, rules: [i] });
      else list.rules.push(i);
    }
    if (rules.length - rest.length < MIN_RULES / 2) return null;
    return new ChainIndex(lists, rest, wide, kinds);
  }

  /** Puts a cursor at the first rule that can match the packet. */
  seek(skb: Skb, cursor: IndexCursor): void {
    const kinds = this.#kinds;
    const slots = this.#slots;
    cursor.rules = this.#rules;
    const service = (skb.protocol << 16) | skb.dport;
    const hasPorts = skb.protocol === 6 || skb.protocol === 17 || skb.protocol === 132;
    const dst = (kinds & (KIND_SERVICE | KIND_DESTINATION)) !== 0 ? this.#number(skb.dst) : NONE;
    let slot = (kinds & KIND_SERVICE) !== 0 && hasPorts && dst !== NONE ? this.#find(dst, service) : -1;
    cursor.a = slot < 0 ? 0 : slots[slot + 2]!;
    cursor.aEnd = slot < 0 ? 0 : slots[slot + 3]!;
    slot = (kinds & KIND_PORT) !== 0 && hasPorts ? this.#find(service, LOW_PORT) : -1;
    cursor.b = slot < 0 ? 0 : slots[slot + 2]!;
    cursor.bEnd = slot < 0 ? 0 : slots[slot + 3]!;
    slot = (kinds & KIND_DESTINATION) !== 0 && dst !== NONE ? this.#find(dst, LOW_DESTINATION) : -1;
    cursor.c = slot < 0 ? 0 : slots[slot + 2]!;
    cursor.cEnd = slot < 0 ? 0 : slots[slot + 3]!;
    const src = (kinds & KIND_SOURCE) !== 0 ? this.#number(skb.src) : NONE;
    slot = src !== NONE ? this.#find(src, LOW_SOURCE) : -1;
    cursor.d = slot < 0 ? 0 : slots[slot + 2]!;
    cursor.dEnd = slot < 0 ? 0 : slots[slot + 3]!;
    cursor.e = this.#restStart;
    cursor.eEnd = this.#rules.length;
  }

  /** NONE for an address that no rule names; 0x7fffffff itself (127.255.255.255) is found by the plain lists. */
  #number(ip: Ip): number {
    if (typeof ip === 'number') return ip;
    return this.#wide?.get(ip) ?? NONE;
  }

  /** Offset of a key's slot, or -1. */
  #find(high: number, low: number): number {
    const slots = this.#slots;
    let slot = (hashPair(high, low) & this.#mask) * 4;
    while (slots[slot + 3] !== 0) {
      if (slots[slot] === high && slots[slot + 1] === low) return slot;
      slot = (slot + 4) & (this.#mask * 4 + 3);
    }
    return -1;
  }
}

interface KeyedList {
  readonly high: number;
  readonly low: number;
  readonly rules: number[];
}

/** Where a packet stands in the lists that concern it. */
export class IndexCursor {
  rules: Int32Array = new Int32Array(0);
  a = 0;
  aEnd = 0;
  b = 0;
  bEnd = 0;
  c = 0;
  cEnd = 0;
  d = 0;
  dEnd = 0;
  e = 0;
  eEnd = 0;

  /** Number of the next rule to ask, or -1. */
  next(): number {
    const { rules } = this;
    const a = this.a < this.aEnd ? rules[this.a]! : NONE;
    const b = this.b < this.bEnd ? rules[this.b]! : NONE;
    const c = this.c < this.cEnd ? rules[this.c]! : NONE;
    const d = this.d < this.dEnd ? rules[this.d]! : NONE;
    const e = this.e < this.eEnd ? rules[this.e]! : NONE;
    let first = a;
    if (b < first) first = b;
    if (c < first) first = c;
    if (d < first) first = d;
    if (e < first) first = e;
    if (first === NONE) return -1;
    if (first === e) this.e++;
    else if (first === a) this.a++;
    else if (first === b) this.b++;
    else if (first === c) this.c++;
    else this.d++;
    return first;
  }
}

const KIND_SERVICE = 1;
const KIND_PORT = 2;
const KIND_DESTINATION = 4;
const KIND_SOURCE = 8;
// The low word of a service key is protocol << 16 | port, at least 0x60000.
const LOW_PORT = 1;
const LOW_DESTINATION = 2;
const LOW_SOURCE = 3;

function keyOf(rule: Rule, number: (ip: Ip) => number): { kind: number; high: number; low: number } | null {
  const destination = hostOf(rule.destination);
  const service = serviceOf(rule);
  if (destination !== undefined) {
    const high = number(destination);
    if (high !== NONE) {
      return service === undefined
        ? { kind: KIND_DESTINATION, high, low: LOW_DESTINATION }
        : { kind: KIND_SERVICE, high, low: service };
    }
  }
  if (service !== undefined) return { kind: KIND_PORT, high: service, low: LOW_PORT };
  const source = hostOf(rule.source);
  if (source === undefined) return null;
  const high = number(source);
  return high === NONE ? null : { kind: KIND_SOURCE, high, low: LOW_SOURCE };
}

function hostOf(prefix: Negatable<Prefix> | undefined): Ip | undefined {
  if (prefix === undefined || prefix.not === true) return undefined;
  const { address, length } = prefix.value;
  return length === (typeof address === 'number' ? 32 : 128) ? address : undefined;
}

/** protocol << 16 | port, of a rule that asks for exactly one of each. */
function serviceOf(rule: Rule): number | undefined {
  if (rule.protocol === undefined || rule.protocol.not === true) return undefined;
  for (const match of rule.matches) {
    if ((match.kind === 'tcp' || match.kind === 'udp' || match.kind === 'sctp') && match.dport !== undefined) {
      const { value, not } = match.dport;
      if (not !== true && value.from === value.to) return (rule.protocol.value << 16) | value.from;
    }
  }
  return undefined;
}

function hashPair(high: number, low: number): number {
  let h = Math.imul(high, 0x9e3779b1) ^ Math.imul(low, 0x85ebca77);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  return h ^ (h >>> 13);
}

import { bounds, type NftDataType, ordinal } from './datatype.ts';
import { FlatElements } from './flat-elements.ts';
import { HashTrie, hashText, mixHash } from './hash-trie.ts';
import type { NftElement, NftScalar, NftValue } from './ruleset.ts';

class ElementLeaf {
  readonly hash: number;
  readonly element: NftElement;
  readonly next: ElementLeaf | null;
  constructor(hash: number, element: NftElement, next: ElementLeaf | null) {
    this.hash = hash;
    this.element = element;
    this.next = next;
  }
}

/**
 * The elements of a set or map: a value, of which a changed copy shares nearly all with the original, and at the same time
 * what packets are looked up in. Single values stand in a hash table, intervals of one field in a sorted list,
 * concatenations with intervals in a plain list.
 */
export class NftElements {
  readonly type: readonly NftDataType[];
  /** May hold ranges, prefixes and wildcards. */
  readonly interval: boolean;
  readonly size: number;
  readonly #trie: HashTrie<ElementLeaf> | null;
  /** Intervals: by their first value; concatenations: in the order of their coming. */
  readonly #list: readonly NftElement[];
  /** Look-ups so far, until they are enough to be worth a flat form; undefined: not made yet. */
  #asked = 0;
  #flat: FlatElements | null | undefined;

  private constructor(
    type: readonly NftDataType[],
    trie: HashTrie<ElementLeaf> | null,
    list: readonly NftElement[],
    size: number,
  ) {
    this.type = type;
    this.interval = trie === null;
    this.#trie = trie;
    this.#list = list;
    this.size = size;
  }

  /** Elements with equal keys: the last one stays. Intervals must not overlap: see {@link conflict}. */
  static of(type: readonly NftDataType[], elements: Iterable<NftElement>, interval = false): NftElements {
    if (interval) {
      const list = [...elements];
      if (type.length === 1) list.sort((a, b) => compareScalars(firstOf(a), firstOf(b)));
      return new NftElements(type, null, list, list.length);
    }
    const trie = new HashTrie<ElementLeaf>();
    let size = 0;
    for (const element of elements) {
      const hash = hashKey(element.key);
      const bucket = trie.bucket(hash);
      const others = dropKey(bucket, element.key);
      if (others === bucket) size++;
      trie.set(hash, new ElementLeaf(hash, element, others));
    }
    return new NftElements(type, trie, [], size);
  }

  static empty(type: readonly NftDataType[], interval = false): NftElements {
    return NftElements.of(type, [], interval);
  }

  /** The element with exactly this key. */
  get(key: readonly NftValue[]): NftElement | undefined {
    if (this.#trie === null) return this.#list.find((element) => sameKey(element.key, key));
    for (let leaf = this.#trie.bucket(hashKey(key)); leaf !== null; leaf = leaf.next) {
      if (sameKey(leaf.element.key, key)) return leaf.element;
    }
    return undefined;
  }

  /** An element that one with this key could not stand beside: the same key, or an interval that overlaps. */
  conflict(key: readonly NftValue[]): NftElement | undefined {
    if (this.#trie !== null) return this.get(key);
    if (this.type.length === 1 && typeof bounds(key[0]!).from !== 'string') {
      const { from, to } = bounds(key[0]!);
      const at = this.#upTo(to);
      const below = this.#list[at];
      return below !== undefined && compareScalars(bounds(below.key[0]!).to, from) >= 0 ? below : undefined;
    }
    return this.#list.find(
      (element) =>
        sameKey(element.key, key) || (this.type.length > 1 && element.key.every((v, i) => overlap(v, key[i]!))),
    );
  }

  /** A copy with the element in place of one with the same key. */
  with(element: NftElement): NftElements {
    if (this.#trie === null) {
      const list = this.#list.filter(({ key }) => !sameKey(key, element.key));
      if (this.type.length > 1) list.push(element);
      else {
        const after = list.findIndex((other) => compareScalars(firstOf(other), firstOf(element)) > 0);
        list.splice(after < 0 ? list.length : after, 0, element);
      }
      return new NftElements(this.type, null, list, list.length);
    }
    const hash = hashKey(element.key);
    const bucket = this.#trie.bucket(hash);
    const others = dropKey(bucket, element.key);
    const trie = this.#trie.with(hash, new ElementLeaf(hash, element, others));
    return new NftElements(this.type, trie, [], this.size + (others === bucket ? 1 : 0));
  }

  /** A copy without the element of this key. */
  without(key: readonly NftValue[]): NftElements {
    if (this.#trie === null) {
      const list = this.#list.filter((element) => !sameKey(element.key, key));
      return list.length === this.size ? this : new NftElements(this.type, null, list, list.length);
    }
    const hash = hashKey(key);
    const bucket = this.#trie.bucket(hash);
    const others = dropKey(bucket, key);
    if (others === bucket) return this;
    return new NftElements(this.type, this.#trie.with(hash, others), [], this.size - 1);
  }

  /** The element that values of a packet fall on, or null. */
  find(values: readonly NftScalar[]): NftElement | null {
    if (this.size === 0) return null;
    if (this.#trie !== null) {
      const flat = this.flat();
      if (flat !== null) {
        const number = flat.find(values);
        return number < 0 ? null : flat.elements[number]!;
      }
      for (let leaf = this.#trie.bucket(hashKey(values)); leaf !== null; leaf = leaf.next) {
        if (sameScalars(leaf.element.key, values)) return leaf.element;
      }
      return null;
    }
    const [value] = values;
    if (values.length === 1 && typeof value !== 'string') {
      const element = this.#list[this.#upTo(value!)];
      return element !== undefined && compareScalars(value!, bounds(element.key[0]!).to) <= 0 ? element : null;
    }
    for (const element of this.#list) if (element.key.every((part, i) => holds(part, values[i]!))) return element;
    return null;
  }

  /** The flat form, where there is one and enough look-ups were made to pay for it. Each call counts as a look-up. */
  flat(): FlatElements | null {
    if (this.#flat === undefined) {
      if (this.#trie === null || this.#asked++ < this.size) return null;
      this.#flat = FlatElements.of(this.type.length, this);
    }
    return this.#flat;
  }

  /** In no order that means anything, except that intervals of one field come sorted. */
  *[Symbol.iterator](): Generator<NftElement> {
    if (this.#trie === null) yield* this.#list;
    else for (const { element } of this.#trie) yield element;
  }

  /** Place of the last interval that begins at or before a value; -1: none. */
  #upTo(value: NftScalar): number {
    let low = 0;
    let high = this.#list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareScalars(firstOf(this.#list[middle]!), value) <= 0) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

function firstOf(element: NftElement): NftScalar {
  return bounds(element.key[0]!).from;
}

/** Unsigned; text by its characters. */
function compareScalars(a: NftScalar, b: NftScalar): number {
  if (typeof a === 'string' || typeof b === 'string') return String(a) < String(b) ? -1 : a === b ? 0 : 1;
  const x = ordinal(a);
  const y = ordinal(b);
  return x < y ? -1 : x === y ? 0 : 1;
}

function overlap(a: NftValue, b: NftValue): boolean {
  const x = bounds(a);
  const y = bounds(b);
  return compareScalars(x.from, y.to) <= 0 && compareScalars(y.from, x.to) <= 0;
}

/** Does a value of a packet fall on a value of a rule? A trailing `*` of an interface name stands for any rest. */
export function holds(part: NftValue, value: NftScalar): boolean {
  if (typeof part === 'string')
    return part.endsWith('*') ? String(value).startsWith(part.slice(0, -1)) : part === value;
  if (typeof part !== 'object') return part === value;
  const { from, to } = bounds(part);
  return compareScalars(from, value) <= 0 && compareScalars(value, to) <= 0;
}

function sameScalars(key: readonly NftValue[], values: readonly NftScalar[]): boolean {
  for (let i = 0; i < values.length; i++) if (key[i] !== values[i]) return false;
  return true;
}

function sameKey(a: readonly NftValue[], b: readonly NftValue[]): boolean {
  return a.length === b.length && a.every((value, i) => sameValue(value, b[i]!));
}

function sameValue(a: NftValue, b: NftValue): boolean {
  if (typeof a !== 'object' && typeof b !== 'object') return a === b;
  const x = bounds(a);
  const y = bounds(b);
  return x.from === y.from && x.to === y.to;
}

function dropKey(bucket: ElementLeaf | null, key: readonly NftValue[]): ElementLeaf | null {
  if (bucket === null) return null;
  const next = dropKey(bucket.next, key);
  if (sameKey(bucket.element.key, key)) return next;
  return next === bucket.next ? bucket : new ElementLeaf(bucket.hash, bucket.element, next);
}

/** Prefixes and ranges never stand in a hash table. */
export function hashKey(key: readonly NftValue[]): number {
  let hash = 0;
  for (let i = 0; i < key.length; i++) {
    const part = key[i]!;
    if (typeof part === 'number') hash = mixHash(hash, part);
    else if (typeof part === 'bigint') hash = mixHash(mixHash(hash, fold(part)), fold(part >> 64n));
    else if (typeof part === 'string') hash = mixHash(hash, hashText(part));
  }
  return hash;
}

function fold(word: bigint): number {
  return Number(BigInt.asIntN(32, word)) ^ Number(BigInt.asIntN(32, word >> 32n));
}

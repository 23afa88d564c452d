import { mixHash } from './hash-trie.ts';
import type { NftElement, NftScalar, NftValue } from './ruleset.ts';

/** Key parts at most: as many as anybody concatenates. */
const MAX_PARTS = 6;

/**
 * The elements of a set written flat, so that a look-up touches a line or two of memory, however many there are. It takes a
 * walk over all of them to make: for a set that is asked more often than it changes. An IPv6 address stands as a small number.
 */
export class FlatElements {
  readonly elements: readonly NftElement[];
  readonly #parts: number;
  /** Open-addressing hash: the words of a key, then the number of the element + 1; as many words a place as a power of two. */
  readonly #slots: Int32Array;
  readonly #shift: number;
  readonly #mask: number;
  /** Numbers of the IPv6 addresses, and a bit for each part of a key that holds such: a number there is not one of these. */
  readonly #wide: Map<bigint, number>;
  readonly #wideParts: number;
  /** The key that is looked up. */
  readonly #key: Int32Array;

  private constructor(parts: number, elements: readonly NftElement[], wide: Map<bigint, number>, wideParts: number) {
    this.elements = elements;
    this.#parts = parts;
    this.#wide = wide;
    this.#wideParts = wideParts;
    this.#key = new Int32Array(parts);
    this.#shift = 32 - Math.clz32(parts);
    let places = 4;
    while (places < elements.length * 2) places *= 2;
    this.#mask = places - 1;
    this.#slots = new Int32Array(places << this.#shift);
    for (let number = 0; number < elements.length; number++) {
      const at = this.#place(elements[number]!.key);
      this.#slots.set(this.#key, at);
      this.#slots[at + parts] = number + 1;
    }
  }

  /** Null where a key is not made of numbers and addresses alone, of one kind in each part. */
  static of(parts: number, elements: Iterable<NftElement>): FlatElements | null {
    if (parts > MAX_PARTS) return null;
    const list: NftElement[] = [];
    const wide = new Map<bigint, number>();
    let wideParts = 0;
    let wordParts = 0;
    for (const element of elements) {
      const { key } = element;
      for (let i = 0; i < key.length; i++) {
        const part = key[i]!;
        if (typeof part === 'bigint') {
          wideParts |= 1 << i;
          if (!wide.has(part)) wide.set(part, wide.size);
        } else if (isWord(part)) wordParts |= 1 << i;
        else return null;
      }
      list.push(element);
    }
    return (wideParts & wordParts) === 0 ? new FlatElements(parts, list, wide, wideParts) : null;
  }

  /** Number of the element with this key, or -1. */
  find(values: readonly NftScalar[]): number {
    const at = this.#place(values);
    return at < 0 ? -1 : this.#slots[at + this.#parts]! - 1;
  }

  /** Where a key stands or would stand; its words are in `#key` then. Negative: it is not in the set. */
  #place(values: readonly NftValue[]): number {
    const parts = this.#parts;
    const key = this.#key;
    let hash = 0;
    for (let i = 0; i < parts; i++) {
      const value = values[i]!;
      let word: number | undefined;
      if ((this.#wideParts & (1 << i)) === 0) word = typeof value === 'number' ? value : undefined;
      else if (typeof value === 'bigint') word = this.#wide.get(value);
      if (word === undefined) return -1;
      key[i] = word;
      hash = mixHash(hash, word);
    }
    const slots = this.#slots;
    const mask = this.#mask;
    const shift = this.#shift;
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const at = place << shift;
      if (slots[at + parts] === 0) return at;
      let same = slots[at] === key[0];
      for (let i = 1; i < parts && same; i++) same = slots[at + i] === key[i];
      if (same) return at;
    }
  }
}

/** Numbers that 32 bits tell from one another, as those of one type are. */
function isWord(part: NftValue): boolean {
  return typeof part === 'number' && (part === (part | 0) || part === part >>> 0);
}

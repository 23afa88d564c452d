import { HashTrie, hashText } from './hash-trie.ts';

class Entry<V> {
  readonly hash: number;
  readonly key: string;
  readonly value: V;
  /** Place in the order of insertion. */
  readonly order: number;
  readonly next: Entry<V> | null;
  constructor(hash: number, key: string, value: V, order: number, next: Entry<V> | null) {
    this.hash = hash;
    this.key = key;
    this.value = value;
    this.order = order;
    this.next = next;
  }
}

/** A map that is a value: a changed copy costs the same at any size. Iterates in the order of insertion, as Map does. */
export class PersistentMap<V> implements ReadonlyMap<string, V> {
  readonly size: number;
  readonly #trie: HashTrie<Entry<V>>;
  readonly #nextOrder: number;

  private constructor(trie: HashTrie<Entry<V>>, size: number, nextOrder: number) {
    this.#trie = trie;
    this.size = size;
    this.#nextOrder = nextOrder;
  }

  static from<V>(entries: Iterable<readonly [string, V]>): PersistentMap<V> {
    if (entries instanceof PersistentMap) return entries as PersistentMap<V>;
    const trie = new HashTrie<Entry<V>>();
    let order = 0;
    for (const [key, value] of new Map(entries)) {
      const hash = hashText(key);
      trie.set(hash, new Entry(hash, key, value, order++, trie.bucket(hash)));
    }
    return new PersistentMap(trie, order, order);
  }

  get(key: string): V | undefined {
    return this.#find(hashText(key), key)?.value;
  }

  has(key: string): boolean {
    return this.#find(hashText(key), key) !== undefined;
  }

  /** A copy with the entry; a key that was there keeps its place. */
  with(key: string, value: V): PersistentMap<V> {
    const hash = hashText(key);
    const old = this.#find(hash, key);
    const others = without(this.#trie.bucket(hash), key);
    const entry = new Entry(hash, key, value, old?.order ?? this.#nextOrder, others);
    const added = old === undefined ? 1 : 0;
    return new PersistentMap(this.#trie.with(hash, entry), this.size + added, this.#nextOrder + added);
  }

  /** A copy without the entry. */
  without(key: string): PersistentMap<V> {
    const hash = hashText(key);
    if (this.#find(hash, key) === undefined) return this;
    return new PersistentMap(
      this.#trie.with(hash, without(this.#trie.bucket(hash), key)),
      this.size - 1,
      this.#nextOrder,
    );
  }

  *entries(): MapIterator<[string, V]> {
    for (const { key, value } of this.#ordered()) yield [key, value];
  }
  *keys(): MapIterator<string> {
    for (const { key } of this.#ordered()) yield key;
  }
  *values(): MapIterator<V> {
    for (const { value } of this.#ordered()) yield value;
  }
  [Symbol.iterator](): MapIterator<[string, V]> {
    return this.entries();
  }
  forEach(visit: (value: V, key: string, map: ReadonlyMap<string, V>) => void): void {
    for (const { key, value } of this.#ordered()) visit(value, key, this);
  }

  #ordered(): Entry<V>[] {
    return [...this.#trie].sort((a, b) => a.order - b.order);
  }

  #find(hash: number, key: string): Entry<V> | undefined {
    for (let entry = this.#trie.bucket(hash); entry !== null; entry = entry.next) if (entry.key === key) return entry;
    return undefined;
  }
}

function without<V>(bucket: Entry<V> | null, key: string): Entry<V> | null {
  if (bucket === null) return null;
  const next = without(bucket.next, key);
  if (bucket.key === key) return next;
  return next === bucket.next ? bucket : new Entry(bucket.hash, bucket.key, bucket.value, bucket.order, next);
}

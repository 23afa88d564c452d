/** An entry, and the next one whose hash is the same. */
export interface TrieLeaf<L> {
  readonly hash: number;
  readonly next: L | null;
}

class TrieNode<L extends TrieLeaf<L>> {
  bitmap: number;
  slots: (TrieNode<L> | L)[];
  constructor(bitmap: number, slots: (TrieNode<L> | L)[]) {
    this.bitmap = bitmap;
    this.slots = slots;
  }
}

/**
 * A hash table that is a value (Bagwell's hash array mapped trie): a changed copy shares all but a few nodes with what it
 * was made of, so that a change costs the same in a table of ten entries and of fifty thousand.
 */
export class HashTrie<L extends TrieLeaf<L>> {
  #root: TrieNode<L>;

  constructor() {
    this.#root = new TrieNode<L>(0, []);
  }

  /** The first of the entries with a hash; the others follow by `next`. */
  bucket(hash: number): L | null {
    let node = this.#root;
    for (let shift = 0; ; shift += 5) {
      const bit = 1 << ((hash >>> shift) & 31);
      if ((node.bitmap & bit) === 0) return null;
      const slot = node.slots[countBits(node.bitmap & (bit - 1))]!;
      if (slot instanceof TrieNode) node = slot;
      else return slot.hash === hash ? slot : null;
    }
  }

  /** A copy in which these are the entries of the hash; null: none. */
  with(hash: number, bucket: L | null): HashTrie<L> {
    const copy = new HashTrie<L>();
    copy.#root = put(this.#root, 0, hash, bucket, false);
    return copy;
  }

  /** As {@link with}, but in place: only for the maker of a table, before anybody else has seen it. */
  set(hash: number, bucket: L | null): void {
    this.#root = put(this.#root, 0, hash, bucket, true);
  }

  /** Every entry, in the order of hashes. */
  *[Symbol.iterator](): Generator<L> {
    const open: TrieNode<L>[] = [this.#root];
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      for (const slot of node.slots) {
        if (slot instanceof TrieNode) open.push(slot);
        else for (let leaf: L | null = slot; leaf !== null; leaf = leaf.next) yield leaf;
      }
    }
  }
}

function put<L extends TrieLeaf<L>>(
  node: TrieNode<L>,
  shift: number,
  hash: number,
  bucket: L | null,
  inPlace: boolean,
): TrieNode<L> {
  const bit = 1 << ((hash >>> shift) & 31);
  const at = countBits(node.bitmap & (bit - 1));
  if ((node.bitmap & bit) === 0) {
    if (bucket === null) return node;
    return change(node, node.bitmap | bit, at, 0, bucket, inPlace);
  }
  const slot = node.slots[at]!;
  if (slot instanceof TrieNode) {
    const below = put(slot, shift + 5, hash, bucket, inPlace);
    if (below === slot) return node;
    if (below.slots.length === 0) return change(node, node.bitmap & ~bit, at, 1, null, inPlace);
    const only = below.slots.length === 1 ? below.slots[0]! : below;
    return change(node, node.bitmap, at, 1, only instanceof TrieNode ? below : only, inPlace);
  }
  if (slot.hash === hash) {
    return bucket === null
      ? change(node, node.bitmap & ~bit, at, 1, null, inPlace)
      : change(node, node.bitmap, at, 1, bucket, inPlace);
  }
  if (bucket === null) return node;
  return change(node, node.bitmap, at, 1, split(slot, bucket, shift + 5), inPlace);
}

function split<L extends TrieLeaf<L>>(a: L, b: L, shift: number): TrieNode<L> {
  const atA = (a.hash >>> shift) & 31;
  const atB = (b.hash >>> shift) & 31;
  if (atA === atB) return new TrieNode<L>(1 << atA, [split(a, b, shift + 5)]);
  return new TrieNode<L>((1 << atA) | (1 << atB), atA < atB ? [a, b] : [b, a]);
}

function change<L extends TrieLeaf<L>>(
  node: TrieNode<L>,
  bitmap: number,
  at: number,
  removed: 0 | 1,
  slot: TrieNode<L> | L | null,
  inPlace: boolean,
): TrieNode<L> {
  const slots = inPlace ? node.slots : node.slots.slice();
  if (slot === null) slots.splice(at, removed);
  else if (removed === 1) slots[at] = slot;
  else slots.splice(at, 0, slot);
  if (!inPlace) return new TrieNode(bitmap, slots);
  node.bitmap = bitmap;
  return node;
}

function countBits(bits: number): number {
  let n = bits - ((bits >>> 1) & 0x55555555);
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333);
  return Math.imul((n + (n >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

export function mixHash(hash: number, word: number): number {
  let h = Math.imul(hash ^ word, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}

export function hashText(text: string): number {
  let hash = text.length;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  return mixHash(hash, 0x9e3779b9);
}

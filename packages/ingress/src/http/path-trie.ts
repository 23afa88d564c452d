/** Found: the value, and whether it stands for the whole path (it decides alone) or for a prefix of it. */
export interface TrieEntry<V> {
  readonly path: string;
  readonly value: V;
  /** Taken by exactly this path; else by each path that begins with it. */
  readonly whole: boolean;
}

interface Node {
  readonly character: number;
  readonly children: Node[];
  whole: number;
  prefix: number;
}

const NONE = -1;
/** Fields of a node in the array: its character, where its first child and its next sibling stand, and what ends here. */
const STRIDE = 5;
const CHILD = 1;
const SIBLING = 2;
const WHOLE = 3;
const PREFIX = 4;

/**
 * Paths, looked up character by character in one small array: nothing is sliced or hashed, and few places of the memory are
 * touched, whatever the number of paths. Of two entries for the same path and kind the first one stands.
 */
export class PathTrie<V> {
  readonly #nodes: Int32Array;
  readonly #values: V[] = [];

  constructor(entries: Iterable<TrieEntry<V>>) {
    const root = newNode(0);
    let count = 1;
    for (const { path, value, whole } of entries) {
      let node = root;
      for (let i = 0; i < path.length; i++) {
        const c = path.charCodeAt(i);
        let next = node.children.find(({ character }) => character === c);
        if (next === undefined) {
          next = newNode(c);
          node.children.push(next);
          count++;
        }
        node = next;
      }
      if (whole ? node.whole !== NONE : node.prefix !== NONE) continue;
      this.#values.push(value);
      if (whole) node.whole = this.#values.length - 1;
      else node.prefix = this.#values.length - 1;
    }
    this.#nodes = new Int32Array(count * STRIDE);
    this.#lay(root);
  }

  /** Depth first, so that the characters of a path follow each other; by a stack of its own, for paths can be long. */
  #lay(root: Node): void {
    const nodes = this.#nodes;
    let free = 0;
    const open = [{ node: root, parent: NONE }];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { node, parent } = next;
      const at = free;
      free += STRIDE;
      nodes[at] = node.character;
      nodes[at + WHOLE] = node.whole;
      nodes[at + PREFIX] = node.prefix;
      if (parent !== NONE) {
        // The child that is laid last comes first among its siblings.
        nodes[at + SIBLING] = nodes[parent + CHILD]!;
        nodes[parent + CHILD] = at;
      }
      for (const child of node.children) open.push({ node: child, parent: at });
    }
  }

  /**
   * The entry of the whole path, else that of its longest prefix; undefined: none. The path ends before `end`. `wholeOnly`:
   * only where the path has an entry of its own.
   */
  find(text: string, end: number, wholeOnly = false): V | undefined {
    const nodes = this.#nodes;
    let at = 0;
    let best = nodes[PREFIX]!;
    for (let i = 0; i < end; i++) {
      const c = text.charCodeAt(i);
      at = nodes[at + CHILD]!;
      while (at !== 0 && nodes[at] !== c) at = nodes[at + SIBLING]!;
      if (at === 0) return wholeOnly || best === NONE ? undefined : this.#values[best];
      if (nodes[at + PREFIX] !== NONE) best = nodes[at + PREFIX]!;
    }
    const whole = nodes[at + WHOLE]!;
    if (whole !== NONE) return this.#values[whole];
    return wholeOnly || best === NONE ? undefined : this.#values[best];
  }
}

function newNode(character: number): Node {
  return { character, children: [], whole: NONE, prefix: NONE };
}

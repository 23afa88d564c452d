import type { PathEntry } from './path-tables.ts';

interface Node {
  readonly children: Map<number, Node>;
  whole: number;
  prefix: number;
}

/** What is found where nothing is. */
export const NONE = -1;

/** Fields of a node in the array: its first character, how many it has and where the others stand, its first child, its next sibling, what ends here. */
const LENGTH = 1;
const TEXT = 2;
const CHILD = 3;
const SIBLING = 4;
const WHOLE = 5;
const PREFIX = 6;

/**
 * Numbers by path, looked up in one small array: nothing is sliced or hashed, and few places of the memory are touched, whatever
 * the number of paths. The numbers are not negative; of two entries for the same path and kind the first one stands.
 */
export class PathTrie {
  readonly #nodes: Int32Array;
  /** The characters of all nodes. */
  readonly #text: Uint16Array;

  constructor(entries: Iterable<PathEntry<number>>) {
    const root = newNode();
    for (const { path, value, whole } of entries) {
      let node = root;
      for (let i = 0; i < path.length; i++) {
        const c = path.charCodeAt(i);
        let next = node.children.get(c);
        if (next === undefined) {
          next = newNode();
          node.children.set(c, next);
        }
        node = next;
      }
      if (whole) {
        if (node.whole === NONE) node.whole = value;
      } else if (node.prefix === NONE) node.prefix = value;
    }
    const { nodes, text } = lay(root);
    this.#nodes = Int32Array.from(nodes);
    this.#text = Uint16Array.from(text);
  }

  /** The number of the whole path, else that of its longest prefix; NONE. The path ends before `end`. */
  find(path: string, end: number): number {
    const nodes = this.#nodes;
    const text = this.#text;
    let at = 0;
    let best = nodes[PREFIX]!;
    for (let i = 0; i < end; ) {
      const c = path.charCodeAt(i);
      at = nodes[at + CHILD]!;
      while (at !== 0 && nodes[at] !== c) at = nodes[at + SIBLING]!;
      if (at === 0) return best;
      const stop = i + nodes[at + LENGTH]!;
      if (stop > end) return best;
      i++;
      for (let from = nodes[at + TEXT]!; i < stop; i++, from++) if (path.charCodeAt(i) !== text[from]) return best;
      const prefix = nodes[at + PREFIX]!;
      if (prefix !== NONE) best = prefix;
    }
    const whole = nodes[at + WHOLE]!;
    return whole === NONE ? best : whole;
  }
}

function newNode(): Node {
  return { children: new Map(), whole: NONE, prefix: NONE };
}

/**
 * Depth first, so that what belongs to a path stands together, and a node for each way to part, not for each character; by a
 * stack of its own, for paths can be long.
 */
function lay(root: Node): { nodes: number[]; text: number[] } {
  const nodes: number[] = [];
  const text: number[] = [];
  const open: { node: Node; character: number; parent: number }[] = [{ node: root, character: 0, parent: NONE }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { character, parent } = next;
    const at = nodes.length;
    const from = text.length;
    let { node } = next;
    while (parent !== NONE && node.children.size === 1 && node.whole === NONE && node.prefix === NONE) {
      for (const [c, child] of node.children) {
        text.push(c);
        node = child;
      }
    }
    nodes.push(character, text.length - from + 1, from, 0, 0, node.whole, node.prefix);
    if (parent !== NONE) {
      // The child that is laid last comes first among its siblings.
      nodes[at + SIBLING] = nodes[parent + CHILD]!;
      nodes[parent + CHILD] = at;
    }
    for (const [c, child] of node.children) open.push({ node: child, character: c, parent: at });
  }
  return { nodes, text };
}

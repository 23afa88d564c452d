import { NONE, PathTrie } from './path-trie.ts';

/** What is found for a path. */
export interface PathEntry<T> {
  readonly path: string;
  readonly value: T;
  /** For exactly this path; else for each path that begins with it. */
  readonly whole: boolean;
}

/**
 * The paths of very many hosts, a table each. Tables with the same paths share one trie, and a table holds each of its values once:
 * what is looked at often stays in the caches of the processor, whatever the number of hosts.
 */
export class PathTables<T> {
  /** What is found, table by table. */
  readonly values: T[] = [];
  readonly #tries: PathTrie[] = [];
  readonly #known = new Map<string, number>();
  /** Two for each table: its trie, and where its values begin. */
  #tables = new Int32Array(64);
  #count = 0;

  /** The number of the new table, from 0 on. Of two entries for the same path and kind the first one stands. */
  add(entries: readonly PathEntry<T>[]): number {
    const first = this.values.length;
    const places = new Map<T, number>();
    const numbered = entries.map(({ path, value, whole }) => {
      let place = places.get(value);
      if (place === undefined) {
        place = places.size;
        places.set(value, place);
        this.values.push(value);
      }
      return { path, whole, value: place };
    });
    const table = this.#count++;
    if (2 * table === this.#tables.length) {
      const grown = new Int32Array(4 * table);
      grown.set(this.#tables);
      this.#tables = grown;
    }
    this.#tables[2 * table] = this.#trieOf(numbered);
    this.#tables[2 * table + 1] = first;
    return table;
  }

  /** Where in `values` stands what a table has for the whole path, else for its longest prefix; NONE. The path ends before `end`. */
  find(table: number, path: string, end: number): number {
    const place = this.#tries[this.#tables[2 * table]!]!.find(path, end);
    return place === NONE ? NONE : this.#tables[2 * table + 1]! + place;
  }

  #trieOf(entries: readonly PathEntry<number>[]): number {
    let shape = '';
    for (const { path, value, whole } of entries) shape += `${whole ? '=' : '^'}${value} ${path.length} ${path}`;
    let trie = this.#known.get(shape);
    if (trie === undefined) {
      trie = this.#tries.push(new PathTrie(entries)) - 1;
      this.#known.set(shape, trie);
    }
    return trie;
  }
}

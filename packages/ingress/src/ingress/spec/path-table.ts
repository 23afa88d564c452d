import { PathTrie, type TrieEntry } from '../../http/path-trie.ts';
import type { RouteRow, RouteRule } from '../../model.ts';

/** The paths of one host. */
export class PathTable {
  readonly #exact = new Map<string, RouteRule>();
  /** Without a trailing slash; '' is the prefix of everything. */
  readonly #prefixes = new Map<string, RouteRule>();
  readonly #all: RouteRow[] = [];
  #compiled: PathTrie<RouteRule> | undefined;

  /** Of two rules of the same type and path the first that was added wins; it is returned where there is one. */
  add(rule: RouteRule): RouteRule | undefined {
    const isExact = rule.pathType === 'Exact';
    const map = isExact ? this.#exact : this.#prefixes;
    const key = isExact ? rule.path : withoutSlash(rule.path);
    const older = map.get(key);
    this.#all.push({ rule, notes: [], ...(older !== undefined && { shadowedBy: older }) });
    if (older !== undefined) return older;
    map.set(key, rule);
    this.#compiled = undefined;
    return undefined;
  }

  /** The rule with the longest path that matches what of a target stands before `end`; Exact before Prefix. */
  match(target: string, end: number): RouteRule | undefined {
    this.#compiled ??= new PathTrie(this.#entries());
    return this.#compiled.find(target, end);
  }

  /** A prefix takes the whole path, and each path that goes on with a slash. */
  *#entries(): Generator<TrieEntry<RouteRule>> {
    for (const [path, value] of this.#exact) yield { path, value, whole: true };
    for (const [path, value] of this.#prefixes) {
      yield { path, value, whole: true };
      yield { path: `${path}/`, value, whole: false };
      // The target * has no slash, and only the prefix of everything takes it.
      if (path === '') yield { path: '*', value, whole: true };
    }
  }

  /** All rules in order of precedence. */
  rows(): RouteRow[] {
    const length = ({ rule }: RouteRow): number =>
      rule.pathType === 'Exact' ? rule.path.length : withoutSlash(rule.path).length;
    return this.#all.toSorted((a, b) => length(b) - length(a) || exactFirst(a) - exactFirst(b));
  }
}

const exactFirst = ({ rule }: RouteRow): number => (rule.pathType === 'Exact' ? 0 : 1);

function withoutSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path;
}

import type { PathEntry } from '../../http/path-tables.ts';
import type { RouteRow, RouteRule } from '../../model.ts';

/** The paths of one host. */
export class PathTable {
  readonly #exact = new Map<string, RouteRule>();
  /** Without a trailing slash; '' is the prefix of everything. */
  readonly #prefixes = new Map<string, RouteRule>();
  readonly #all: RouteRow[] = [];

  /** Of two rules of the same type and path the first that was added wins; it is returned where there is one. */
  add(rule: RouteRule): RouteRule | undefined {
    const isExact = rule.pathType === 'Exact';
    const map = isExact ? this.#exact : this.#prefixes;
    const key = isExact ? rule.path : withoutSlash(rule.path);
    const older = map.get(key);
    this.#all.push(older === undefined ? { rule, notes: [] } : { rule, notes: [], shadowedBy: older });
    if (older === undefined) map.set(key, rule);
    return older;
  }

  /** What each path leads to, Exact before Prefix. A prefix takes the whole path, and each path that goes on with a slash. */
  entries<T>(toValue: (rule: RouteRule) => T): PathEntry<T>[] {
    const entries: PathEntry<T>[] = [];
    for (const [path, rule] of this.#exact) entries.push({ path, value: toValue(rule), whole: true });
    for (const [path, rule] of this.#prefixes) {
      const value = toValue(rule);
      entries.push({ path, value, whole: true }, { path: `${path}/`, value, whole: false });
      // The target * has no slash, and only the prefix of everything takes it.
      if (path === '') entries.push({ path: '*', value, whole: true });
    }
    return entries;
  }

  /** The rule that takes a path, by asking all in order. */
  winner(path: string): RouteRule | undefined {
    return this.rows().find(({ rule, shadowedBy }) => shadowedBy === undefined && takesPath(rule, path))?.rule;
  }

  /** All rules in order of precedence. */
  rows(): RouteRow[] {
    const length = ({ rule }: RouteRow): number =>
      rule.pathType === 'Exact' ? rule.path.length : withoutSlash(rule.path).length;
    return this.#all.toSorted((a, b) => length(b) - length(a) || exactFirst(a) - exactFirst(b));
  }
}

const exactFirst = ({ rule }: RouteRow): number => (rule.pathType === 'Exact' ? 0 : 1);

/** Whether a path is what the rule asks for, whatever other rules say. */
export function takesPath({ path: wanted, pathType }: RouteRule, path: string): boolean {
  if (pathType === 'Exact') return path === wanted;
  const prefix = withoutSlash(wanted);
  return path === prefix || path.startsWith(`${prefix}/`) || (prefix === '' && path === '*');
}

function withoutSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path;
}

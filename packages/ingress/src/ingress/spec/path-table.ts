import type { RouteRow, RouteRule } from '../../model.ts';

const SLASH = 0x2f;

/** The paths of one host. A look-up costs as many steps as the deepest prefix has elements, whatever their number. */
export class PathTable {
  readonly #exact = new Map<string, RouteRule>();
  /** Without a trailing slash; '' is the prefix of everything. */
  readonly #prefixes = new Map<string, RouteRule>();
  readonly #all: RouteRow[] = [];
  #depth = 0;

  /** Of two rules of the same type and path the first that was added wins; it is returned where there is one. */
  add(rule: RouteRule): RouteRule | undefined {
    const isExact = rule.pathType === 'Exact';
    const map = isExact ? this.#exact : this.#prefixes;
    const key = isExact ? rule.path : withoutSlash(rule.path);
    const older = map.get(key);
    this.#all.push({ rule, notes: [], ...(older !== undefined && { shadowedBy: older }) });
    if (older !== undefined) return older;
    map.set(key, rule);
    if (!isExact) this.#depth = Math.max(this.#depth, key.split('/').length - 1);
    return undefined;
  }

  /** The rule with the longest path that matches; Exact before Prefix. */
  match(path: string): RouteRule | undefined {
    const exact = this.#exact.get(path);
    if (exact !== undefined) return exact;
    let found = this.#prefixes.get('');
    if (path.charCodeAt(0) !== SLASH) return path === '' ? found : undefined;
    let end = 0;
    for (let depth = 0; depth < this.#depth && end < path.length; depth++) {
      end = path.indexOf('/', end + 1);
      if (end === -1) end = path.length;
      found = this.#prefixes.get(path.slice(0, end)) ?? found;
    }
    return found;
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

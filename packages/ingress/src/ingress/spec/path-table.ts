import type { RouteRule } from '../../model.ts';

const SLASH = 0x2f;

/** The paths of one host. A look-up costs as many steps as the deepest prefix has elements, whatever their number. */
export class PathTable {
  readonly #exact = new Map<string, RouteRule>();
  /** Without a trailing slash; '' is the prefix of everything. */
  readonly #prefixes = new Map<string, RouteRule>();
  readonly #all: RouteRule[] = [];
  #depth = 0;

  /** Of two rules of the same type and path the first that was added wins. */
  add(rule: RouteRule): void {
    this.#all.push(rule);
    if (rule.pathType === 'Exact') {
      if (!this.#exact.has(rule.path)) this.#exact.set(rule.path, rule);
      return;
    }
    const prefix = withoutSlash(rule.path);
    if (!this.#prefixes.has(prefix)) this.#prefixes.set(prefix, rule);
    this.#depth = Math.max(this.#depth, prefix.split('/').length - 1);
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
  rules(): RouteRule[] {
    return this.#all
      .map((rule, index) => ({
        rule,
        index,
        length: rule.pathType === 'Exact' ? rule.path.length : withoutSlash(rule.path).length,
      }))
      .sort((a, b) => b.length - a.length || exactFirst(a.rule) - exactFirst(b.rule) || a.index - b.index)
      .map(({ rule }) => rule);
  }
}

const exactFirst = ({ pathType }: RouteRule): number => (pathType === 'Exact' ? 0 : 1);

function withoutSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path;
}

import type { RouteRow, RouteRule } from '../model.ts';

/**
 * A path of a URL map: it is taken as it stands, or, where it ends in a slash and a star, with all that may follow the slash.
 * Elsewhere a star is not allowed.
 */
export interface PathRule {
  readonly pattern: string;
  readonly rule: RouteRule;
}

/** The paths of one host: the whole path goes before a star, a longer pattern before a shorter one. */
class PathMatcher {
  readonly rules: readonly PathRule[];
  /** Rules whose patterns a later rule of the host has too. */
  readonly shadowed: ReadonlyMap<RouteRule, RouteRule>;
  readonly #whole = new Map<string, RouteRule>();
  /** Up to the slash before the star. */
  readonly #before = new Map<string, RouteRule>();

  constructor(rules: readonly PathRule[]) {
    const last = new Map(rules.map(({ pattern, rule }) => [pattern, rule]));
    const lost = rules.filter(({ pattern, rule }) => last.get(pattern) !== rule);
    this.rules = rules.filter(({ pattern, rule }) => last.get(pattern) === rule);
    const kept = new Set(this.rules.map(({ rule }) => rule));
    this.shadowed = new Map(
      lost.flatMap(({ pattern, rule }) => (kept.has(rule) ? [] : [[rule, last.get(pattern)!] as const])),
    );
    for (const { pattern, rule } of this.rules) {
      if (pattern.endsWith('/*')) this.#before.set(pattern.slice(0, -1), rule);
      else this.#whole.set(pattern, rule);
    }
  }

  match(path: string): RouteRule | undefined {
    const whole = this.#whole.get(path);
    if (whole !== undefined) return whole;
    for (let slash = path.lastIndexOf('/'); slash >= 0; slash = slash === 0 ? -1 : path.lastIndexOf('/', slash - 1)) {
      const found = this.#before.get(path.slice(0, slash + 1));
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

/**
 * Hosts and paths of one load balancer as Google's URL maps compare them. A star at the beginning of a host stands for any number of
 * labels; the longest host that fits is chosen, and only its paths count.
 */
export class UrlMap {
  readonly #hosts = new Map<string, PathMatcher>();

  /** The paths of a host; those that it had before are gone (ingress-gce: `PutPathRulesForHost`). */
  put(host: string, rules: readonly PathRule[]): readonly RouteRule[] {
    const before = this.#hosts.get(host)?.rules ?? [];
    this.#hosts.set(host, new PathMatcher(rules));
    return [...new Set(before.map(({ rule }) => rule))];
  }

  /** The host whose paths a request is compared with; undefined: none, not even `*`. */
  hostFor(host: string): string | undefined {
    if (this.#hosts.has(host)) return host;
    for (let at = 0; at < host.length; at++) {
      const c = host[at]!;
      if (c !== '.' && c !== '-') continue;
      const wild = `*${host.slice(at)}`;
      if (at > 0 && this.#hosts.has(wild)) return wild;
    }
    return this.#hosts.has('*') ? '*' : undefined;
  }

  match(host: string, path: string): RouteRule | undefined {
    const key = this.hostFor(host);
    return key === undefined ? undefined : this.#hosts.get(key)!.match(path);
  }

  /** The rules for a host, or all of them, in order of precedence. */
  rows(host?: string): RouteRow[] {
    const only = host === undefined ? undefined : this.hostFor(host);
    const keys = [...this.#hosts.keys()].filter((key) => host === undefined || key === only);
    return keys.sort(byPrecision).flatMap((key) => rowsOf(this.#hosts.get(key)!));
  }
}

function rowsOf({ rules, shadowed }: PathMatcher): RouteRow[] {
  // A rule of type Prefix has two patterns, and is one row.
  const longest = new Map<RouteRule, number>();
  for (const { pattern, rule } of rules) {
    const length = pattern.endsWith('*') ? (pattern.length - 1) * 2 : pattern.length * 2 + 1;
    longest.set(rule, Math.max(longest.get(rule) ?? 0, length));
  }
  const rows = [...longest].sort(([, a], [, b]) => b - a).map(([rule]): RouteRow => ({ rule, notes: [] }));
  return [...rows, ...[...shadowed].map(([rule, shadowedBy]): RouteRow => ({ rule, shadowedBy, notes: [] }))];
}

/** Whole names by name, then stars, the longer first, then no host. */
function byPrecision(a: string, b: string): number {
  const [starA, starB] = [a.startsWith('*'), b.startsWith('*')];
  if (starA !== starB) return starA ? 1 : -1;
  if (starA && a.length !== b.length) return b.length - a.length;
  return a < b ? -1 : 1;
}

/** Host names of listeners and routes: exact, `*.suffix` for one label or more, or undefined for all. */

export function hostMatches(pattern: string | undefined, host: string): boolean {
  if (pattern === undefined) return true;
  if (!pattern.startsWith('*.')) return pattern === host;
  return host.length > pattern.length - 1 && host.endsWith(pattern.slice(1));
}

/** The names that both patterns stand for: the narrower pattern; null where there are none. */
export function hostIntersection(a: string | undefined, b: string | undefined): string | undefined | null {
  if (a === undefined) return b;
  if (b === undefined) return a;
  if (hostMatches(a, b)) return b;
  return hostMatches(b, a) ? a : null;
}

/** Negative where `a` is the more specific: exact names first, then longer wildcards, then no name. */
export function byHostSpecificity(a: string | undefined, b: string | undefined): number {
  return rank(b) - rank(a);
}

function rank(pattern: string | undefined): number {
  if (pattern === undefined) return 0;
  return pattern.startsWith('*.') ? pattern.length : 1000 + pattern.length;
}

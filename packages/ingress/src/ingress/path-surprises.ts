import type { RouteFinding, RouteRule } from '../model.ts';

type Surprise = Pick<RouteFinding, 'code' | 'message'>;

/** A path that looks like more than it is: nothing makes it a pattern, and a query is no part of a path. */
export function literalPath({ path }: RouteRule, remedy: string): Surprise | undefined {
  if (path.includes('?') && !/[()[\]*|\\]/.test(path)) {
    return {
      code: 'ingress-path-literal',
      message: `path ${path} is compared with the path of a request, and that ends before the question mark: no request with a query takes it`,
    };
  }
  const sign = /[()[\]{}*|^\\]|\$$/.exec(path)?.[0];
  if (sign === undefined) return undefined;
  return {
    code: 'ingress-path-literal',
    message: `path ${path} is compared letter for letter, "${sign}" too: ${remedy}`,
  };
}

/** A path that nginx never sees: slashes are merged and dots resolved before it looks for a location. */
export function unreachablePath({ path }: RouteRule): Surprise | undefined {
  const part = /\/\/|\/\.{1,2}(?=\/|$)/.exec(path)?.[0];
  if (part === undefined) return undefined;
  const why = part === '//' ? 'merges slashes' : `resolves "${part.slice(1)}"`;
  return { code: 'ingress-path-never', message: `no request has path ${path}: nginx ${why} before it compares` };
}

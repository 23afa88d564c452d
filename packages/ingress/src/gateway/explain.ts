import type { Considered } from '../model.ts';
import { hostMatches } from './hostname.ts';
import type { Incoming } from './incoming.ts';
import { type Entry, holds, meetsPath, meetsRest } from './matcher.ts';

/** Why an entry does not take the request; undefined where it does. */
function refusal(entry: Entry, request: Incoming): string | undefined {
  const { hostname, path, method, headers, params, broken } = entry;
  if (!hostMatches(hostname, request.host))
    return `host ${request.host === '' ? '(none)' : request.host} is not ${hostname}`;
  if (broken !== undefined) return broken.message;
  if (!meetsPath(path, request.path)) {
    switch (path.kind) {
      case 'exact':
        return `path ${request.path} is not ${path.value}`;
      case 'prefix':
        return `path ${request.path} does not begin with ${path.written}`;
      case 'regex':
        return `path ${request.path} does not match ${path.source}`;
      case 'suffix':
        return `path ${request.path} does not end with ${path.value}`;
    }
  }
  if (method !== undefined && method !== request.request.method)
    return `method ${request.request.method} is not ${method}`;
  for (const condition of headers) {
    const found = request.header(condition.name);
    if (!holds(condition, found)) return `header ${condition.name} is ${found ?? 'not there'}, not ${condition.value}`;
  }
  for (const condition of params) {
    const found = request.param(condition.name);
    if (!holds(condition, found))
      return `query parameter ${condition.name} is ${found ?? 'not there'}, not ${condition.value}`;
  }
  return undefined;
}

/** The entries of all rules in order of precedence, one by one: the reference that the tables are compared with. */
export function walk(
  entries: readonly Entry[],
  request: Incoming,
): { winner: Entry | undefined; considered: Considered[] } {
  let winner: Entry | undefined;
  const considered: Considered[] = [];
  for (const entry of entries) {
    const { rule } = entry;
    const why = refusal(entry, request);
    if (why !== undefined) considered.push({ rule, won: false, why });
    else if (winner !== undefined)
      considered.push({ rule, won: false, why: 'matches too, but goes after the rule that won' });
    else if (meetsRest(entry, request)) {
      winner = entry;
      considered.push({ rule, won: true, why: reasonOf(entry) });
    }
  }
  return { winner, considered };
}

function reasonOf({ path, method, headers, params }: Entry): string {
  const what = { exact: 'the exact path', prefix: 'the longest prefix', regex: 'the expression', suffix: 'the method' }[
    path.kind
  ];
  const more = [
    ...(method === undefined ? [] : ['the method']),
    ...(headers.length === 0 ? [] : [`${headers.length} header${headers.length === 1 ? '' : 's'}`]),
    ...(params.length === 0 ? [] : [`${params.length} query parameter${params.length === 1 ? '' : 's'}`]),
  ];
  return [what, ...more].join(', ');
}

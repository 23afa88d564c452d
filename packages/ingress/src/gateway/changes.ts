import type { HeaderFilter, HTTPRouteFilter, PathModifier } from '@netsim/manifest';
import type { HeaderChange, HeaderField } from '../model.ts';

const NO_CHANGES: readonly HeaderChange[] = [];

/** What header modifiers of a list of filters do, in their order. */
export function headerChanges(
  filters: readonly HTTPRouteFilter[],
  which: 'requestHeaderModifier' | 'responseHeaderModifier',
): readonly HeaderChange[] {
  if (filters.length === 0) return NO_CHANGES;
  return filters.flatMap((filter) => (filter[which] === undefined ? [] : changesOf(filter[which])));
}

function changesOf({ set = [], add = [], remove = [] }: HeaderFilter): HeaderChange[] {
  return [
    ...set.map(({ name, value }) => ({ kind: 'set' as const, name, value })),
    ...add.map(({ name, value }) => ({ kind: 'add' as const, name, value })),
    ...remove.map((name) => ({ kind: 'remove' as const, name })),
  ];
}

/** Header fields after the changes. Names are the same in any case; `add` makes another field of the name. */
export function changeHeaders(
  headers: readonly HeaderField[],
  changes: readonly HeaderChange[],
): readonly HeaderField[] {
  if (changes.length === 0) return headers;
  let fields = [...headers];
  for (const change of changes) {
    const name = change.name.toLowerCase();
    if (change.kind === 'add') {
      fields.push([change.name, change.value]);
      continue;
    }
    const at = fields.findIndex(([field]) => field.toLowerCase() === name);
    fields = fields.filter(([field], i) => field.toLowerCase() !== name || (change.kind === 'set' && i === at));
    if (change.kind === 'remove') continue;
    if (at === -1) fields.push([change.name, change.value]);
    else fields[at] = [change.name, change.value];
  }
  return fields;
}

/** A path with its matched prefix, or the whole of it, replaced. `prefix` is the rule's path without its last slash. */
export function modifyPath(path: string, modifier: PathModifier, prefix: string): string {
  if (modifier.type === 'ReplaceFullPath') return modifier.replaceFullPath ?? path;
  const replacement = modifier.replacePrefixMatch ?? '';
  const rest = path.slice(prefix.length);
  if (rest === '') return replacement === '' ? '/' : replacement;
  return (replacement.endsWith('/') ? replacement.slice(0, -1) : replacement) + rest;
}

export interface Redirect {
  readonly scheme: string | undefined;
  readonly hostname: string | undefined;
  readonly port: number | undefined;
  readonly path: PathModifier | undefined;
  readonly status: number;
}

export function redirectOf(filter: HTTPRouteFilter): Redirect | undefined {
  const redirect = filter.requestRedirect;
  if (redirect === undefined) return undefined;
  const { scheme, hostname, port, path, statusCode = 302 } = redirect;
  return { scheme, hostname, port, path, status: statusCode };
}

const WELL_KNOWN: Readonly<Record<string, number>> = { http: 80, https: 443 };

/** The value of `Location`: the port is left out where the scheme implies it. */
export function locationOf(
  { scheme, hostname, port, path: modifier }: Redirect,
  request: {
    readonly scheme: string;
    readonly host: string;
    readonly port: number;
    readonly path: string;
    readonly query: string;
  },
  prefix: string,
): string {
  const target = scheme ?? request.scheme;
  // With a scheme of its own the redirect goes to that scheme's port, else it stays on the listener's.
  const to = port ?? (scheme === undefined ? request.port : (WELL_KNOWN[scheme] ?? request.port));
  const path = modifier === undefined ? request.path : modifyPath(request.path, modifier, prefix);
  const suffix = WELL_KNOWN[target] === to ? '' : `:${to}`;
  return `${target}://${hostname ?? request.host}${suffix}${path}${request.query}`;
}

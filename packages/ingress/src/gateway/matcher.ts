import type { GRPCRouteMatch, HTTPHeaderMatch, HTTPRouteMatch } from '@netsim/manifest';
import type { RouteRule } from '../model.ts';
import type { Action, PlainForward } from './action.ts';
import type { Problem } from './conditions.ts';
import type { Incoming } from './incoming.ts';
import { compilePattern, type Pattern } from './pattern.ts';

/** What a path must be. `suffix` is a gRPC method of any service. */
export type PathCondition =
  | { readonly kind: 'exact'; readonly value: string }
  | { readonly kind: 'prefix' /** Without its last slash. */; readonly value: string; readonly written: string }
  | { readonly kind: 'regex'; readonly source: string; readonly pattern: Pattern | undefined }
  | { readonly kind: 'suffix'; readonly value: string };

export interface ValueCondition {
  /** Header names in lower case, parameters as written. */
  readonly name: string;
  readonly value: string;
  readonly pattern: Pattern | undefined;
  readonly regex: boolean;
}

export interface Conditions {
  readonly path: PathCondition;
  readonly method: string | undefined;
  readonly headers: readonly ValueCondition[];
  readonly params: readonly ValueCondition[];
  /** A regular expression that does not compile: nothing matches. */
  readonly broken: Problem | undefined;
  /** Host and path are all that counts. */
  readonly unconditional: boolean;
}

/** One match of a rule, under one host name. */
export interface Entry extends Conditions {
  readonly rule: RouteRule;
  readonly hostname: string | undefined;
  readonly action: Action;
  /** As the action's. */
  readonly plain: PlainForward | undefined;
  /** Place among all: oldest route first, then by rule and match. */
  readonly order: number;
}

export function httpConditions({ path = {}, method, headers = [], queryParams = [] }: HTTPRouteMatch): Conditions {
  const { type = 'PathPrefix', value = '/' } = path;
  return complete(pathCondition(type, value), method, headers, queryParams);
}

function pathCondition(type: string, value: string): PathCondition {
  switch (type) {
    case 'Exact':
      return { kind: 'exact', value };
    case 'RegularExpression':
      return { kind: 'regex', source: value, pattern: compilePattern(value) };
    default:
      return { kind: 'prefix', value: value.endsWith('/') ? value.slice(0, -1) : value, written: value };
  }
}

export function grpcConditions({ method: wanted = {}, headers = [] }: GRPCRouteMatch): Conditions {
  const { type = 'Exact', service, method } = wanted;
  return complete(grpcPath(type, service, method), undefined, headers, []);
}

/** `/service/method` is the path of a gRPC request. */
function grpcPath(type: string, service: string | undefined, method: string | undefined): PathCondition {
  if (service === undefined && method === undefined) return { kind: 'prefix', value: '', written: '/' };
  if (type === 'RegularExpression') {
    const source = `/(?:${service ?? '[^/]+'})/(?:${method ?? '[^/]+'})`;
    return { kind: 'regex', source, pattern: compilePattern(source) };
  }
  if (service === undefined) return { kind: 'suffix', value: `/${method}` };
  if (method === undefined) return { kind: 'prefix', value: `/${service}`, written: `/${service}/` };
  return { kind: 'exact', value: `/${service}/${method}` };
}

function complete(
  path: PathCondition,
  method: string | undefined,
  headers: readonly HTTPHeaderMatch[],
  params: readonly HTTPHeaderMatch[],
): Conditions {
  const sources = [...headers, ...params].filter(({ type }) => type === 'RegularExpression').map(({ value }) => value);
  if (path.kind === 'regex') sources.push(path.source);
  const wrong = sources.find((source) => compilePattern(source) === undefined);
  const message = `regular expression "${wrong}" does not compile`;
  return {
    path,
    method,
    headers: valueConditions(headers, (name) => name.toLowerCase()),
    params: valueConditions(params, (name) => name),
    broken: wrong === undefined ? undefined : { reason: 'UnsupportedValue', message },
    unconditional: wrong === undefined && method === undefined && headers.length + params.length === 0,
  };
}

const NO_CONDITIONS: readonly ValueCondition[] = [];

/** Of several conditions on one name only the first counts. */
function valueConditions(
  matches: readonly HTTPHeaderMatch[],
  fold: (name: string) => string,
): readonly ValueCondition[] {
  if (matches.length === 0) return NO_CONDITIONS;
  const conditions = new Map<string, ValueCondition>();
  for (const { name, value, type = 'Exact' } of matches) {
    const key = fold(name);
    const regex = type === 'RegularExpression';
    if (!conditions.has(key)) {
      conditions.set(key, { name: key, value, regex, pattern: regex ? compilePattern(value) : undefined });
    }
  }
  return [...conditions.values()];
}

/** Whether a request meets all conditions but those on host and path. */
export function meetsRest({ method, headers, params, broken }: Conditions, request: Incoming): boolean {
  if (broken !== undefined) return false;
  if (method !== undefined && method !== request.request.method) return false;
  for (const condition of headers) if (!holds(condition, request.header(condition.name))) return false;
  for (const condition of params) if (!holds(condition, request.param(condition.name))) return false;
  return true;
}

export function holds({ value, regex, pattern }: ValueCondition, found: string | undefined): boolean {
  if (found === undefined) return false;
  return regex ? pattern?.test(found) === true : found === value;
}

export function meetsPath(path: PathCondition, text: string): boolean {
  switch (path.kind) {
    case 'exact':
      return text === path.value;
    case 'prefix':
      return (
        text.startsWith(path.value) &&
        (text.length === path.value.length || text.charCodeAt(path.value.length) === 0x2f)
      );
    case 'regex':
      return path.pattern?.test(text) === true;
    case 'suffix':
      return (
        text.endsWith(path.value) &&
        text.lastIndexOf('/') === text.length - path.value.length &&
        text.lastIndexOf('/') > 0
      );
  }
}

/** The part of the path that ReplacePrefixMatch replaces. */
export function prefixOf({ path }: Conditions): string {
  return path.kind === 'prefix' ? path.value : '';
}

/** Exact paths, then expressions, prefixes, methods of any service, and last what takes everything. */
function pathRank(path: PathCondition): number {
  switch (path.kind) {
    case 'exact':
      return 4;
    case 'regex':
      return 3;
    case 'prefix':
      return path.value === '' ? 0 : 2;
    case 'suffix':
      return 1;
  }
}

function pathLength(path: PathCondition): number {
  return path.kind === 'prefix' ? path.written.length : path.kind === 'suffix' ? path.value.length : 0;
}

/** Negative where `a` goes before `b`, for entries under the same host name. */
export function byPrecedence(a: Entry, b: Entry): number {
  return (
    pathRank(b.path) - pathRank(a.path) ||
    pathLength(b.path) - pathLength(a.path) ||
    Number(b.method !== undefined) - Number(a.method !== undefined) ||
    b.headers.length - a.headers.length ||
    b.params.length - a.params.length ||
    a.order - b.order
  );
}

import type { Considered, RouteRow, RouteRule } from '../../model.ts';
import type { NginxRequest } from '../../nginx/request.ts';
import { Regex, RegexError } from '../../regex/index.ts';
import type { CompiledPlace, CompiledServer } from './compile.ts';
import type { Canary } from './settings.ts';

/** Rules of other hosts that an explanation lists at most. */
const MAX_OTHERS = 100;

/** The rules of a server in the order in which nginx gives them a chance, those that have none marked. */
export function serverRows(server: CompiledServer): RouteRow[] {
  const rows: RouteRow[] = [];
  const seen = new Set<RouteRule>();
  const add = (rule: RouteRule, notes: readonly string[], shadowedBy?: RouteRule): void => {
    if (seen.has(rule)) return;
    seen.add(rule);
    rows.push({ rule, notes, ...(shadowedBy !== undefined && { shadowedBy }) });
  };
  const places = server.regex ? server.locations : exactFirst(server.locations);
  places.forEach((place, i) => {
    const { rule, upstream } = place;
    if (rule === undefined) return;
    const cover = server.regex ? places.slice(0, i).find((earlier) => coversAll(earlier, place)) : undefined;
    add(rule, notesOf(server, place), cover?.rule === rule ? undefined : cover?.rule);
    for (const { rule: loser, to } of server.losers) if (to === rule) add(loser, [], rule);
    for (const { canary, rules } of upstream.alternatives.slice(0, 1)) {
      for (const one of rules) if (one.host === rule.host && one.path === rule.path) add(one, canaryNotes(canary));
    }
  });
  for (const { rule, to } of server.losers) add(rule, [], to);
  for (const { rule, why } of server.ignored) add(rule, [why]);
  return rows;
}

/** Exact paths decide before any prefix; of the prefixes the longest. */
function exactFirst(places: readonly CompiledPlace[]): CompiledPlace[] {
  const rank = ({ modifier, rule }: CompiledPlace): number => (modifier === '=' && rule?.pathType === 'Exact' ? 0 : 1);
  const length = ({ rule, ingressPath }: CompiledPlace): number =>
    (rule === undefined ? ingressPath : rule.path).length;
  return places.toSorted((a, b) => length(b) - length(a) || rank(a) - rank(b));
}

function notesOf(server: CompiledServer, { rule, settings, rewrite, redirect }: CompiledPlace): string[] {
  const notes: string[] = [];
  if (rule?.pathType === 'default') {
    notes.push(
      server.isDefault ? 'for hosts that no rule names' : `for paths of "${server.hostname}" that no rule takes`,
    );
  } else if (server.regex) {
    // A prefix stands in two expressions; the one without the slash takes more.
    const path = server.locations.findLast((place) => place.rule === rule)?.path;
    notes.push(`regular expression ${path}, in any case`);
  }
  const aliases = server.names.slice(1);
  if (aliases.length > 0) notes.push(`also for host ${aliases.join(', ')}`);
  if (redirect !== undefined) notes.push(`redirects (${redirect.code}) to ${settings!.redirect!.url}`);
  else if (rewrite !== undefined) notes.push(`rewritten to ${rewrite.target}`);
  if (settings?.forceSslRedirect || (settings?.sslRedirect && server.certificate !== undefined && !server.isDefault)) {
    notes.push('http is redirected to https (308)');
  }
  if (settings?.denied !== undefined) notes.push(`answers 503: ${settings.denied}`);
  return notes;
}

function canaryNotes(canary: Canary | undefined): string[] {
  if (canary === undefined) return [];
  const { header, headerValue, headerPattern, cookie, weight, weightTotal } = canary;
  const by = [
    header === '' ? '' : `header ${header}: ${headerValue || headerPattern || 'always'}`,
    cookie === '' ? '' : `cookie ${cookie}=always`,
    `${weight} of ${weightTotal} requests`,
  ];
  return [`canary: ${by.filter((text) => text !== '').join(', ')}`];
}

/** Whether every path that the later expression takes is taken by the earlier one; false where it cannot be told. */
function coversAll(earlier: CompiledPlace, later: CompiledPlace): boolean {
  const prefix = plainPrefix(earlier.path);
  if (prefix === undefined) return earlier.path === later.path;
  const literal = /^\^[\w/~@%=:;, -]*/.exec(later.path)![0];
  const safe = /^[*+?{]/.test(later.path.slice(literal.length)) ? literal.slice(0, -1) : literal;
  return !later.path.includes('|') && safe.slice(1).toLowerCase().startsWith(prefix);
}

/** The text that a path must begin with, where that is all that the expression asks. */
function plainPrefix(path: string): string | undefined {
  const plain = path.replace(/(?:\(\.\*\)|\.\*)$/, '').slice(1);
  return /^[\w/~@%=:;, -]*$/.test(plain) ? plain.toLowerCase() : undefined;
}

/** Why the rules of the server that was found won or lost, then those of other servers. */
export function considered(
  servers: readonly CompiledServer[],
  server: CompiledServer,
  read: NginxRequest,
  winner: RouteRule | undefined,
): Considered[] {
  const list: Considered[] = serverRows(server).map(({ rule, shadowedBy }) => {
    const won = rule === winner;
    if (won) return { rule, won, why: winnerReason(server, rule, read) };
    if (shadowedBy !== undefined)
      return { rule, won, why: `the same path stands in an older or longer rule, of ${nameOf(shadowedBy)}` };
    return { rule, won, why: loserReason(server, rule, read, winner) };
  });
  const others = servers
    .filter((other) => other !== server)
    .flatMap((other) => serverRows(other).map(({ rule }) => rule));
  for (const rule of others.slice(0, MAX_OTHERS)) list.push({ rule, won: false, why: otherHost(rule, server, read) });
  return list;
}

const nameOf = ({ kind, namespace, name }: RouteRule): string => `${kind} ${namespace}/${name}`;

function winnerReason(server: CompiledServer, rule: RouteRule, { uri }: NginxRequest): string {
  if (rule.pathType === 'default') return `no path of host "${server.hostname}" takes ${uri}: the default backend does`;
  const found = server.index.find(uri);
  if (found?.kind === 'slash') return `${uri} lacks the slash at the end of ${found.to}: it is redirected there`;
  const place = found?.location;
  switch (place?.modifier) {
    case '=':
      return `path ${rule.path} is the whole path`;
    case '~*':
      return `${place.path} is the first regular expression that matches ${uri}`;
    default:
      return `path ${rule.path} is the longest prefix of ${uri}`;
  }
}

function loserReason(
  server: CompiledServer,
  rule: RouteRule,
  { uri }: NginxRequest,
  winner: RouteRule | undefined,
): string {
  const places = server.locations.filter((place) => place.rule === rule);
  const ignored = server.ignored.find((one) => one.rule === rule);
  if (ignored !== undefined) return ignored.why;
  if (places.length === 0) return 'a canary, and this request is not for it';
  if (rule.pathType === 'default') return 'only for what no rule takes';
  if (server.regex) {
    const matches = places.some(({ path }) => matchesPath(path, uri));
    return matches
      ? `${places[0]!.path} matches too, but comes after a longer one`
      : `${places[0]!.path} does not match ${uri}`;
  }
  if (rule.pathType === 'Exact') return `path ${rule.path} is not ${uri}`;
  const prefix = rule.path.endsWith('/') ? rule.path : `${rule.path}/`;
  if (uri !== rule.path && !uri.startsWith(prefix)) return `path ${rule.path} is not a prefix of ${uri}`;
  return `path ${rule.path} matches too, but ${winner?.path ?? 'another'} is ${winner?.pathType === 'Exact' ? 'exact' : 'longer'}`;
}

function matchesPath(path: string, uri: string): boolean {
  try {
    return new Regex(path, { caseless: true }).test(uri);
  } catch (error) {
    if (error instanceof RegexError) return false;
    throw error;
  }
}

function otherHost(rule: RouteRule, server: CompiledServer, { server: host }: NginxRequest): string {
  if (server.isDefault) return `host "${rule.host}" is not "${host}"`;
  if (rule.host === '*') return `host "${server.hostname}" has rules of its own: those without a host are not asked`;
  if (rule.host.startsWith('*.') && host.endsWith(rule.host.slice(1))) {
    return `host "${server.hostname}" is more precise than "${rule.host}", which is not asked any more`;
  }
  return `host "${rule.host}" is not "${host}"`;
}

import type { ResolvConf } from '@netsim/dns';

/** What is known of a query when it is explained. */
export interface AskedQuery {
  readonly server: string;
  /** As on the wire, with the final dot. */
  readonly name: string;
  readonly type: string;
  readonly transport: string;
  readonly rcode: string;
  readonly answers: readonly string[];
}

/**
 * Why each query was sent: by ndots and the search list, because of what came to the one before, or undefined where it goes
 * along with the one before (A and AAAA of one name).
 */
export function queryReasons(
  name: string,
  conf: Pick<ResolvConf, 'ndots' | 'search'>,
  queries: readonly AskedQuery[],
): (string | undefined)[] {
  const reasons = queries.map((query, at) => reasonOf(name, conf, queries, query, at));
  // A and AAAA are asked again as a pair: one reason for both.
  return reasons.map((reason, at) => {
    const twin = at > 0 && reason === reasons[at - 1] && queries[at]!.type !== queries[at - 1]!.type;
    return twin ? undefined : reason;
  });
}

function reasonOf(
  name: string,
  conf: Pick<ResolvConf, 'ndots' | 'search'>,
  queries: readonly AskedQuery[],
  query: AskedQuery,
  at: number,
): string | undefined {
  if (at === 0) return firstReason(name, conf, query);
  const before = queries.slice(0, at).filter((each) => sameName(each.name, query.name));
  if (before.length === 0) return `${outcome(queries, at)}: ${place(name, conf, query)}`;
  const same = before.findLast(({ type }) => type === query.type);
  if (same === undefined) return undefined;
  if (same.transport === 'udp' && query.transport === 'tcp') return 'the reply did not fit into UDP: again over TCP';
  const why = failed(same) ? failure(same) : 'the other type failed';
  return same.server === query.server ? `${why}: once more` : `${why}: the next name server`;
}

function firstReason(name: string, conf: Pick<ResolvConf, 'ndots' | 'search'>, query: AskedQuery): string {
  if (name.endsWith('.')) return 'the name ends with a dot: it is asked as it is, and no other';
  const dots = name.split('.').length - 1;
  const has = `${name} has ${dots} ${dots === 1 ? 'dot' : 'dots'}, ndots is ${conf.ndots}`;
  const how = place(name, conf, query);
  return conf.search.length === 0 && dots < conf.ndots ? `there is no search list: ${how}` : `${has}: ${how}`;
}

function place(name: string, { search }: Pick<ResolvConf, 'search'>, query: AskedQuery): string {
  if (sameName(query.name, name)) return 'the name as it is';
  const entry = search.findIndex((domain) => sameName(query.name, `${name.replace(/\.$/, '')}.${domain}`));
  return entry < 0 ? 'this name' : `entry ${entry + 1} of the search list, ${search[entry]}`;
}

/** What came of the name before this one. */
function outcome(queries: readonly AskedQuery[], at: number): string {
  const last = queries[at - 1]!;
  const group = queries.slice(0, at).filter((each) => sameName(each.name, last.name));
  const broken = group.filter((each) => failed(each)).at(-1);
  const resolvedLater = broken !== undefined && group.some((each) => each.type === broken.type && !failed(each));
  if (broken !== undefined && !resolvedLater) return failure(broken);
  if (group.some(({ rcode }) => rcode === 'NXDOMAIN')) return 'there is no such name';
  return 'the name has no address';
}

function failed({ rcode }: AskedQuery): boolean {
  return rcode !== 'NOERROR' && rcode !== 'NXDOMAIN';
}

function failure({ rcode, server }: AskedQuery): string {
  if (rcode === 'TIMEOUT') return `${server} does not answer`;
  return rcode.startsWith('E') ? `${server} cannot be reached (${rcode})` : `${server} answers ${rcode}`;
}

function sameName(a: string, b: string): boolean {
  return a.toLowerCase().replace(/\.$/, '') === b.toLowerCase().replace(/\.$/, '');
}

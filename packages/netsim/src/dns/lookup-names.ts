import { bindCandidates, queryMessage, recordText } from '@netsim/dns';
import { type Finding, nearest } from '@netsim/manifest';
import type { ForwardedQuery } from '@netsim/trace';
import type { Cluster } from '../cluster.ts';
import { UsageError } from '../errors.ts';
import { watchedLookup } from '../trace/trace-cluster.ts';
import { ask as askServers } from './ask.ts';
import { checkName } from './check-name.ts';
import { driveLookup } from './drive.ts';
import { type Asker, askerOf } from './look-up.ts';
import { lookupTraps } from './name-traps.ts';
import type { QueryPath } from './query-paths.ts';
import { queryReasons } from './query-reasons.ts';

export interface LookupOptions {
  /** As {@link TraceOptions.from}: a pod, a node, or a machine outside. Each asks the servers of its own resolv.conf. */
  readonly from: string;
  readonly name: string;
  /** Record type; without it, addresses are looked up as `getaddrinfo` does. */
  readonly type?: string;
  readonly namespace?: string;
  /** Tells also what the name servers ask others for an answer. */
  readonly forwards?: boolean;
}

/** One query of a lookup. `rcode` is an error or `TIMEOUT` where no reply came. `at`: milliseconds since the lookup began. */
export interface LookupQuery {
  readonly server: string;
  readonly name: string;
  readonly type: string;
  readonly transport: string;
  readonly at: number;
  readonly rcode: string;
  readonly answers: readonly string[];
  /** Why it was asked; absent where it goes along with the one before. */
  readonly reason?: string;
  /** What the server asked others for it, where that was wanted. */
  readonly forwards?: readonly ForwardedQuery[];
}

/** Every query of a lookup, and what came of it. */
export interface Lookup {
  readonly name: string;
  readonly queries: readonly LookupQuery[];
  /** Addresses in the order that a program would try them; with a type, the data of the records. */
  readonly answers: readonly string[];
  /** The file that answered, where no server was asked; `numeric` for an address. */
  readonly from?: 'numeric' | 'hosts' | 'dns';
  /** The error of getaddrinfo. */
  readonly error?: string;
  readonly elapsedMs: number;
  /** Traps that the look-up fell into. */
  readonly findings: readonly Finding[];
}

type Found = Omit<Lookup, 'findings'>;

const types = ['A', 'AAAA', 'CNAME', 'MX', 'NS', 'PTR', 'SOA', 'SRV', 'TXT', 'ANY'];

/** Looks a name up, and tells each query. */
export function lookupNames(cluster: Cluster, options: LookupOptions): Lookup {
  const { from, name, type, namespace, forwards = false } = options;
  const source = cluster.names(namespace).source(from);
  checkName(name);
  const asker = askerOf(cluster, source);
  const wanted = type === undefined ? undefined : typeNamed(type);
  const ask = (): Found => (wanted === undefined ? addresses(asker, name) : records(asker, name, wanted));
  const { found, paths } = forwards
    ? watchedLookup(cluster, source, namespace, ask)
    : { found: ask(), paths: [] as readonly (QueryPath | undefined)[] };
  const reasons = queryReasons(name, asker.resolver.conf, found.queries);
  const queries = found.queries.map((query, at) => ({
    ...query,
    ...(reasons[at] !== undefined && { reason: reasons[at] }),
    ...(paths[at] !== undefined && paths[at].forwards.length > 0 && { forwards: paths[at].forwards }),
  }));
  return { ...found, queries, findings: lookupTraps(cluster, source, found, asker.resolver) };
}

function typeNamed(type: string): string {
  const wanted = type.toUpperCase();
  if (types.includes(wanted)) return wanted;
  const near = nearest(wanted, types);
  throw new UsageError(
    `unknown type ${JSON.stringify(type)}`,
    near === undefined ? `known: ${types.join(', ')}` : `did you mean ${near}?`,
  );
}

function addresses({ netns, resolver }: Asker, name: string): Found {
  const { addresses: answers, error, elapsedMs, from, queries } = driveLookup(netns, resolver.lookup(name));
  return {
    name,
    queries: queries.map((query) => ({
      server: query.server,
      name: query.name,
      type: query.type,
      transport: query.transport,
      at: query.at,
      rcode: query.rcode ?? query.error ?? 'TIMEOUT',
      answers: query.answers,
    })),
    answers,
    ...(from !== undefined && { from }),
    ...(error !== undefined && { error }),
    elapsedMs,
  };
}

/** Records of a type, looked up as the tools of bind do: the search list until a name is there. */
function records({ netns, resolver: { conf } }: Asker, name: string, type: string): Found {
  const { clock } = netns.world;
  const start = clock.now;
  const queries: LookupQuery[] = [];
  let answers: readonly string[] = [];
  for (const candidate of bindCandidates(name, conf)) {
    const at = clock.now - start;
    const message = queryMessage(candidate, type, { id: netns.random.below(65_536) });
    const { reply } = driveLookup(netns, askServers(conf.nameservers, message, { clock, timeout: 5_000, tries: 2 }));
    answers = reply?.message.answers.map((record) => recordText(record)) ?? [];
    queries.push({
      server: reply?.server ?? conf.nameservers[0] ?? '',
      name: message.questions[0]!.name,
      type,
      transport: reply?.transport ?? 'udp',
      at,
      rcode: reply?.message.rcode ?? 'TIMEOUT',
      answers,
    });
    if (reply?.message.rcode !== 'NXDOMAIN') break;
  }
  return { name, queries, answers, elapsedMs: clock.now - start };
}

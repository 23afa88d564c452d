import { bindCandidates, type LookupResult, queryMessage, recordText } from '@netsim/dns';
import type { Cluster } from '../cluster.ts';
import { UsageError } from '../errors.ts';
import { ask } from './ask.ts';
import { driveLookup } from './drive.ts';
import { lookUp, podResolver } from './look-up.ts';

export interface LookupOptions {
  /** A pod, as {@link TraceOptions.from}: machines do not know the cluster's names. */
  readonly from: string;
  readonly name: string;
  /** Record type; without it, addresses are looked up as `getaddrinfo` does. */
  readonly type?: string;
  readonly namespace?: string;
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
}

/** Every query of a lookup, and what came of it. */
export interface Lookup {
  readonly name: string;
  readonly queries: readonly LookupQuery[];
  /** Addresses in the order that a program would try them; with a type, the data of the records. */
  readonly answers: readonly string[];
  /** The error of getaddrinfo. */
  readonly error?: string;
  readonly elapsedMs: number;
}

const types = ['A', 'AAAA', 'CNAME', 'MX', 'NS', 'PTR', 'SOA', 'SRV', 'TXT', 'ANY'];

/** Looks a name up from a pod, and tells each query. */
export function lookupNames(cluster: Cluster, { from, name, type, namespace }: LookupOptions): Lookup {
  const source = cluster.names(namespace).source(from);
  if (source.kind !== 'Pod') {
    throw new UsageError(`${from} is no pod`, 'names of the cluster are looked up in pods');
  }
  if (name === '') throw new UsageError('the name is empty');
  if (type === undefined) return told(lookUp(cluster, source.pod, name));
  const wanted = type.toUpperCase();
  if (!types.includes(wanted))
    throw new UsageError(`unknown type ${JSON.stringify(type)}`, `known: ${types.join(', ')}`);
  const netns = cluster.netnsOfPod(source.pod);
  const { clock } = netns.world;
  const { conf } = podResolver(cluster, source.pod, netns);
  const start = clock.now;
  const queries: LookupQuery[] = [];
  let answers: readonly string[] = [];
  for (const candidate of bindCandidates(name, conf)) {
    const at = clock.now - start;
    const message = queryMessage(candidate, wanted, { id: netns.random.below(65_536) });
    const { reply } = driveLookup(netns, ask(conf.nameservers, message, { clock, timeout: 5_000, tries: 2 }));
    answers = reply?.message.answers.map((record) => recordText(record)) ?? [];
    queries.push({
      server: reply?.server ?? conf.nameservers[0] ?? '',
      name: message.questions[0]!.name,
      type: wanted,
      transport: reply?.transport ?? 'udp',
      at,
      rcode: reply?.message.rcode ?? 'TIMEOUT',
      answers,
    });
    if (reply?.message.rcode !== 'NXDOMAIN') break;
  }
  return { name, queries, answers, elapsedMs: clock.now - start };
}

function told({ name, queries, addresses, error, elapsedMs }: LookupResult): Lookup {
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
    answers: addresses,
    ...(error !== undefined && { error }),
    elapsedMs,
  };
}

import type { ForwardedQuery, Path, Resolution, Trace } from '@netsim/trace';

export type ResolvedQuery = Resolution['queries'][number];

/** The queries whose packets are told, each as a trace of its own from the same source to its name server. */
export function queryTraces(trace: Trace): { query: ResolvedQuery; number: number; trace: Trace; path: Path }[] {
  const queries = trace.resolution?.queries ?? [];
  return queries.flatMap((query, index) => {
    const { path, server, transport = 'udp' } = query;
    if (path === undefined) return [];
    const destination = { text: server, kind: 'IP', ip: server, port: 53, protocol: transport };
    const { schemaVersion, kind, source } = trace;
    return [{ query, number: index + 1, path, trace: { schemaVersion, kind, source, destination, paths: [path] } }];
  });
}

/** Who asks on: a pod, or a node's own program. */
export function forwarderText({ node, netns }: Pick<ForwardedQuery, 'node' | 'netns'>): string {
  return netns === 'host' ? node : netns;
}

/** What a server asked others for a query: those that went the same way, with the same end, once. */
export function forwardTraces(
  { forwards = [] }: ResolvedQuery,
  { schemaVersion, kind, source }: Trace,
): { forward: ForwardedQuery; times: number; trace: Trace }[] {
  const told = new Map<string, { forward: ForwardedQuery; times: number; trace: Trace }>();
  for (const forward of forwards) {
    const { node, netns, server, port, transport, path } = forward;
    const key = [node, netns, server, port, transport, path.disposition, path.reply === undefined].join(' ');
    const known = told.get(key);
    if (known !== undefined) {
      known.times++;
      continue;
    }
    const destination = { text: server, kind: 'IP', ip: server, port, protocol: transport };
    const sent = path.request.hops[0]?.steps.find((step) => step.kind === 'send');
    const own = { ...source, ip: sent?.packet.src ?? source.ip };
    told.set(key, { forward, times: 1, trace: { schemaVersion, kind, source: own, destination, paths: [path] } });
  }
  return [...told.values()];
}

/** `kubia.default.svc.cluster.local. A: NOERROR, A 10.106.139.160`. */
export function queryText({ name, type, rcode, answers }: ResolvedQuery): string {
  return `${name} ${type}: ${[rcode, ...answers].join(', ')}`;
}

/** What a look-up came to, in a line: the query that found the address, else the last one. */
export function resolutionText({ name, queries, address }: Resolution): string {
  const last = queries.at(-1);
  if (last === undefined) {
    return address === undefined ? `${name}: no server was asked` : `${name} is ${address} by /etc/hosts`;
  }
  const found = queries.findLast(({ answers }) => answers.some((answer) => answer.endsWith(` ${address}`)));
  const told = found ?? last;
  const count = queries.length === 1 ? '' : ` (query ${queries.indexOf(told) + 1} of ${queries.length})`;
  const answers = told.answers.length === 0 ? '' : ` ${told.answers.join(', ')}`;
  return `${told.name} ${told.type} from ${told.server}: ${told.rcode}${answers}${count}`;
}

import type { Path, Resolution, Trace } from '@netsim/trace';

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

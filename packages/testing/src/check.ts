import { renderTrace } from '@netsim/render';
import type { Path, Trace } from '@netsim/trace';
import type { Cluster, TraceOptions } from 'netsim';

/** What was found of an expectation. Of the ways that chance may take, all may fulfil it, some, or none. */
export interface Check {
  readonly fulfilled: 'all' | 'some' | 'none';
  /** What was expected: `pod/a to reach svc/b:80`. */
  readonly expectation: string;
  /** What was found, in lines: a trace in its summary form, the queries of a look-up. */
  text(): string;
}

/** How a trace is asked for; each is optional. */
export type ReachOptions = Pick<TraceOptions, 'protocol' | 'namespace'>;

export interface RouteOptions extends Pick<TraceOptions, 'method' | 'headers' | 'namespace'> {
  /** Who asks; default `external`, a machine outside the cluster. */
  readonly from?: string;
}

/** Does a packet from one place to another arrive, on every way that chance may take? */
export function checkReach(cluster: Cluster, from: string, to: string, options: ReachOptions = {}): Check {
  const trace = cluster.trace({ from, to, allPaths: true, ...options });
  return checkPaths(trace, `${from} to reach ${to}`, arrives);
}

/**
 * Is a URL routed to a service, whose name is given as `svc/x`, `svc/x:80` or `svc/x.namespace`? Given a number: is it answered with
 * that status by the controller itself?
 */
export function checkRoute(cluster: Cluster, url: string, target: string | number, options: RouteOptions = {}): Check {
  const { from = 'external', ...rest } = options;
  const trace = cluster.trace({ from, to: url, allPaths: true, ...rest });
  if (typeof target === 'number') {
    return checkPaths(trace, `${url} to be answered ${target}`, ({ http }) => http?.status === target);
  }
  return checkPaths(trace, `${url} to be routed to ${target}`, (path) => arrives(path) && goesTo(path, target));
}

/** Does a name have an address, or exactly these addresses, for a program in a pod? */
export function checkResolve(
  cluster: Cluster,
  from: string,
  name: string,
  addresses?: string | readonly string[],
): Check {
  const found = cluster.lookup({ from, name });
  const wanted = typeof addresses === 'string' ? [addresses] : addresses;
  const has =
    wanted === undefined
      ? found.answers.length > 0
      : found.answers.length === wanted.length && wanted.every((each) => found.answers.includes(each));
  return {
    fulfilled: has ? 'all' : 'none',
    expectation: `${name} to resolve from ${from}${wanted === undefined ? '' : ` to ${wanted.join(', ')}`}`,
    text: () =>
      [
        ...found.queries.map(({ server, name: asked, type, rcode, answers }) =>
          `${server}: ${asked} ${type} ${rcode} ${answers.join(', ')}`.trimEnd(),
        ),
        `${name}: ${found.answers.length > 0 ? found.answers.join(', ') : `not found (${found.error ?? 'no address'})`}`,
      ].join('\n'),
  };
}

function checkPaths(trace: Trace, expectation: string, test: (path: Path) => boolean): Check {
  const count = trace.paths.filter(test).length;
  return {
    fulfilled: count === 0 ? 'none' : count === trace.paths.length ? 'all' : 'some',
    expectation,
    text: () => renderTrace(trace, { detail: 'summary' }).trimEnd(),
  };
}

/** As `netsim trace` has it: it arrives, or leaves the cluster on its way, and there is nothing to mend. */
function arrives({ disposition, advice }: Path): boolean {
  return (disposition === 'DELIVERED' || disposition === 'EXITS_CLUSTER') && advice === undefined;
}

function goesTo({ http }: Path, target: string): boolean {
  const service = http?.service;
  if (service === undefined) return false;
  const [name = '', port] = target.replace(/^(svc|service|services)\//, '').split(':');
  const { namespace } = service;
  const names = [`${service.name}.${namespace}`, `${namespace}/${service.name}`];
  if (namespace === 'default') names.push(service.name);
  return names.includes(name) && (port === undefined || port === String(service.port));
}

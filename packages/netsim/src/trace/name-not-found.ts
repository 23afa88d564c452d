import { internalIPs, podIPs } from '@netsim/control';
import type { EaiError } from '@netsim/dns';
import type { Service } from '@netsim/manifest';
import { type Path, type Resolution, SCHEMA_VERSION, type Trace, type TraceSource } from '@netsim/trace';
import { formatIp } from '@netsim/wire';
import type { Cluster } from '../cluster.ts';
import type { AskedName, NameResolver, SourceRef } from '../names.ts';
import { causeOf } from './cause.ts';
import type { TraceOptions } from './trace-cluster.ts';

/** The trace of a packet that was never sent, because its sender does not know where to. */
export function nameNotFound(
  cluster: Cluster,
  { to, protocol }: TraceOptions,
  source: SourceRef,
  resolution: Resolution,
  names: NameResolver,
  { port }: AskedName,
  error?: EaiError,
): Trace {
  const { name } = resolution;
  return {
    schemaVersion: SCHEMA_VERSION,
    kind: 'Trace',
    source: summaryOf(source),
    destination: {
      text: to,
      kind: 'Name',
      name,
      ...(port !== undefined && /^[0-9]+$/.test(port) && { port: Number(port) }),
      protocol: protocol ?? 'tcp',
    },
    resolution,
    paths: [{ probability: 1, ...missing(cluster, source, resolution, names, error), request: { hops: [] } }],
  };
}

type Verdict = Pick<Path, 'disposition' | 'reason' | 'cause' | 'advice'>;

function missing(
  cluster: Cluster,
  source: SourceRef,
  { name, queries }: Resolution,
  names: NameResolver,
  error: EaiError | undefined,
): Verdict {
  const unknown = unknownOutside(cluster, queries);
  if (unknown !== undefined) {
    return {
      disposition: 'INSUFFICIENT_INFO',
      reason: `${unknown} is a name of the world outside, and the manifests do not say what its name servers answer`,
      advice: `Tell netsim with a DNSEndpoint of externaldns.k8s.io/v1alpha1 that has dnsName: ${unknown}`,
    };
  }
  const verdict = { disposition: 'NAME_NOT_FOUND', reason: notFoundReason(name, queries, error) } as const;
  if (source.kind !== 'Pod' && names.serviceByName(name) !== undefined) {
    return {
      ...verdict,
      advice: `Only the cluster's DNS knows the names of services, and only pods ask it: write svc/${name.split('.')[0]}`,
    };
  }
  const elsewhere = source.kind === 'Pod' ? names.serviceElsewhere(name, source.pod.metadata.namespace) : undefined;
  if (elsewhere !== undefined) return { ...verdict, ...inOtherNamespace(elsewhere) };
  if (queries.length > 0 && queries.every(({ rcode }) => rcode !== 'NOERROR' && rcode !== 'NXDOMAIN')) {
    const lost = queries.findLast(({ path }) => path !== undefined && path.disposition !== 'DELIVERED')?.path;
    if (lost === undefined) return { ...verdict, advice: 'See where the queries end: trace with --dns' };
    const { reason, cause, advice } = lost;
    const because = { ...(cause !== undefined && { cause }), ...(advice !== undefined && { advice }) };
    return { ...verdict, reason: `${verdict.reason}: ${reason}`, ...because };
  }
  const object = names.withKind(name);
  if (object !== undefined) {
    const advice = `The DNS has names of services, not this one: write ${object} for the object of this name`;
    return { ...verdict, advice };
  }
  const similar = names.similarService(name);
  return similar === undefined ? verdict : { ...verdict, advice: `did you mean "${similar}"?` };
}

function inOtherNamespace(service: Service): Pick<Verdict, 'cause' | 'advice'> {
  const { name, namespace } = service.metadata;
  return {
    cause: causeOf(service, ['metadata', 'name'], `service "${name}" is in namespace "${namespace}"`),
    advice: `did you mean "${name}.${namespace}"? A short name is looked up in the pod's own namespace`,
  };
}

/** The outside name that the look-up failed at, where the manifests do not tell of it. */
function unknownOutside(cluster: Cluster, queries: Resolution['queries']): string | undefined {
  const last = queries.at(-1);
  if (last === undefined) return undefined;
  const alias = last.answers.findLast((text) => text.startsWith('CNAME '))?.slice('CNAME '.length);
  const asked = (alias ?? last.name).replace(/\.$/, '');
  if (alias === undefined && last.rcode !== 'SERVFAIL') return undefined;
  return cluster.outsideNames.answer(asked, last.type).known ? undefined : asked;
}

function notFoundReason(name: string, queries: Resolution['queries'], error: EaiError | undefined): string {
  const failed = queries.filter(({ rcode }) => rcode !== 'NOERROR' && rcode !== 'NXDOMAIN');
  const last = failed.at(-1) ?? queries.at(-1);
  if (last === undefined) return `${name} has no address, and no name server was asked (${error ?? 'EAI_NONAME'})`;
  if (last.rcode === 'NXDOMAIN')
    return `there is no name ${name}: ${last.server} answers NXDOMAIN (${error ?? 'EAI_NONAME'})`;
  if (last.rcode === 'NOERROR') return `the name ${name} is there, but has no address (${error ?? 'EAI_NONAME'})`;
  const what =
    /^[A-Z]+$/.test(last.rcode) && !last.rcode.startsWith('E') && last.rcode !== 'TIMEOUT'
      ? `answers ${last.rcode}`
      : `gives no answer (${last.rcode})`;
  return `${name} could not be looked up: ${last.server} ${what} to ${last.name} ${last.type} (${error ?? 'EAI_AGAIN'})`;
}

export function summaryOf(source: SourceRef): TraceSource {
  switch (source.kind) {
    case 'Pod': {
      const { name, namespace } = source.pod.metadata;
      return { kind: 'Pod', ...(namespace === undefined ? {} : { namespace }), name, ip: podIPs(source.pod)[0] ?? '' };
    }
    case 'Node': {
      const { name } = source.node.metadata;
      return { kind: 'Node', name, ip: internalIPs(source.node)[0] ?? '' };
    }
    case 'Host': {
      return { kind: 'Host', name: source.name, ip: formatIp(source.ip) };
    }
  }
}

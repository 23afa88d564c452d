import { clusterIPs, hasClusterIP, isHeadless } from '@netsim/control';
import type { Disposition, Path, Trace } from '@netsim/trace';
import { tryParseIp } from '@netsim/wire';
import { podListeners } from '../listeners.ts';
import { causeOf } from '../trace/cause.ts';
import type { Finding } from './model.ts';
import { listed } from './service-points.ts';
import { type Backend, endpointText, type Subject } from './subject.ts';

/** Endpoints that are asked one by one; of more, the first. */
const MAX_ASKED = 32;
const good: ReadonlySet<Disposition> = new Set(['DELIVERED', 'EXITS_CLUSTER']);

/** The name of the service, looked up where the source is, leads to its addresses. */
export function name(subject: Subject, found: readonly Backend[]): Finding {
  const { cluster, service, host, from, namespace, source } = subject;
  if (service === undefined)
    return host === undefined ? { status: 'skipped', text: 'no name is asked' } : foreignName(subject);
  if (source.kind !== 'Pod')
    return { status: 'skipped', text: 'a machine asks its own resolver, which does not know the cluster' };
  const fqdn = `${service.metadata.name}.${service.metadata.namespace}.svc.${cluster.config.clusterDomain}`;
  const asked = host ?? fqdn;
  const trace = cluster.trace({ from, to: `${host ?? `${fqdn}.`}:${subject.port ?? 1}`, dns: true, namespace });
  const lost = trace.paths[0]!;
  if (
    lost.disposition === 'NAME_NOT_FOUND' ||
    (lost.disposition === 'INSUFFICIENT_INFO' && lost.request.hops.length === 0)
  ) {
    const { dnsPolicy = 'ClusterFirst', hostNetwork = false } = source.pod.spec;
    const outside = dnsPolicy === 'Default' || dnsPolicy === 'None' || (dnsPolicy === 'ClusterFirst' && hostNetwork);
    if (outside && lost.disposition === 'NAME_NOT_FOUND') {
      return {
        status: 'fail',
        text: `${lost.reason}; the pod does not ask the cluster's DNS`,
        cause: causeOf(
          source.pod,
          ['spec', 'dnsPolicy'],
          `dnsPolicy: ${dnsPolicy}${hostNetwork ? ' with hostNetwork: true' : ''}`,
        ),
        advice: `Write dnsPolicy: ${hostNetwork ? 'ClusterFirstWithHostNet' : 'ClusterFirst'}`,
      };
    }
    return failed(lost);
  }
  const address = trace.resolution?.address;
  const wanted = hasClusterIP(service) ? clusterIPs(service) : found.map(({ ip }) => ip);
  if (service.spec.type === 'ExternalName')
    return { status: 'ok', text: `${asked} is ${service.spec.externalName}, ${address}` };
  if (address === undefined || wanted.includes(address)) {
    const what = isHeadless(service) ? `the address of a pod, ${address}` : `the cluster IP ${address}`;
    return { status: 'ok', text: `${asked} is ${what}` };
  }
  return {
    status: 'fail',
    text: `${asked} is ${address}, which is not the service's: ${listed(wanted)}`,
    cause: causeOf(service, ['metadata', 'name'], 'the service'),
    advice: 'Look at the Corefile: a rewrite, hosts or template plugin answers in its place',
  };
}

/** The packet was never sent, since its name has no address. */
function isLost({ disposition, request }: Path): boolean {
  return disposition === 'NAME_NOT_FOUND' || (disposition === 'INSUFFICIENT_INFO' && request.hops.length === 0);
}

/** A name that is no service's where the source is. */
function foreignName({ cluster, from, host, namespace, port }: Subject): Finding {
  const { paths, resolution } = cluster.trace({ from, to: `${host}:${port ?? 1}`, dns: true, namespace });
  return isLost(paths[0]!) ? failed(paths[0]!) : { status: 'ok', text: `${host} is ${resolution?.address}` };
}

/** The pods themselves answer: by their own addresses, at the port that the service sends to. */
export function pods(subject: Subject, found: readonly Backend[]): Finding {
  const { cluster, from, namespace, protocol, service } = subject;
  if (service !== undefined && found.length === 0) return { status: 'skipped', text: 'there is no endpoint' };
  if (found.some(({ port }) => port === undefined) && protocol !== 'icmp')
    return { status: 'skipped', text: 'no port is asked' };
  for (const backend of found.slice(0, MAX_ASKED)) {
    if (onLocalhost(backend) !== undefined) continue;
    const to = protocol === 'icmp' ? backend.ip : endpointText(backend);
    const [path] = cluster.trace({ from, to, protocol, namespace }).paths;
    if (path === undefined || good.has(path.disposition)) continue;
    return failed(throughService(subject, backend, path) ?? path);
  }
  const many = found.length > MAX_ASKED ? ` (of ${found.length} the first ${MAX_ASKED} were asked)` : '';
  return {
    status: 'ok',
    text: `${listed(found.map(endpointText))} ${found.length === 1 ? 'answers' : 'answer'}${many}`,
  };
}

/** Where the way by the service ends at the same pod, it also tells which line of the service to change. */
function throughService(
  { cluster, from, to, namespace, service, port, protocol }: Subject,
  { ip }: Backend,
  direct: Path,
): Path | undefined {
  if (service === undefined || !hasClusterIP(service) || port === undefined || from === to) return undefined;
  const target = `svc/${service.metadata.namespace}/${service.metadata.name}:${port}`;
  const path = cluster
    .trace({ from, to: target, protocol, namespace, allPaths: true })
    .paths.find(({ backend }) => backend?.ip === ip);
  return path?.disposition === direct.disposition && path.cause !== undefined ? path : undefined;
}

/** The program listens where others can reach it. */
export function localhost(_subject: Subject, found: readonly Backend[]): Finding {
  for (const backend of found) {
    const address = onLocalhost(backend);
    if (address === undefined || backend.pod === undefined) continue;
    const { name: podName, annotations } = backend.pod.metadata;
    return {
      status: 'fail',
      text: `pod "${podName}" listens on localhost only (${address}:${backend.port}): connections to its own address ${backend.ip} are refused`,
      cause: causeOf(
        backend.pod,
        ['metadata', 'annotations', 'netsim.dev/listen'],
        `netsim.dev/listen: ${annotations?.['netsim.dev/listen'] ?? ''}`,
      ),
      advice: 'Let the program listen on 0.0.0.0',
    };
  }
  if (!found.some(({ pod }) => pod !== undefined)) return { status: 'skipped', text: 'no pod is asked' };
  return { status: 'ok', text: 'the programs listen on all addresses of their pods' };
}

/** The loopback address that alone is listened on. */
function onLocalhost({ pod, port }: Backend): string | undefined {
  if (pod === undefined || pod.spec.hostNetwork === true) return undefined;
  const there = podListeners(pod).listeners.filter((listener) => listener.port === port);
  if (there.length === 0) return undefined;
  const loopback = there.every(({ address }) => address !== undefined && isLoopback(address));
  return loopback ? (there[0]!.address === 1n ? '[::1]' : '127.0.0.1') : undefined;
}

function isLoopback(address: number | bigint): boolean {
  return typeof address === 'number' ? address >>> 24 === 127 : address === 1n;
}

/** The whole way, as the source would go it, by every endpoint that chance may choose. */
export function path(
  { cluster, from, to, namespace, protocol, service, port }: Subject,
  found: readonly Backend[],
): Finding {
  const asked = service !== undefined && !hasClusterIP(service) ? directly(found) : to;
  if (asked === undefined) return { status: 'skipped', text: 'there is no address to send to' };
  const literal = tryParseIp(asked) !== undefined && port === undefined;
  const trace: Trace = cluster.trace({
    from,
    to: asked,
    namespace,
    ...(protocol !== 'tcp' || literal ? { protocol } : {}),
    ...(service !== undefined && { allPaths: true }),
  });
  const bad = trace.paths.find(
    ({ disposition, advice, http }) => !good.has(disposition) || advice !== undefined || (http?.status ?? 200) >= 400,
  );
  if (bad !== undefined) return failed(bad);
  const ends = [...new Set(trace.paths.map(({ disposition }) => disposition))].join(', ');
  const ways = trace.paths.length === 1 ? 'the one way' : `all ${trace.paths.length} ways`;
  return { status: 'ok', text: `${ways} ${trace.paths.length === 1 ? 'ends' : 'end'} as ${ends}` };
}

function directly(found: readonly Backend[]): string | undefined {
  const [first] = found;
  return first === undefined || first.port === undefined ? undefined : endpointText(first);
}

function failed({ disposition, reason, cause, advice }: Path): Finding {
  return {
    status: disposition === 'INSUFFICIENT_INFO' ? 'unknown' : 'fail',
    text: `${disposition}: ${reason}`,
    ...(cause !== undefined && { cause }),
    ...(advice !== undefined && { advice }),
  };
}

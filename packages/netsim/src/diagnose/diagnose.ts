import { isHeadless, podIPs } from '@netsim/control';
import type { Pod, Service } from '@netsim/manifest';
import { SCHEMA_VERSION } from '@netsim/trace';
import type { tryParseIp } from '@netsim/wire';
import type { Cluster } from '../cluster.ts';
import { UsageError } from '../errors.ts';
import { type SourceRef, type TransportProtocol, transportProtocols } from '../names.ts';
import { summaryOf } from '../trace/name-not-found.ts';
import { type BehindDoor, behindDoor } from './behind-door.ts';
import { type DiagnoseOptions, type Diagnosis, type DiagnosisPoint, type Finding, pointIds } from './model.ts';
import { localhost, name, path, pods } from './network-points.ts';
import { policy } from './policy-point.ts';
import { endpoints, inside, ping, readiness, servicePortPoint } from './service-points.ts';
import { type Backend, backends, type Subject, sourceText, usualSource } from './subject.ts';

/** Walks the troubleshooting list of a service, up to the first point that is not in order. */
export function diagnose(cluster: Cluster, options: DiagnoseOptions): Diagnosis {
  const subject = subjectOf(cluster, options);
  const behind = behindDoor(subject);
  const points: DiagnosisPoint[] = [];
  let over = false;
  for (const id of pointIds) {
    const found: Finding = over
      ? { status: 'skipped', text: 'not looked at: a point before is wrong' }
      : behind === undefined || !ofTheBackend.has(id)
        ? lookAt(id, subject)
        : behindTheDoor(id, behind);
    points.push({ id, ...found });
    over ||= found.status === 'fail';
  }
  const { service, pod, port, protocol, to } = subject;
  const object = service ?? pod;
  const { namespace, name: own } = object?.metadata ?? {};
  return {
    schemaVersion: SCHEMA_VERSION,
    kind: 'Diagnosis',
    source: summaryOf(subject.source),
    destination: {
      text: to,
      kind: object?.kind ?? (subject.host === undefined ? 'IP' : 'Name'),
      ...(namespace !== undefined && { namespace }),
      ...((own ?? subject.host) !== undefined && { name: own ?? subject.host }),
      ...(port !== undefined && { port }),
      protocol,
    },
    verdict: over ? 'fail' : points.some(({ status }) => status === 'unknown') ? 'unknown' : 'ok',
    points,
  };
}

/** Points of a URL that are about the service behind its controller. */
const ofTheBackend: ReadonlySet<DiagnosisPoint['id']> = new Set([
  'readiness',
  'endpoints',
  'port',
  'pod',
  'localhost',
  'policy',
]);

/** The rule that leads there is named; a port that the service has not got is the rule's mistake. */
function behindTheDoor(id: DiagnosisPoint['id'], { subject, rule, cause }: BehindDoor): Finding {
  const found = lookAt(id, subject);
  const { name, namespace } = subject.service!.metadata;
  const whose = id === 'readiness' || id === 'port' ? `${rule} leads to service ${namespace}/${name}: ` : '';
  return {
    ...found,
    text: `${whose}${found.text}`,
    ...(id === 'port' && found.status === 'fail' && cause !== undefined && { cause }),
  };
}

function lookAt(id: DiagnosisPoint['id'], subject: Subject): Finding {
  switch (id) {
    case 'inside':
      return inside(subject);
    case 'ping':
      return ping(subject);
    case 'readiness':
      return readiness(subject);
    case 'endpoints':
      return endpoints(subject);
    case 'name':
      return name(subject, targets(subject));
    case 'port':
      return servicePortPoint(subject);
    case 'pod':
      return subject.service === undefined && subject.pod === undefined
        ? { status: 'skipped', text: 'no pod is asked' }
        : pods(subject, targets(subject));
    case 'localhost':
      return localhost(subject, targets(subject));
    case 'policy':
      return policy(subject, targets(subject));
    case 'path':
      return path(subject, targets(subject));
  }
}

function targets(subject: Subject): Backend[] {
  const { pod, port, service } = subject;
  if (pod !== undefined)
    return podIPs(pod)
      .slice(0, 1)
      .map((ip) => ({ ip, port, pod }));
  const found = backends(subject);
  // No port is translated for a headless service: what is asked is what the pod gets.
  return service !== undefined && isHeadless(service) && port !== undefined
    ? found.map((each) => ({ ...each, port }))
    : found;
}

function subjectOf(cluster: Cluster, { to, from, protocol, namespace = cluster.namespace }: DiagnoseOptions): Subject {
  if (protocol !== undefined && !transportProtocols.includes(protocol)) {
    throw new UsageError(`unknown protocol ${JSON.stringify(protocol)}`, `known: ${transportProtocols.join(', ')}`);
  }
  const names = cluster.names(namespace);
  const given = from === undefined ? undefined : names.source(from);
  const target = targetOf(cluster, to, protocol, namespace, given);
  const source = given ?? usualSource(cluster, namespace, target);
  return {
    cluster,
    source,
    from: sourceText(source),
    to,
    namespace,
    protocol: protocol ?? (target.servicePort?.protocol?.toLowerCase() as TransportProtocol | undefined) ?? 'tcp',
    ...target,
  };
}

type Target = Pick<Subject, 'service' | 'pod' | 'host' | 'port' | 'servicePort'>;

function targetOf(
  cluster: Cluster,
  to: string,
  protocol: TransportProtocol | undefined,
  namespace: string,
  source: SourceRef | undefined,
): Target {
  const names = cluster.names(namespace);
  const { object, port } = names.named(to);
  if (object?.kind === 'Service') return serviceTarget(cluster, object as Service, port, protocol, namespace);
  if (object?.kind === 'Pod') {
    const pod = object as Pod;
    if (podIPs(pod).length === 0) return { pod };
    return { pod, ...numbered(names.destination(to, protocol).port) };
  }
  const asked = names.nameToLookUp(to);
  if (asked === undefined) {
    const destination = names.destination(to, protocol);
    if (destination.kind === 'IP') return atAddress(cluster, destination.ip, destination.port, protocol, namespace);
    return numbered(destination.port);
  }
  // A short name is that of a service where the source is.
  const home = source?.kind === 'Pod' ? (source.pod.metadata.namespace ?? namespace) : namespace;
  const service = cluster.names(home).serviceByName(asked.host);
  if (service === undefined) return { host: asked.host, ...numbered(Number(asked.port ?? 0) || undefined) };
  return { host: asked.host, ...serviceTarget(cluster, service, asked.port, protocol, namespace) };
}

function serviceTarget(
  cluster: Cluster,
  service: Service,
  port: string | undefined,
  protocol: TransportProtocol | undefined,
  namespace: string,
): Target {
  const servicePort = cluster.names(namespace).portOf(service, port, protocol);
  if (servicePort !== undefined) return { service, servicePort, port: servicePort.port };
  return { service, ...numbered(port === undefined ? undefined : Number(port)) };
}

/** An address that is a service's or a pod's is diagnosed as that. */
function atAddress(
  cluster: Cluster,
  ip: NonNullable<ReturnType<typeof tryParseIp>>,
  port: number | undefined,
  protocol: TransportProtocol | undefined,
  namespace: string,
): Target {
  const { kind, object } = cluster.names(namespace).at(ip, port ?? 0, protocol ?? 'tcp');
  if (kind === 'Service')
    return serviceTarget(
      cluster,
      object as Service,
      port === undefined ? undefined : String(port),
      protocol,
      namespace,
    );
  return kind === 'Pod' ? { pod: object as Pod, ...numbered(port) } : numbered(port);
}

function numbered(port: number | undefined): { port?: number } {
  return port === undefined ? {} : { port };
}

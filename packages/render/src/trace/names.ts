import type { Cause, Hop, PacketSummary, Path, Trace } from '@netsim/trace';
import { formatEndpoint, tryParseIp } from '@netsim/wire';

/** `pod/pod-a`; with its namespace where that is not the default. */
export function objectName(object: { kind: string; namespace?: string; name: string }): string {
  const { kind, namespace, name } = object;
  return `${kind.toLowerCase()}/${qualified(namespace, name)}`;
}

function qualified(namespace: string | undefined, name: string): string {
  return namespace === undefined || namespace === '' || namespace === 'default' ? name : `${namespace}/${name}`;
}

/** The netns of a hop as a reader knows it: `pod-a` for a pod in the namespace of the sender, `host` for a node's own. */
export function netnsName(hop: Hop, trace: Trace): string {
  const home = `${trace.source.namespace ?? 'default'}/`;
  return hop.netns.startsWith(home) ? hop.netns.slice(home.length) : hop.netns;
}

/**
 * As {@link netnsName}, short enough for a column, unless `whole`: `kubia-…-x2x4q` for a pod of a Deployment, and its namespace is
 * left out where the pod's own name begins with it.
 */
export function placeName(hop: Hop, trace: Trace, whole: boolean): string {
  const name = netnsName(hop, trace);
  return whole ? name : name.replace(replicaSetHash, '-…-$1').replace(/^([^/]+)\/(?=\1)/, '');
}

/** `ip:port` from text and number, with brackets around IPv6; the bare address where there is no port. */
export function endpoint(ip: string, port: number | undefined): string {
  if (port === undefined) return ip;
  const parsed = tryParseIp(ip);
  return parsed === undefined ? `${ip}:${port}` : formatEndpoint(parsed, port);
}

export function flow(packet: PacketSummary): string {
  const info = packet.info ?? (packet.protocol === 'tcp' ? '' : packet.protocol);
  return `${endpoint(packet.src, packet.sport)} > ${endpoint(packet.dst, packet.dport)} ${info}`.trimEnd();
}

/** As the user wrote it, with the port where they left it out. */
export function destinationText(trace: Trace): string {
  const { text, port } = trace.destination;
  if (port === undefined || new RegExp(`:${port}(/|$)`).test(text) || text.includes('://')) return text;
  return /:[^:/\]]+$/.test(text) && !text.includes('::') ? text : `${text}:${port}`;
}

/** `svc/kubia:80 (10.106.139.160, tcp)`. */
export function destinationTitle(trace: Trace): string {
  const { ip, port, protocol } = trace.destination;
  const text = destinationText(trace);
  if (ip === undefined || text.includes(ip)) return `${text} (${protocol})`;
  return `${text} (${text.endsWith(`:${port}`) ? ip : endpoint(ip, port)}, ${protocol})`;
}

/** `pod-a`, or what stands at the far end where no object does. */
export function receiverName(path: Pick<Path, 'backend'>): string | undefined {
  if (path.backend === undefined) return undefined;
  return qualified(path.backend.namespace, path.backend.name);
}

/** `FILE:LINE kind/name: text`. */
export function causeText(cause: Cause): string {
  const at = cause.file === undefined ? '' : `${cause.file}${cause.line === undefined ? '' : `:${cause.line}`} `;
  return `${at}${objectName(cause)}: ${cause.text}`;
}

/** 0.333, 1, 0.05: a few digits are enough to see a share. */
export function share(probability: number, digits = 3): string {
  return String(Number(probability.toPrecision(digits)));
}

const GENERATED = '[bcdfghjklmnpqrstvwxz2456789]';
const replicaSetHash = new RegExp(`-${GENERATED}{6,10}-(${GENERATED}{5})$`);
const generatedSuffix = new RegExp(`(-${GENERATED}{6,10})?-${GENERATED}{5}$`);

/** A pod name without what the control plane made up, which differs from run to run: `kubia-*`. */
export function stableName(name: string): string {
  return name.replace(generatedSuffix, '-*');
}

import { nearest } from '@netsim/manifest';
import { tryParseIp } from '@netsim/wire';
import { UsageError } from '../errors.ts';
import type { AskedName } from './refs.ts';

/** Kind words of kubectl that name things a packet can start from or go to. */
export const kindWords: Record<string, string> = {
  pod: 'Pod',
  pods: 'Pod',
  po: 'Pod',
  svc: 'Service',
  service: 'Service',
  services: 'Service',
  node: 'Node',
  nodes: 'Node',
  no: 'Node',
  deploy: 'Deployment',
  deployment: 'Deployment',
  deployments: 'Deployment',
  rs: 'ReplicaSet',
  replicaset: 'ReplicaSet',
  replicasets: 'ReplicaSet',
  sts: 'StatefulSet',
  statefulset: 'StatefulSet',
  statefulsets: 'StatefulSet',
  ds: 'DaemonSet',
  daemonset: 'DaemonSet',
  daemonsets: 'DaemonSet',
  rc: 'ReplicationController',
  replicationcontroller: 'ReplicationController',
  replicationcontrollers: 'ReplicationController',
  job: 'Job',
  jobs: 'Job',
  cj: 'CronJob',
  cronjob: 'CronJob',
  cronjobs: 'CronJob',
  host: 'Host',
};

const workloads: ReadonlySet<string> = new Set([
  'Deployment',
  'ReplicaSet',
  'StatefulSet',
  'DaemonSet',
  'ReplicationController',
  'Job',
  'CronJob',
]);

/** Whether a kind makes pods: one of them is meant. */
export function isWorkload(kind: string | undefined): kind is string {
  return kind !== undefined && workloads.has(kind);
}

/** What is said of a word that is none of {@link kindWords}. */
export function unknownKind(word: string): UsageError {
  return new UsageError(
    `${JSON.stringify(word)} is no kind of source or destination`,
    didYouMean(word, ['pod', 'svc', 'service', 'node', 'deploy', 'rs', 'sts', 'ds', 'host']) ??
      'known: pod, svc, node, deploy, rs, sts, ds, rc, job, host',
  );
}

/** Splits `host:port`; an IPv6 address needs brackets to carry a port. */
export function splitPort(text: string): { host: string; port?: string } {
  const bracket = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  if (bracket !== null) return { host: bracket[1]!, ...(bracket[2] === undefined ? {} : { port: bracket[2] }) };
  if (tryParseIp(text) !== undefined) return { host: text };
  const colon = text.lastIndexOf(':');
  return colon < 0 ? { host: text } : { host: text.slice(0, colon), port: text.slice(colon + 1) };
}

/** What stands before the port; an IPv6 address wants brackets. */
export function withoutPort(text: string): string {
  return tryParseIp(text) !== undefined && text.includes(':') ? `[${text}]` : text.replace(/:[^:\]]*$/, '');
}

export function parseUrl(text: string): URL {
  try {
    return new URL(text);
  } catch {
    throw new UsageError(`${JSON.stringify(text)} is not a URL`);
  }
}

export function urlPort({ port, protocol }: URL): string {
  return port === '' ? (protocol === 'https:' ? '443' : '80') : port;
}

export function didYouMean(word: string, candidates: readonly string[]): string | undefined {
  const found = nearest(word, candidates);
  return found === undefined ? undefined : `did you mean "${found}"?`;
}

/** The name in a destination that is to be looked up (`name:port`, a URL with a name); undefined for all others. */
export function nameToLookUp(text: string): AskedName | undefined {
  if (/^https?:\/\//i.test(text)) {
    const url = parseUrl(text);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    return tryParseIp(host) === undefined ? { host, port: urlPort(url), url } : undefined;
  }
  if (text === '' || text.includes('/')) return undefined;
  const { host, port } = splitPort(text);
  return host === '' || tryParseIp(host) !== undefined ? undefined : { host, ...(port === undefined ? {} : { port }) };
}

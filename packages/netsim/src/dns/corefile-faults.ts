import type { ClusterConfig } from '@netsim/control';
import { ClusterIndexes, CoreDns, CorefileError, type CorefilePlace } from '@netsim/dns';
import {
  type ConfigMap,
  type Finding,
  matchesLabels,
  ObjectStore,
  ORIGIN,
  type Pod,
  type Service,
} from '@netsim/manifest';
import { formatIp } from '@netsim/wire';
import { type CoreDnsFiles, coreDnsFiles, type FileSource, isCoreDns } from './coredns-files.ts';
import { isLoopback } from './in-cluster.ts';
import { ORIGIN_FILE } from './kubeadm.ts';
import { podFiles } from './pod-files.ts';

/** Why a CoreDNS does not stay up with its Corefile. */
interface Fault {
  /** Its last words. */
  readonly reason: string;
  readonly findings: readonly Finding[];
}

/** Mistakes in the Corefiles of the CoreDNS pods that are there, each ConfigMap once. */
export function lintCorefiles(store: ObjectStore, config: ClusterConfig): Finding[] {
  const told = new Set<ConfigMap>();
  return store.list<Pod>('Pod').flatMap((pod) => {
    if (!isCoreDns(pod)) return [];
    const files = filesOf(pod, store, config);
    const configMap = files.source?.configMap;
    if (configMap === undefined || told.has(configMap)) return [];
    told.add(configMap);
    return faultIn(files, pod, store)?.findings ?? [];
  });
}

/** Why the CoreDNS of a pod ends soon after its start; undefined where it runs. */
export function corefileFault(pod: Pod, store: ObjectStore, config: ClusterConfig): string | undefined {
  return faultIn(filesOf(pod, store, config), pod, store)?.reason;
}

function filesOf(pod: Pod, store: ObjectStore, config: ClusterConfig): CoreDnsFiles {
  return coreDnsFiles(pod, store, podFiles(pod, config).resolvConf);
}

function faultIn(files: CoreDnsFiles, pod: Pod, store: ObjectStore): Fault | undefined {
  const { corefile, path, source } = files;
  // The Corefile of kubeadm is known to be good.
  if (corefile === undefined || source === undefined || source.configMap[ORIGIN]?.file === ORIGIN_FILE)
    return undefined;
  try {
    const now = () => 0;
    const empty = new ObjectStore();
    const dns = new CoreDns({
      corefile,
      file: path,
      store: empty,
      indexes: new ClusterIndexes(empty, now),
      now,
      files: files.files,
    });
    return loopIn(dns, files, source, pod, store);
  } catch (error) {
    if (!(error instanceof CorefileError)) throw error;
    const findings = error.findings.map(({ message, file = path, line = 1, column = 1, suggestion }) => {
      const found = findingIn(files.sources.get(file) ?? source, 'corefile', message, { line, column });
      return suggestion === undefined ? found : { ...found, suggestion };
    });
    return { reason: error.findings[0]!.message, findings };
  }
}

/** Plugin `loop` ends a CoreDNS whose queries come back to it: over its own loopback, or over a service in front of it. */
function loopIn(
  dns: CoreDns,
  files: CoreDnsFiles,
  source: FileSource,
  pod: Pod,
  store: ObjectStore,
): Fault | undefined {
  const labels = pod.metadata.labels ?? {};
  const forward = forwardPlace(dns);
  for (const { port, upstreams } of dns.probes) {
    for (const upstream of upstreams) {
      const ip = formatIp(upstream.ip);
      const own = isLoopback(upstream.ip) && upstream.port === port;
      const front = store.list<Service>('Service').find(({ metadata, spec }) => {
        const { clusterIP, clusterIPs = [], selector = {}, ports } = spec;
        if (metadata.namespace !== pod.metadata.namespace || (clusterIP !== ip && !clusterIPs.includes(ip)))
          return false;
        const open = ports?.some((one) => one.port === upstream.port) === true;
        return open && Object.keys(selector).length > 0 && matchesLabels(selector, labels);
      });
      if (!own && front === undefined) continue;
      const service = front?.metadata;
      const whom = own ? 'itself' : `service "${service!.namespace}/${service!.name}", which is in front of it`;
      const message = `CoreDNS forwards to ${ip}, ${whom}: plugin loop ends it`;
      const finding = {
        ...findingIn(files.sources.get(forward?.file ?? '') ?? source, 'dns-loop', message, forward),
        suggestion: 'forward to a name server outside the cluster',
      };
      const from = own ? `${ip}:${port}` : ip;
      return { reason: `[FATAL] plugin/loop: Loop (${from} -> :${port}) detected`, findings: [finding] };
    }
  }
  return undefined;
}

function forwardPlace({ corefile }: CoreDns): CorefilePlace | undefined {
  return corefile.blocks.flatMap(({ directives }) => directives).find(({ name }) => name === 'forward');
}

/** A finding at a place of a file: where the manifest has that line, else at the key of the ConfigMap. */
function findingIn(
  { configMap, key }: FileSource,
  code: string,
  message: string,
  at?: { readonly line: number; readonly column: number },
): Finding {
  const { kind, metadata } = configMap;
  const { name, namespace } = metadata;
  const path = ['data', key];
  const origin = configMap[ORIGIN];
  const inText = at === undefined ? undefined : origin?.locateInText?.(path, at.line, at.column);
  const place = inText ?? origin?.locate(path);
  return {
    severity: 'error',
    code,
    message: `configmap "${namespace}/${name}": ${message}`,
    path,
    object: { kind, name, ...(namespace === undefined ? {} : { namespace }) },
    ...(origin === undefined ? {} : { file: origin.file, ...place }),
  };
}

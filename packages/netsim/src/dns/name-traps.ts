import type { ClusterConfig } from '@netsim/control';
import { containerLibc, type Resolver } from '@netsim/dns';
import type { Finding, ObjectStore, Pod, Service } from '@netsim/manifest';
import { tryParseIp } from '@netsim/wire';
import type { Cluster } from '../cluster.ts';
import { findingOf } from '../finding.ts';
import type { SourceRef } from '../names.ts';
import type { Lookup } from './lookup-names.ts';
import { podFiles, podFindings } from './pod-files.ts';

/** musl reads a line of resolv.conf into 256 octets, and passes over a longer one as a whole. */
const MUSL_LINE = 255;

/** What manifests say about names that cannot work as it was meant. */
export function lintNames(store: ObjectStore, config: ClusterConfig): Finding[] {
  const findings = store.list<Service>('Service').flatMap((service) => addressAsAlias(service) ?? []);
  // Pods made from one template say the same.
  const told = new Set<string>();
  for (const pod of store.list<Pod>('Pod')) {
    if (pod.spec.dnsConfig === undefined && pod.spec.setHostnameAsFQDN !== true) continue;
    const owner = pod.metadata.ownerReferences?.[0]?.uid;
    if (owner !== undefined && told.has(owner)) continue;
    const found = [...podFindings(pod, config), ...longSearchList(pod, config)];
    if (found.length > 0 && owner !== undefined) told.add(owner);
    findings.push(...found);
  }
  return findings;
}

function addressAsAlias(service: Service): Finding | undefined {
  const { externalName = '', type } = service.spec;
  if (type !== 'ExternalName' || tryParseIp(externalName) === undefined) return undefined;
  return findingOf(
    service,
    'external-name-ip',
    ['spec', 'externalName'],
    `externalName ${JSON.stringify(externalName)} is an address: the DNS has aliases for names only, and answers NXDOMAIN`,
    'a Service without selector, and an EndpointSlice with the address',
  );
}

function longSearchList(pod: Pod, config: ClusterConfig): Finding[] {
  const line = podFiles(pod, config)
    .resolvConf.split('\n')
    .find((each) => each.startsWith('search '));
  if (line === undefined || Buffer.byteLength(line) < MUSL_LINE) return [];
  return pod.spec.containers
    .filter((container) => containerLibc(pod, container).libc === 'musl')
    .slice(0, 1)
    .map((container) =>
      findingOf(
        pod,
        'search-list-too-long',
        ['spec', 'dnsConfig', 'searches'],
        `the search line of resolv.conf has ${Buffer.byteLength(line)} octets: container "${container.name}" has musl, which passes over lines of ${MUSL_LINE} and more, so short names are not found`,
        'fewer search domains, or an image with glibc',
      ),
    );
}

/** What a look-up shows that its asker may not have meant. */
export function lookupTraps(
  cluster: Cluster,
  source: SourceRef,
  { name, queries, answers }: Omit<Lookup, 'findings'>,
  { conf }: Resolver,
): Finding[] {
  const last = queries.at(-1);
  if (last === undefined) return [];
  const home = source.kind === 'Pod' ? source.pod.metadata.namespace : undefined;
  const names = cluster.names(home ?? cluster.namespace);
  const service = names.serviceByName(name);
  if (service !== undefined && addressAsAlias(service) !== undefined) return [addressAsAlias(service)!];
  if (name.endsWith('.')) return [];
  const asked = [...new Set(queries.map((query) => query.name.toLowerCase()))];
  const whole = `${name.toLowerCase()}.`;
  const found = answers.length > 0;
  if (found && last.name.toLowerCase() === whole && asked.length > 1) {
    return [
      trap(
        'ndots-look-ups',
        `${asked.length} names were asked, in ${queries.length} queries, to find ${name}: it has fewer dots than ndots ${conf.ndots}, so the search list comes first`,
        `write "${name}." with a dot at its end, or set ndots to 1 in the pod's dnsConfig`,
      ),
    ];
  }
  if (found && service === undefined && last.name.toLowerCase() !== whole && cluster.outsideNames.mayExist(name)) {
    return [
      trap(
        'search-list-captures',
        `${name} is answered as ${last.name}: an entry of the search list captures it, and ${whole} itself is never asked`,
        `write "${name}." with a dot at its end`,
      ),
    ];
  }
  if (found && service !== undefined && cluster.outsideNames.has(name)) {
    return [
      trap(
        'search-list-captures',
        `${name} is answered as ${last.name}, a service of the cluster; the name outside is never asked`,
        `write "${name}." with a dot at its end if the name outside is meant`,
      ),
    ];
  }
  const elsewhere = found || source.kind !== 'Pod' ? undefined : names.serviceElsewhere(name, home);
  if (elsewhere === undefined) return [];
  const { metadata } = elsewhere;
  return [
    trap(
      'service-elsewhere',
      `${name} is looked up in namespace "${home}", and the service "${metadata.name}" is in namespace "${metadata.namespace}"`,
      `did you mean "${metadata.name}.${metadata.namespace}"?`,
    ),
  ];
}

function trap(code: string, message: string, suggestion: string): Finding {
  return { severity: 'warning', code, message, suggestion };
}

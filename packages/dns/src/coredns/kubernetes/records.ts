import { formatIp, tryParseIp } from '@netsim/wire';
import type { Found, ServiceItem } from '../backend.ts';
import { isSubDomainLower, joinNames, matchZone } from '../names.ts';
import { addressOfReverse, reverseKind } from '../reverse.ts';
import type { ClusterIndex, IndexedAddress, IndexedPort, IndexedService, IndexedSlice } from './cluster-index.ts';
import type { KubernetesOptions } from './options.ts';
import { parseRequestName, type RequestName } from './request-name.ts';

/** Finds what a name of the cluster stands for. After CoreDNS `plugin/kubernetes/kubernetes.go`. */
export class KubernetesRecords {
  readonly options: KubernetesOptions;
  readonly index: ClusterIndex;
  readonly #localIps: () => readonly string[];

  constructor(options: KubernetesOptions, index: ClusterIndex, localIps: () => readonly string[]) {
    this.options = options;
    this.index = index;
    this.#localIps = localIps;
  }

  /** Items for a name in lower case, in a zone that keeps the case of the query. */
  find(name: string, zone: string): Found {
    const lowerZone = zone.toLowerCase();
    const multicluster = this.options.multicluster.includes(lowerZone);
    const parsed = parseRequestName(name, lowerZone, { multicluster, zonal: this.options.zonal });
    if (parsed === undefined) return 'name-error';
    if (parsed.kind === '') return [];
    if (reverseKind(name) !== 0 || !this.namespaceExposed(parsed.namespace)) return 'name-error';
    if (parsed.kind === 'pod') return this.#pods(parsed, zone);
    if (parsed.service === '') return [];
    const { key } = parsed;
    if (multicluster) {
      const service = this.index.serviceImport(key);
      return service === undefined ? 'name-error' : this.#serviceItems(service, parsed, zone, true);
    }
    const service = this.index.service(key);
    return service === undefined ? 'name-error' : this.#serviceItems(service, parsed, zone, false);
  }

  /** Whether names of the namespace are answered: it is configured, and it exists. */
  namespaceExposed(namespace: string): boolean {
    return this.namespaceConfigured(namespace) && this.index.namespaceExists(namespace);
  }

  /** Whether the `namespaces` option, where it is given, names the namespace. */
  namespaceConfigured(namespace: string): boolean {
    return this.options.namespaces.size === 0 || this.options.namespaces.has(namespace);
  }

  /** Names for a reverse name in lower case; undefined where it is no complete reverse name. */
  reverse(name: string): readonly string[] | undefined {
    const ip = addressOfReverse(name);
    if (ip === undefined) return undefined;
    const { primaryZone } = this.options;
    for (const service of this.index.servicesByIp(ip)) {
      if (this.#listed(service.namespace)) {
        return [joinNames(service.name, service.namespace, 'svc', primaryZone)];
      }
    }
    const names = new Set<string>();
    for (const slice of this.index.slicesByIp(ip)) {
      if (!this.#listed(slice.namespace)) continue;
      for (const address of slice.addresses) {
        if (address.ip === ip || sameIp(address.ip, ip)) {
          names.add(joinNames(address.label, slice.key, 'svc', primaryZone));
        }
      }
    }
    return [...names];
  }

  /** The addresses of this name server in the zone: of the services in front of it, else its own. */
  nameServers(zone: string): ServiceItem[] {
    return this.#ownAddresses(zone, (service) => ({
      name: joinNames(service.name, service.namespace, 'svc', zone),
      ips: service.headless ? undefined : service.clusterIps,
    }));
  }

  /** The addresses of this name server outside the cluster; used by k8s_external. */
  externalNameServers(zone: string, headless: boolean): ServiceItem[] {
    return this.#ownAddresses(zone, (service) => ({
      name: joinNames(service.name, service.namespace, zone),
      ips: headless && service.headless ? undefined : service.externalIps,
    }));
  }

  /** Of the services in front of this name server: their addresses, or where `ips` is undefined those of its slice. */
  #ownAddresses(
    zone: string,
    known: (service: IndexedService) => { readonly name: string; readonly ips: readonly string[] | undefined },
  ): ServiceItem[] {
    const { ttl } = this.options;
    const items: ServiceItem[] = [];
    let found = false;
    for (const local of this.#localIps()) {
      for (const slice of this.index.slicesByIp(local)) {
        found = true;
        const service = this.index.service(slice.key);
        if (service === undefined) continue;
        const { name, ips } = known(service);
        if (ips !== undefined) for (const ip of ips) items.push(item(ip, -1, ttl, name));
        else for (const { ip, label } of slice.addresses) items.push(item(ip, -1, ttl, joinNames(label, name)));
      }
    }
    if (!found) for (const ip of this.#localIps()) items.push(item(ip, -1, ttl, joinNames('ns.dns', zone)));
    return items;
  }

  /** The search list of the pod with an address, for autopath; undefined where there is no such pod. */
  autopathSearch(name: string, ip: string): readonly string[] | undefined {
    const zone = matchZone(this.options.zones, name);
    if (zone === undefined || this.options.pods !== 'verified') return undefined;
    for (const pod of this.index.podsByIp(ip)) {
      if (zone === '.') return [`${pod.namespace}.svc.`, 'svc.', '.', ''];
      return [`${pod.namespace}.svc.${zone}`, `svc.${zone}`, zone, ''];
    }
    return undefined;
  }

  #listed(namespace: string): boolean {
    const { namespaces, namespaceLabels } = this.options;
    if (namespaces.size > 0) return this.namespaceExposed(namespace);
    return namespaceLabels === undefined || this.index.namespaceExists(namespace);
  }

  #serviceItems(service: IndexedService, parsed: RequestName, zone: string, imported: boolean): Found {
    const { key } = parsed;
    const base = `${key}.svc.${zone === '.' ? '' : zone}`;
    const { ttl } = this.options;
    if (this.options.ignoreEmptyService && service.externalName === undefined && !service.headless) {
      if (!hasAddress(this.#slices(key, imported))) return 'name-error';
    }
    if (service.externalName !== undefined) {
      if (parsed.endpoint !== '' || parsed.port !== '' || parsed.zoneMode !== '') return 'name-error';
      if (service.externalName === '' || tryParseIp(service.externalName) !== undefined) return 'name-error';
      return [{ host: service.externalName, kind: 'CNAME', port: 0, ttl, target: base }];
    }
    if (service.headless || parsed.endpoint !== '') {
      return this.#endpointItems(this.#slices(key, imported), parsed, base);
    }
    if (parsed.zoneMode !== '') return 'name-error';
    const items: ServiceItem[] = [];
    let matched = false;
    for (const port of service.ports) {
      if (!portMatches(port, parsed)) continue;
      matched = true;
      for (const ip of service.clusterIps) items.push(item(ip, port.port, ttl, base));
    }
    return matched ? items : 'name-error';
  }

  #endpointItems(slices: Iterable<IndexedSlice>, parsed: RequestName, base: string): Found {
    const { ttl } = this.options;
    const items: ServiceItem[] = [];
    const zoneItems: ServiceItem[] = [];
    for (const slice of slices) {
      // Endpoint names of several clusters are told apart by the cluster, which they must therefore name.
      if (parsed.endpoint !== '' && slice.cluster.toLowerCase() !== parsed.cluster) continue;
      for (const address of slice.addresses) {
        if (parsed.endpoint !== '' && address.label.toLowerCase() !== parsed.endpoint) continue;
        for (const port of slice.ports) {
          if (!portMatches(port, parsed)) continue;
          const entry = item(address.ip, port.port, ttl, endpointName(address, slice, base));
          items.push(entry);
          if (address.zone.toLowerCase() === parsed.zone) zoneItems.push(entry);
        }
      }
    }
    if (items.length === 0) return 'name-error';
    if (parsed.zoneMode === 'pin') return zoneItems;
    if (parsed.zoneMode === 'prefer' && zoneItems.length > 0) return zoneItems;
    return items;
  }

  #slices(key: string, imported: boolean): Iterable<IndexedSlice> {
    return imported ? this.index.importSlices(key) : this.index.slices(key);
  }

  #pods(parsed: RequestName, zone: string): Found {
    const { pods, ttl } = this.options;
    if (pods === 'disabled') return 'name-error';
    const name = parsed.service;
    if (name === '') return [];
    const dashes = name.split('-').length - 1;
    const text = dashes === 3 && !name.includes('--') ? name.replaceAll('-', '.') : name.replaceAll('-', ':');
    const target = `${name}.${parsed.namespace}.pod.${zone === '.' ? '' : zone}`;
    if (pods === 'insecure') {
      return tryParseIp(text) === undefined ? 'name-error' : [item(text, 0, ttl, target)];
    }
    const items: ServiceItem[] = [];
    for (const pod of this.index.podsByIp(text)) {
      if (pod.ip === text && pod.namespace.toLowerCase() === parsed.namespace) items.push(item(text, 0, ttl, target));
    }
    return items.length === 0 ? 'name-error' : items;
  }
}

/** Whether a name is `ns.dns.<zone>`, the name server that every zone has. */
export function isDefaultNameServer(name: string, zone: string): boolean {
  return name.startsWith('ns.dns.') && isSubDomainLower(zone, name) && name === joinNames('ns.dns', zone);
}

/** An address as an item; IPv6 in canonical text, as a record shows it. */
export function item(host: string, port: number, ttl: number, target: string): ServiceItem {
  if (!host.includes(':')) return { host, kind: 'A', port, ttl, target };
  const ip = tryParseIp(host);
  return { host: ip === undefined ? host : formatIp(ip), kind: 'AAAA', port, ttl, target };
}

/** Whether a port answers to the `_port._protocol` of a name, where it has them. */
export function portMatches(port: IndexedPort, parsed: { readonly port: string; readonly protocol: string }): boolean {
  return (
    (parsed.port === '' || parsed.port === port.name.toLowerCase()) &&
    (parsed.protocol === '' || parsed.protocol === port.protocol.toLowerCase())
  );
}

function endpointName(address: IndexedAddress, slice: IndexedSlice, base: string): string {
  return slice.cluster === '' ? `${address.label}.${base}` : `${address.label}.${slice.cluster}.${base}`;
}

function hasAddress(slices: Iterable<IndexedSlice>): boolean {
  for (const slice of slices) if (slice.addresses.length > 0) return true;
  return false;
}

function sameIp(a: string, b: string): boolean {
  return a.includes(':') && tryParseIp(a) === tryParseIp(b);
}

import { addressRecord, soaRecord, srvRecord, srvWeight } from '../backend.ts';
import type { ResourceRecord } from '../message.ts';
import { fqdn, joinNames } from '../names.ts';
import type { IndexedService } from './cluster-index.ts';
import { item, type KubernetesRecords } from './records.ts';

/**
 * All records of a cluster zone in the order of CoreDNS: SOA, name servers, services by name, SOA. For a client that has
 * the current serial the SOA is all.
 */
export function transferRecords(records: KubernetesRecords, zone: string, serial: number): readonly ResourceRecord[] {
  const { options, index } = records;
  const soa = soaRecord(zone, options.ttl, index.modified);
  if (serial !== 0 && serial >= soa.data.serial) return [soa];
  const list: ResourceRecord[] = [soa];
  for (const server of records.nameServers(zone)) {
    const ns = joinNames('ns.dns', zone);
    list.push({ name: zone, class: 'IN', ttl: options.ttl, type: 'NS', data: ns }, addressRecord(ns, server));
  }
  const multicluster = options.multicluster.includes(zone);
  const services = multicluster ? index.serviceImports() : index.services();
  const exposed = [...services].filter(({ namespace }) => records.namespaceExposed(namespace));
  exposed.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.namespace < b.namespace ? -1 : 1));
  for (const service of exposed) list.push(...serviceRecords(records, service, zone, multicluster));
  list.push(soa);
  return list;
}

function* serviceRecords(
  records: KubernetesRecords,
  service: IndexedService,
  zone: string,
  multicluster: boolean,
): Generator<ResourceRecord> {
  const { ttl } = records.options;
  const base = joinNames(service.name, service.namespace, 'svc', zone);
  if (service.externalName !== undefined) {
    yield { name: base, class: 'IN', ttl, type: 'CNAME', data: fqdn(service.externalName) };
    return;
  }
  const named = service.ports.filter((port) => port.port !== -1 && port.name !== '');
  if (!service.headless) {
    for (const ip of service.clusterIps) yield addressRecord(base, item(ip, 0, ttl, base));
    for (const port of named) {
      // The whole service is one target, whatever the number of its addresses.
      yield srvRecord(base, ttl, 100, port.port, base);
      yield srvRecord(portName(port, base), ttl, 100, port.port, base);
    }
    return;
  }
  const key = `${service.name}.${service.namespace}`;
  const slices = [...(multicluster ? records.index.importSlices(key) : records.index.slices(key))];
  const weight = srvWeight(
    Math.max(
      1,
      slices.reduce((sum, slice) => sum + slice.addresses.length, 0),
    ),
  );
  for (const slice of slices) {
    for (const { ip, label } of slice.addresses) {
      const target = joinNames(label, base);
      yield addressRecord(base, item(ip, 0, ttl, base));
      yield addressRecord(target, item(ip, 0, ttl, target));
      for (const port of slice.ports) {
        if (port.port === -1 || port.name === '') continue;
        yield srvRecord(portName(port, base), ttl, weight, port.port, target);
      }
    }
  }
}

function portName(port: { readonly name: string; readonly protocol: string }, base: string): string {
  return `_${port.name.toLowerCase()}._${port.protocol.toLowerCase()}.${base}`;
}

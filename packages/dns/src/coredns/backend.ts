import type { AddressRecord, DnsMessage, NameRecord, ResourceRecord, SoaRecord, SrvRecord } from './message.ts';
import { fqdn, isSubDomain, joinNames } from './names.ts';
import { type Request, settled, type Waiting, withQuestion } from './plugin.ts';

/** One thing that a name stands for, before it becomes a record. */
export interface ServiceItem {
  /** An address, or a name to follow. */
  readonly host: string;
  readonly kind: 'A' | 'AAAA' | 'CNAME';
  /** Port, or -1 where there is none: addresses are answered, SRV is not. */
  readonly port: number;
  readonly ttl: number;
  /** The name that an SRV or NS record points to. */
  readonly target: string;
}

/** What a lookup found: items, or that the name does not exist. An empty list is NODATA. */
export type Found = readonly ServiceItem[] | 'name-error';

/** Source of names for {@link addressRecords} and the others: the kubernetes plugin, in the place of CoreDNS's etcd backend. */
export interface Backend {
  /** Items for the question of a request. `zone` keeps the case of the query. */
  services(request: Request, zone: string): Found;
  lookup(request: Request, name: string, type: string): Lookup;
}
export type Lookup = Waiting<DnsMessage | undefined>;

/** CNAMEs that may stand before a name; one more and the chain is not followed. */
const MAX_CNAME_CHAIN = 10;
const NONE: readonly never[] = [];

export interface Addresses {
  readonly records: readonly ResourceRecord[];
  readonly truncated: boolean;
}

/** A or AAAA records of the question, CNAMEs followed. After CoreDNS `plugin/backend_lookup.go`. */
export function addressRecords(
  backend: Backend,
  zone: string,
  request: Request,
  type: 'A' | 'AAAA',
  previous: readonly NameRecord[] = NONE,
): (Addresses | 'name-error') | Waiting<Addresses | 'name-error'> {
  const items = apexOrServices(backend, zone, request);
  if (items === 'name-error') return items;
  if (items.some(isAlias)) return followed(backend, zone, request, type, items, previous);
  return { records: plainRecords(items, request.question.name, type), truncated: false };
}

function isAlias({ kind }: ServiceItem): boolean {
  return kind === 'CNAME';
}

/** A record for each address of a type: several ports of a service have the same. */
function plainRecords(items: readonly ServiceItem[], name: string, type: 'A' | 'AAAA'): readonly ResourceRecord[] {
  const records: ResourceRecord[] = [];
  const seen = items.length > 1 ? new Set<string>() : undefined;
  for (const { kind, host, ttl } of items) {
    if (kind !== type || seen?.has(host) === true) continue;
    seen?.add(host);
    records.push({ name, class: 'IN', ttl, type, data: host });
  }
  return records;
}

function* followed(
  backend: Backend,
  zone: string,
  request: Request,
  type: 'A' | 'AAAA',
  items: readonly ServiceItem[],
  previous: readonly NameRecord[],
): Waiting<Addresses | 'name-error'> {
  const records: ResourceRecord[] = [];
  let truncated = false;
  const seen = new Set<string>();
  const owner = request.question.name;
  for (const item of items) {
    if (item.kind === type) {
      if (seen.has(item.host)) continue;
      seen.add(item.host);
      records.push({ name: owner, class: 'IN', ttl: item.ttl, type, data: item.host });
    } else if (item.kind === 'CNAME') {
      // A name that points to itself or below itself would never end.
      if (isSubDomain(owner, fqdn(item.host)) || previous.length > MAX_CNAME_CHAIN) continue;
      const record: NameRecord = { name: owner, class: 'IN', ttl: item.ttl, type: 'CNAME', data: fqdn(item.host) };
      if (previous.some((earlier) => earlier.data.toLowerCase() === record.data.toLowerCase())) continue;
      if (isSubDomain(zone, record.data)) {
        const inner = withQuestion(request, record.data, type);
        const next = yield* settled(addressRecords(backend, zone, inner, type, [...previous, record]));
        if (next === 'name-error') continue;
        if (next.records.length > 0) records.push(record, ...next.records);
        truncated ||= next.truncated;
      } else {
        const reply = yield* backend.lookup(request, record.data, type);
        if (reply === undefined) continue;
        truncated ||= reply.tc;
        records.push(record, ...reply.answers);
      }
    }
  }
  return { records, truncated };
}

/** The answers and the additional addresses of an SRV question. */
export interface SrvAnswer {
  readonly records: readonly ResourceRecord[];
  readonly extra: readonly ResourceRecord[];
}

/** SRV records: all targets share a weight of 100, counted before repeated targets are left out. */
export function* srvRecords(backend: Backend, zone: string, request: Request): Waiting<SrvAnswer | 'name-error'> {
  const items = backend.services(request, zone);
  if (items === 'name-error') return items;
  const records: SrvRecord[] = [];
  const extra: ResourceRecord[] = [];
  const seen = new Set<string>();
  const followed = new Set<string>();
  const weight = srvWeight(items.length);
  for (const item of items) {
    if (item.port === -1) continue;
    const target = item.kind === 'CNAME' ? fqdn(item.host) : item.target;
    if (!seen.has(`${target} ${item.port}`)) {
      seen.add(`${target} ${item.port}`);
      records.push(srvRecord(request.question.name, item.ttl, weight, item.port, target));
    }
    if (item.kind !== 'CNAME') {
      const key = `${target} ${item.host}`;
      if (!seen.has(key)) {
        seen.add(key);
        extra.push(addressRecord(target, item));
      }
    } else if (!followed.has(target)) {
      followed.add(target);
      if (isSubDomain(zone, target)) {
        const addresses = yield* settled(addressRecords(backend, zone, withQuestion(request, target, 'A'), 'A'));
        if (addresses !== 'name-error') extra.push(...addresses.records);
      } else {
        const v4 = yield* backend.lookup(request, target, 'A');
        extra.push(...(v4?.answers ?? NONE));
        const v6 = yield* backend.lookup(request, target, 'AAAA');
        extra.push(...(v6?.answers ?? NONE).filter((record) => record.type !== 'CNAME'));
      }
    }
  }
  return { records, extra };
}

/** The share of one of `count` targets of equal priority, as CoreDNS rounds it. */
export function srvWeight(count: number): number {
  return Math.max(1, Math.floor((100 / (100 * count)) * 100));
}

export function srvRecord(name: string, ttl: number, weight: number, port: number, target: string): SrvRecord {
  return { name, class: 'IN', ttl, type: 'SRV', data: { priority: 0, weight, port, target } };
}

export function addressRecord(name: string, item: ServiceItem): AddressRecord {
  return { name, class: 'IN', ttl: item.ttl, type: item.kind === 'AAAA' ? 'AAAA' : 'A', data: item.host };
}

/** NS records of the zone, and the addresses of the servers. */
export function nsRecords(backend: Backend, zone: string, request: Request): SrvAnswer | 'name-error' {
  const items = backend.services(withQuestion(request, joinNames('ns.dns', zone), 'NS'), zone);
  if (items === 'name-error') return items;
  const records: NameRecord[] = [];
  const extra: ResourceRecord[] = [];
  const seen = new Set<string>();
  for (const item of items) {
    extra.push(addressRecord(item.target, item));
    if (seen.has(item.target)) continue;
    seen.add(item.target);
    records.push({ name: request.question.name, class: 'IN', ttl: item.ttl, type: 'NS', data: item.target });
  }
  return { records, extra };
}

/** The SOA record of a zone; negative answers of a long TTL are kept for five minutes at most. */
export function soaRecord(zone: string, ttl: number, serial: number): SoaRecord {
  return {
    name: zone,
    class: 'IN',
    ttl: Math.min(ttl, 300),
    type: 'SOA',
    data: {
      mname: joinNames('ns.dns', zone),
      rname: joinNames('hostmaster', zone),
      serial,
      refresh: 7200,
      retry: 1800,
      expire: 86400,
      minimum: ttl,
    },
  };
}

/** The zone itself stands for `apex.dns.<zone>` where that exists. */
function apexOrServices(backend: Backend, zone: string, request: Request): Found {
  if (request.name !== zone) return backend.services(request, zone);
  const apex = backend.services(withQuestion(request, joinNames('apex.dns', zone), request.question.type), zone);
  return apex === 'name-error' ? backend.services(request, zone) : apex;
}

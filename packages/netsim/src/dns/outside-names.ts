import { internalIPs } from '@netsim/control';
import type { Rcode, ResourceRecord } from '@netsim/dns';
import type { AnyObject, Gateway, Node, ObjectStore, Route, Service } from '@netsim/manifest';
import { familyOf, tryParseIp } from '@netsim/wire';

/** What the name servers of the world answer, as far as the manifests tell. */
export interface OutsideAnswer {
  readonly rcode: Rcode;
  readonly records: readonly ResourceRecord[];
  /** False where the manifests say nothing of the name: then the rcode is SERVFAIL, which is a guess of nobody. */
  readonly known: boolean;
}

/** Records of external-dns: its DNSEndpoint objects, and the annotation that it reads. */
const HOSTNAME_ANNOTATION = 'external-dns.alpha.kubernetes.io/hostname';
const TARGET_ANNOTATION = 'external-dns.alpha.kubernetes.io/target';
const ROUTE_KINDS = ['HTTPRoute', 'GRPCRoute', 'TLSRoute'];
const KINDS = ['DNSEndpoint', 'Service', 'Ingress', 'Node', 'Gateway', ...ROUTE_KINDS];
const TTL = 300;
/** Aliases of aliases that are followed. */
const MAX_CHAIN = 16;

/**
 * Top-level domains under which a name may exist: two letters, or one of the common ones. Others, such as `default` or
 * `local`, are not in the root zone: its servers answer NXDOMAIN.
 */
const topLevel: ReadonlySet<string> = new Set(
  `com net org edu gov mil int info biz name pro mobi asia cat jobs tel travel xxx post arpa aero coop museum app dev page cloud
  online site shop store tech blog xyz club live life world today news media agency digital solutions services systems network
  host hosting email company group team work works zone space website design studio art academy center city finance bank money
  global international foundation wiki software codes tools guru ninja rocks fun top win vip icu run sh google amazon microsoft
  aws azure youtube apple bmw`.split(/\s+/),
);

interface Entry {
  readonly type: string;
  readonly data: string;
  readonly ttl: number;
}

/**
 * The DNS of the world outside. It knows what external-dns would publish for the manifests (DNSEndpoint objects, the
 * annotation on services, the hosts of an Ingress or a Gateway's route that has an address) and which top-level domains there are. Of any other
 * name the manifests say nothing.
 */
export class OutsideNames {
  readonly #store: ObjectStore;
  #zone: ReadonlyMap<string, readonly Entry[]> | undefined;

  constructor(store: ObjectStore) {
    this.#store = store;
    for (const kind of KINDS) {
      store.watch(kind, () => {
        this.#zone = undefined;
      });
    }
  }

  /** Whether the manifests tell of a name outside. */
  has(name: string): boolean {
    this.#zone ??= readZone(this.#store);
    return this.#entries(plain(name)) !== undefined;
  }

  /** Whether a name could be one of the world's: its top-level domain is in the root zone, or the manifests tell of it. */
  mayExist(name: string): boolean {
    return this.has(name) || mayExist(name);
  }

  answer(name: string, type: string): OutsideAnswer {
    this.#zone ??= readZone(this.#store);
    const records: ResourceRecord[] = [];
    let at = plain(name);
    for (let step = 0; step < MAX_CHAIN; step++) {
      const entries = this.#entries(at);
      const owner = step === 0 ? absolute(name) : absolute(at);
      if (entries === undefined) {
        if (mayExist(at)) return { rcode: 'SERVFAIL', records: [], known: false };
        return { rcode: 'NXDOMAIN', records, known: true };
      }
      const wanted = entries.filter((entry) => entry.type === type || type === 'ANY');
      records.push(...wanted.flatMap((entry) => recordOf(owner, entry)));
      const alias = entries.find((entry) => entry.type === 'CNAME');
      if (alias === undefined || wanted.includes(alias)) return { rcode: 'NOERROR', records, known: true };
      records.push(...recordOf(owner, alias));
      at = plain(alias.data);
    }
    return { rcode: 'SERVFAIL', records: [], known: true };
  }

  /** Those of the name itself, else of the nearest wildcard. */
  #entries(name: string): readonly Entry[] | undefined {
    const own = this.#zone!.get(name);
    if (own !== undefined) return own;
    for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
      const wild = this.#zone!.get(`*${name.slice(dot)}`);
      if (wild !== undefined) return wild;
    }
    return undefined;
  }
}

function mayExist(name: string): boolean {
  const labels = plain(name).split('.');
  const last = labels.at(-1)!;
  if (labels.length < 2) return false;
  if (last === 'arpa') return false;
  return /^[a-z]{2}$/.test(last) || /^xn--/.test(last) || topLevel.has(last);
}

function readZone(store: ObjectStore): ReadonlyMap<string, readonly Entry[]> {
  const zone = new Map<string, Entry[]>();
  const add = (name: string, entry: Entry): void => {
    const entries = zone.get(plain(name));
    if (entries === undefined) zone.set(plain(name), [entry]);
    else if (!entries.some(({ type, data }) => type === entry.type && data === entry.data)) entries.push(entry);
  };
  const publish = (names: readonly string[], targets: readonly string[]): void => {
    for (const name of names) for (const target of targets) add(name, { ...targetRecord(target), ttl: TTL });
  };
  for (const { spec } of store.list<AnyObject & { spec?: DnsEndpointSpec }>('DNSEndpoint')) {
    for (const { dnsName, recordType = '', targets, recordTTL } of asList(spec?.endpoints)) {
      if (typeof dnsName !== 'string') continue;
      const ttl = typeof recordTTL === 'number' && recordTTL > 0 ? recordTTL : TTL;
      for (const target of asList(targets)) {
        const { type, data } = targetRecord(String(target));
        add(dnsName, { type: recordType === '' ? type : recordType.toUpperCase(), data, ttl });
      }
    }
  }
  for (const service of store.list<Service>('Service')) {
    const names = words(service.metadata.annotations?.[HOSTNAME_ANNOTATION]);
    if (names.length > 0) publish(names, serviceTargets(service, store));
  }
  for (const { metadata, spec, status } of store.list<AnyObject & WithHosts>('Ingress')) {
    const hosts = asList(spec?.rules).flatMap(({ host }) => (typeof host === 'string' && host !== '' ? [host] : []));
    const given = words(metadata.annotations?.[TARGET_ANNOTATION]);
    const targets = given.length > 0 ? given : ingressTargets(status);
    publish([...hosts, ...words(metadata.annotations?.[HOSTNAME_ANNOTATION])], targets);
  }
  for (const route of ROUTE_KINDS.flatMap((kind) => store.list<Route>(kind))) {
    publish(route.spec.hostnames ?? [], routeTargets(route, store));
  }
  return zone;
}

/** What external-dns publishes for the hostnames of a route: the addresses of the Gateways that have accepted it. */
function routeTargets({ metadata, status }: Route, store: ObjectStore): string[] {
  return (status?.parents ?? []).flatMap(({ parentRef, conditions }) => {
    if (!conditions.some(({ type, status: is }) => type === 'Accepted' && is === 'True')) return [];
    const gateway = store.get<Gateway>('Gateway', parentRef.namespace ?? metadata.namespace, parentRef.name);
    const given = words(gateway?.metadata.annotations?.[TARGET_ANNOTATION]);
    return given.length > 0 ? given : (gateway?.status?.addresses ?? []).flatMap(({ value }) => value ?? []);
  });
}

/** What external-dns publishes for a service: its load balancer, its external IPs, or the nodes for its node ports. */
function serviceTargets({ metadata, spec, status }: Service, store: ObjectStore): string[] {
  const given = words(metadata.annotations?.[TARGET_ANNOTATION]);
  if (given.length > 0) return given;
  if (spec.externalIPs !== undefined && spec.externalIPs.length > 0) return [...spec.externalIPs];
  if (spec.type === 'LoadBalancer') return ingressTargets(status);
  if (spec.type === 'NodePort') return store.list<Node>('Node').flatMap((node) => internalIPs(node));
  return [];
}

function ingressTargets(status: WithHosts['status']): string[] {
  return asList(status?.loadBalancer?.ingress).flatMap(({ ip, hostname }) => ip ?? hostname ?? []);
}

interface DnsEndpointSpec {
  readonly endpoints?: readonly {
    readonly dnsName?: string;
    readonly recordType?: string;
    readonly targets?: readonly string[];
    readonly recordTTL?: number;
  }[];
}
interface WithHosts {
  readonly spec?: { readonly rules?: readonly { readonly host?: string }[] };
  readonly status?: {
    readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string; readonly hostname?: string }[] };
  };
}

/** Custom resources are not checked: what should be a list may be anything. */
function asList<T>(value: readonly T[] | undefined): readonly T[] {
  return Array.isArray(value) ? value.filter((each) => each !== null && each !== undefined) : [];
}

function words(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
}

function targetRecord(target: string): { type: string; data: string } {
  const ip = tryParseIp(target);
  if (ip === undefined) return { type: 'CNAME', data: target };
  return { type: familyOf(ip) === 4 ? 'A' : 'AAAA', data: target };
}

function recordOf(name: string, { type, data, ttl }: Entry): ResourceRecord[] {
  const owner = { name, class: 'IN', ttl };
  switch (type) {
    case 'A':
    case 'AAAA':
      return tryParseIp(data) === undefined ? [] : [{ ...owner, type, data }];
    case 'CNAME':
    case 'NS':
    case 'PTR':
      return [{ ...owner, type, data: absolute(data) }];
    case 'TXT':
      return [{ ...owner, type, data: [data.replace(/^"(.*)"$/, '$1')] }];
    case 'MX': {
      const [preference = '', exchange = ''] = data.split(/\s+/);
      return [{ ...owner, type, data: { preference: Number(preference) || 0, exchange: absolute(exchange) } }];
    }
    case 'SRV': {
      const [priority, weight, port, target = ''] = data.split(/\s+/);
      const numbers = { priority: Number(priority) || 0, weight: Number(weight) || 0, port: Number(port) || 0 };
      return [{ ...owner, type, data: { ...numbers, target: absolute(target) } }];
    }
    default:
      return [];
  }
}

function plain(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}
function absolute(name: string): string {
  return name.endsWith('.') ? name : `${name}.`;
}

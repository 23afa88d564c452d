import {
  type AnyObject,
  type EndpointSlice,
  type KubeObject,
  matchesSelector,
  type ObjectStore,
  type Pod,
  type Selector,
  type Service,
} from '@netsim/manifest';
import { formatIp, tryParseIp } from '@netsim/wire';

/** A port of a service or a slice; -1 stands for none, so that a thing without ports still has one entry. */
export interface IndexedPort {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
}
export interface IndexedService {
  readonly name: string;
  readonly namespace: string;
  readonly headless: boolean;
  /** Of type ExternalName. */
  readonly externalName?: string;
  readonly clusterIps: readonly string[];
  /** externalIPs and the addresses and names of the load balancer. */
  readonly externalIps: readonly string[];
  readonly ports: readonly IndexedPort[];
}
export interface IndexedAddress {
  readonly ip: string;
  /** DNS label of the endpoint, as `endpoint_pod_names` is set. */
  readonly label: string;
  readonly zone: string;
}
export interface IndexedSlice {
  /** `service.namespace`. */
  readonly key: string;
  readonly namespace: string;
  /** Of a multi-cluster slice. */
  readonly cluster: string;
  readonly addresses: readonly IndexedAddress[];
  readonly ports: readonly IndexedPort[];
}
export interface IndexedPod {
  readonly name: string;
  readonly namespace: string;
  readonly ip: string;
}

export interface IndexOptions {
  readonly labels?: Selector;
  readonly namespaceLabels?: Selector;
  readonly endpointPodNames: boolean;
  readonly noEndpoints: boolean;
  readonly watchPods: boolean;
}

const NO_PORTS: readonly IndexedPort[] = [{ name: '', protocol: '', port: -1 }];
const SERVICE_NAME = 'kubernetes.io/service-name';
const MC_SERVICE_NAME = 'multicluster.kubernetes.io/service-name';
const MC_CLUSTER = 'multicluster.kubernetes.io/source-cluster';
const MAX_LABEL = 63;

/**
 * What CoreDNS keeps of the API: services, endpoint slices, namespaces and pods, by name and by address. It follows the
 * store; the cost of a change is that of the object that changed.
 */
export class ClusterIndex {
  readonly #options: IndexOptions;
  readonly #services = new Map<string, IndexedService>();
  readonly #imports = new Map<string, IndexedService>();
  readonly #slices = new Map<string, Map<string, IndexedSlice>>();
  readonly #importSlices = new Map<string, Map<string, IndexedSlice>>();
  readonly #namespaces = new Map<string, boolean>();
  readonly #servicesByIp = new Map<string, Set<IndexedService>>();
  readonly #servicesByExternalIp = new Map<string, Set<IndexedService>>();
  readonly #slicesByIp = new Map<string, Set<IndexedSlice>>();
  readonly #podsByIp = new Map<string, Set<IndexedPod>>();
  readonly #pods = new Map<string, IndexedPod>();
  /** Which service a slice was indexed under, by the slice's name: its label may have changed since. */
  readonly #sliceOwners = new Map<string, string>();
  readonly #stop: (() => void)[] = [];
  readonly #listeners = new Set<() => void>();
  readonly #now: () => number;
  #modified: number;

  /** `now`: virtual time in seconds. */
  constructor(store: ObjectStore, options: IndexOptions, now: () => number) {
    this.#options = options;
    this.#now = now;
    this.#modified = Math.floor(now());
    this.#follow<KubeObject>(
      store,
      'Namespace',
      (object) => this.#putNamespace(object),
      (object) => this.#namespaces.delete(object.metadata.name),
    );
    this.#follow<Service>(
      store,
      'Service',
      (service) => this.#putService(service),
      (service) => this.#dropService(this.#services, serviceKey(service)),
    );
    this.#follow<AnyObject>(
      store,
      'ServiceImport',
      (object) => this.#putImport(object),
      (object) => this.#dropService(this.#imports, serviceKey(object)),
    );
    this.#follow<EndpointSlice>(
      store,
      'EndpointSlice',
      (slice) => this.#putSlice(slice),
      (slice) => this.#dropSlice(slice),
    );
    if (options.watchPods) {
      this.#follow<Pod>(
        store,
        'Pod',
        (pod) => this.#putPod(pod),
        (pod) => this.#dropPod(pod),
      );
    }
  }

  /** Unix time of the last change that answers depend on: the serial of the zone. */
  get modified(): number {
    return this.#modified;
  }

  /** Calls back after each change. Returns what ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Ends the watch. */
  close(): void {
    for (const stop of this.#stop) stop();
  }

  /** Whether the namespace exists, and is selected. */
  namespaceExists(name: string): boolean {
    return this.#namespaces.get(name) === true;
  }
  service(key: string): IndexedService | undefined {
    return this.#services.get(key);
  }
  serviceImport(key: string): IndexedService | undefined {
    return this.#imports.get(key);
  }
  services(): Iterable<IndexedService> {
    return this.#services.values();
  }
  serviceImports(): Iterable<IndexedService> {
    return this.#imports.values();
  }
  slices(key: string): Iterable<IndexedSlice> {
    return this.#slices.get(key)?.values() ?? [];
  }
  importSlices(key: string): Iterable<IndexedSlice> {
    return this.#importSlices.get(key)?.values() ?? [];
  }
  servicesByIp(ip: string): Iterable<IndexedService> {
    return this.#servicesByIp.get(ip) ?? [];
  }
  servicesByExternalIp(ip: string): Iterable<IndexedService> {
    return this.#servicesByExternalIp.get(ip) ?? [];
  }
  slicesByIp(ip: string): Iterable<IndexedSlice> {
    return this.#slicesByIp.get(ip) ?? [];
  }
  podsByIp(ip: string): Iterable<IndexedPod> {
    return this.#podsByIp.get(ip) ?? [];
  }

  #follow<T extends KubeObject>(
    store: ObjectStore,
    kind: string,
    put: (object: T) => void,
    drop: (object: T) => void,
  ): void {
    for (const object of store.list<T>(kind)) put(object);
    this.#stop.push(
      store.watch(kind, (event) => {
        // The store hands out what was put under the kind.
        const object = event.object as T;
        if (event.type === 'DELETED') drop(object);
        else put(object);
        this.#modified = Math.floor(this.#now());
        for (const listener of this.#listeners) listener();
      }),
    );
  }

  #putNamespace({ metadata }: KubeObject): void {
    const selector = this.#options.namespaceLabels;
    this.#namespaces.set(metadata.name, selector === undefined || matchesSelector(selector, metadata.labels));
  }

  #putService(service: Service): void {
    const key = serviceKey(service);
    this.#dropService(this.#services, key);
    const { labels } = this.#options;
    if (labels !== undefined && !matchesSelector(labels, service.metadata.labels)) return;
    this.#addService(this.#services, key, indexService(service));
  }

  #putImport(object: AnyObject): void {
    const key = serviceKey(object);
    this.#dropService(this.#imports, key);
    this.#addService(this.#imports, key, indexImport(object));
  }

  #addService(into: Map<string, IndexedService>, key: string, service: IndexedService): void {
    into.set(key, service);
    if (into !== this.#services) return;
    for (const ip of service.clusterIps) if (ip !== 'None') add(this.#servicesByIp, ip, service);
    for (const ip of service.externalIps) add(this.#servicesByExternalIp, ip, service);
  }

  #dropService(from: Map<string, IndexedService>, key: string): void {
    const service = from.get(key);
    if (service === undefined) return;
    from.delete(key);
    if (from !== this.#services) return;
    for (const ip of service.clusterIps) remove(this.#servicesByIp, ip, service);
    for (const ip of service.externalIps) remove(this.#servicesByExternalIp, ip, service);
  }

  #putSlice(slice: EndpointSlice): void {
    this.#dropSlice(slice);
    if (this.#options.noEndpoints || slice.addressType === 'FQDN') return;
    const { name, namespace = '', labels } = slice.metadata;
    const wanted = this.#options.labels;
    if (wanted !== undefined && !matchesSelector(wanted, labels)) return;
    const service = labels?.[SERVICE_NAME];
    const imported = labels?.[MC_SERVICE_NAME];
    const into = service === undefined ? this.#importSlices : this.#slices;
    const owner = service ?? imported;
    if (owner === undefined) return;
    const indexed = this.#indexSlice(slice, `${owner}.${namespace}`);
    let ofService = into.get(indexed.key);
    if (ofService === undefined) {
      ofService = new Map();
      into.set(indexed.key, ofService);
    }
    ofService.set(`${namespace}/${name}`, indexed);
    if (into === this.#slices) for (const { ip } of indexed.addresses) add(this.#slicesByIp, ip, indexed);
  }

  #dropSlice({ metadata }: EndpointSlice): void {
    const { name, namespace = '' } = metadata;
    const id = `${namespace}/${name}`;
    const known = this.#sliceOwners.get(id);
    if (known === undefined) return;
    this.#sliceOwners.delete(id);
    for (const from of [this.#slices, this.#importSlices]) {
      const ofService = from.get(known);
      const slice = ofService?.get(id);
      if (ofService === undefined || slice === undefined) continue;
      ofService.delete(id);
      if (ofService.size === 0) from.delete(known);
      for (const { ip } of slice.addresses) remove(this.#slicesByIp, ip, slice);
    }
  }

  #indexSlice(slice: EndpointSlice, key: string): IndexedSlice {
    const { name, namespace = '', labels } = slice.metadata;
    this.#sliceOwners.set(`${namespace}/${name}`, key);
    const addresses: IndexedAddress[] = [];
    for (const endpoint of slice.endpoints ?? []) {
      // Not said is as good as ready.
      if (endpoint.conditions?.ready === false) continue;
      for (const ip of endpoint.addresses) {
        addresses.push({ ip, label: this.#endpointLabel(endpoint, ip), zone: endpoint.zone ?? '' });
      }
    }
    const ports = (slice.ports ?? []).flatMap((port) =>
      typeof port.port === 'number'
        ? [{ name: port.name ?? '', protocol: port.protocol ?? 'TCP', port: port.port }]
        : [],
    );
    return {
      key,
      namespace,
      cluster: labels?.[MC_CLUSTER] ?? '',
      addresses,
      ports: ports.length === 0 ? NO_PORTS : ports,
    };
  }

  #endpointLabel(endpoint: NonNullable<EndpointSlice['endpoints']>[number], ip: string): string {
    const pod = endpoint.targetRef?.name ?? '';
    return endpointLabel(endpoint.hostname ?? '', ip, pod, this.#options.endpointPodNames);
  }

  #putPod(pod: Pod): void {
    this.#dropPod(pod);
    const { name, namespace = '', deletionTimestamp } = pod.metadata;
    const { phase, podIP = '' } = pod.status ?? {};
    if (deletionTimestamp !== undefined || phase === 'Succeeded' || phase === 'Failed' || phase === 'Unknown') return;
    if (podIP === '') return;
    const indexed = { name, namespace, ip: podIP };
    this.#pods.set(`${namespace}/${name}`, indexed);
    add(this.#podsByIp, podIP, indexed);
  }

  #dropPod({ metadata }: Pod): void {
    const id = `${metadata.namespace ?? ''}/${metadata.name}`;
    const pod = this.#pods.get(id);
    if (pod === undefined) return;
    this.#pods.delete(id);
    remove(this.#podsByIp, pod.ip, pod);
  }
}

/** The label under which an endpoint is known: its hostname, its pod's name where that is wanted, or its dashed address. */
export function endpointLabel(hostname: string, ip: string, podName: string, podNames: boolean): string {
  if (hostname !== '') return hostname;
  if (podNames && podName !== '' && podName.length <= MAX_LABEL) return podName;
  if (ip.includes('.')) return ip.replaceAll('.', '-');
  const dashed = ip.replaceAll(':', '-');
  // A label must not end in a dash.
  return dashed.endsWith('-') ? `${dashed}0` : dashed;
}

function indexService({ metadata, spec, status }: Service): IndexedService {
  const ips = spec.clusterIPs ?? [];
  // A service that was not given an address yet has none to answer with.
  const clusterIps = (ips.length > 0 ? ips : [spec.clusterIP ?? '']).filter((ip) => ip !== '');
  const ingress = status?.loadBalancer?.ingress ?? [];
  const service: IndexedService = {
    name: metadata.name,
    namespace: metadata.namespace ?? '',
    headless: clusterIps[0] === 'None',
    clusterIps,
    externalIps: [...(spec.externalIPs ?? []), ...ingress.map(({ ip, hostname }) => ip || hostname || '')].filter(
      (ip) => ip !== '',
    ),
    ports: portsOf(spec.ports),
  };
  return spec.type === 'ExternalName' ? { ...service, externalName: spec.externalName ?? '' } : service;
}

interface ImportSpec {
  readonly type?: string;
  readonly ips?: readonly string[];
  readonly ports?: Service['spec']['ports'];
}

function indexImport(object: AnyObject): IndexedService {
  // The API keeps the addresses and ports of an import under spec.
  const spec = (object.spec ?? {}) as ImportSpec;
  const headless = spec.type === 'Headless';
  return {
    name: object.metadata.name,
    namespace: object.metadata.namespace ?? '',
    headless,
    clusterIps: spec.ips ?? [],
    externalIps: [],
    ports: portsOf(spec.ports),
  };
}

function portsOf(ports: Service['spec']['ports']): readonly IndexedPort[] {
  if (ports === undefined || ports === null || ports.length === 0) return NO_PORTS;
  return ports.map(({ name = '', protocol = 'TCP', port }) => ({ name, protocol, port }));
}

function serviceKey({ metadata }: KubeObject): string {
  return `${metadata.name}.${metadata.namespace ?? ''}`;
}

function add<T>(index: Map<string, Set<T>>, ip: string, entry: T): void {
  const key = canonical(ip);
  const set = index.get(key);
  if (set === undefined) index.set(key, new Set([entry]));
  else set.add(entry);
}

function remove<T>(index: Map<string, Set<T>>, ip: string, entry: T): void {
  const key = canonical(ip);
  const set = index.get(key);
  if (set === undefined) return;
  set.delete(entry);
  if (set.size === 0) index.delete(key);
}

/** IPv6 addresses may be written in several ways; IPv4 ones (and names) only in one. */
function canonical(ip: string): string {
  if (!ip.includes(':')) return ip;
  const parsed = tryParseIp(ip);
  return parsed === undefined ? ip : formatIp(parsed);
}

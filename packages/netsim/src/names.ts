import { internalIPs, isControlPlane, isReady, podIPs } from '@netsim/control';
import type { Deployment, KubeObject, Node, ObjectStore, Pod, Service, ServicePort } from '@netsim/manifest';
import { kindInfo, nearest } from '@netsim/manifest';
import { formatEndpoint, formatIp, type Ip, tryParseIp } from '@netsim/wire';
import type { AddressIndex } from './address-index.ts';
import { UsageError } from './errors.ts';
import { podListeners } from './listeners.ts';

/** Where a packet starts. */
export type SourceRef =
  | { readonly kind: 'Pod'; readonly pod: Pod }
  | { readonly kind: 'Node'; readonly node: Node }
  /** A machine outside: on the nodes' network, or `anywhere` beyond the router at an address of the user's choice. */
  | { readonly kind: 'Host'; readonly name: string; readonly ip: Ip; readonly anywhere: boolean };

/** Where it is sent. `port` is absent for ICMP. */
export interface DestinationRef {
  readonly text: string;
  readonly kind: 'Service' | 'Pod' | 'Node' | 'IP';
  readonly object?: KubeObject;
  readonly servicePort?: ServicePort;
  readonly ip: Ip;
  readonly port?: number;
  readonly protocol: TransportProtocol;
  /** For a URL: scheme, host and path. */
  readonly url?: URL;
}
export type TransportProtocol = 'tcp' | 'udp' | 'sctp' | 'icmp';
export const transportProtocols: readonly TransportProtocol[] = ['tcp', 'udp', 'sctp', 'icmp'];

/** A name that is to be looked up, and the port that is then asked. */
export interface AskedName {
  readonly host: string;
  readonly port?: string;
  /** Of the port, where an object tells it. */
  readonly protocol?: TransportProtocol;
  readonly url?: URL;
}

/** The machine outside the cluster that is always there. */
const EXTERNAL = 'external';

/** Kind words of kubectl that name things a packet can start from or go to. */
const kindWords: Record<string, string> = {
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
  host: 'Host',
};

/** Turns what users write into objects of the store; wrong names fail with the nearest right one. */
export class NameResolver {
  readonly #store: ObjectStore;
  readonly #namespace: string;
  readonly #clusterDomain: string;
  readonly #hostAddress: (name: string) => Ip | undefined;
  readonly #addresses: AddressIndex;

  constructor(options: {
    store: ObjectStore;
    namespace: string;
    clusterDomain: string;
    /** The address of a machine outside the cluster, which is put there at its first use. */
    hostAddress(name: string): Ip | undefined;
    addresses: AddressIndex;
  }) {
    this.#addresses = options.addresses;
    this.#store = options.store;
    this.#namespace = options.namespace;
    this.#clusterDomain = options.clusterDomain;
    this.#hostAddress = (name) => options.hostAddress(name);
  }

  source(text: string): SourceRef {
    if (text === '') throw new UsageError('the source is empty', 'write a pod, node/NAME, host/NAME or external');
    const ip = tryParseIp(text);
    if (ip !== undefined) return this.#sourceAddress(ip, text);
    if (text === EXTERNAL) return this.#host(EXTERNAL);
    const slash = text.indexOf('/');
    if (slash < 0) return { kind: 'Pod', pod: this.pod(text) };
    const kind = kindWords[text.slice(0, slash).toLowerCase()];
    const name = text.slice(slash + 1);
    switch (kind) {
      case 'Pod':
        return { kind: 'Pod', pod: this.pod(name) };
      case 'Deployment':
      case 'ReplicaSet':
        return { kind: 'Pod', pod: this.#podOf(kind, name) };
      case 'Node':
        return { kind: 'Node', node: this.#find('Node', name) as Node };
      case 'Host':
        return this.#host(name);
      case 'Service':
        throw new UsageError(
          `a service sends nothing: ${text}`,
          'name a pod, deploy/NAME, node/NAME, host/NAME or external',
        );
      default:
        if (this.#store.get('Namespace', undefined, text.slice(0, slash)) !== undefined)
          return { kind: 'Pod', pod: this.pod(text) };
        throw this.#unknownKind(text.slice(0, slash));
    }
  }

  /**
   * From outside the cluster a service is meant by the way that leads there from outside: its load balancer's address, or its node
   * port on a node.
   */
  destinationFrom(source: SourceRef, text: string, wanted: TransportProtocol | undefined): DestinationRef {
    const destination = this.destination(text, wanted);
    if (source.kind !== 'Host' || destination.kind !== 'Service') return destination;
    return this.#fromOutside(destination);
  }

  destination(text: string, wanted: TransportProtocol | undefined): DestinationRef {
    if (text === '')
      throw new UsageError(
        'the destination is empty',
        'write svc/NAME[:PORT], pod/NAME[:PORT], node/NAME:PORT or IP:PORT',
      );
    if (/^https?:\/\//i.test(text)) return this.#url(text);
    const slash = text.indexOf('/');
    if (slash > 0 && !text.startsWith('[')) {
      const kind = kindWords[text.slice(0, slash).toLowerCase()];
      const { host, port } = splitPort(text.slice(slash + 1));
      switch (kind) {
        case 'Service':
          return this.#service(text, this.#find('Service', host) as Service, port, wanted);
        case 'Pod':
          return this.#podDestination(text, this.pod(host), port, wanted);
        case 'Deployment':
        case 'ReplicaSet':
          return this.#podDestination(text, this.#podOf(kind, host), port, wanted);
        case 'Node':
          return this.#nodeDestination(text, this.#find('Node', host) as Node, port, wanted);
        case 'Host':
          throw new UsageError(`a host outside the cluster is a source only: ${text}`, 'write its IP:PORT');
        default:
          if (this.#store.get('Namespace', undefined, text.slice(0, slash)) !== undefined) {
            const { host: name, port: at } = splitPort(text);
            return this.#service(text, this.#find('Service', name) as Service, at, wanted);
          }
          throw this.#unknownKind(text.slice(0, slash));
      }
    }
    const { host, port } = splitPort(text);
    const ip = tryParseIp(host);
    const protocol = wanted ?? 'tcp';
    if (ip !== undefined) {
      return { text, kind: 'IP', ip, ...this.#number(port, protocol, text), protocol };
    }
    return this.#name(text, host, port, wanted);
  }

  /** The object that a destination names, also a service without a virtual IP, or a pod that has no address yet; and the port as written. */
  named(text: string): { object?: KubeObject; port?: string } {
    const slash = text.indexOf('/');
    if (slash <= 0 || text.startsWith('[') || /^https?:\/\//i.test(text)) return {};
    const kind = kindWords[text.slice(0, slash).toLowerCase()];
    const { host, port } = splitPort(text.slice(slash + 1));
    const at = port === undefined ? {} : { port };
    switch (kind) {
      case 'Service':
      case 'Pod':
        return { object: this.#find(kind, host), ...at };
      case 'Deployment':
      case 'ReplicaSet':
        return { object: this.#podOf(kind, host), ...at };
      default: {
        if (this.#store.get('Namespace', undefined, text.slice(0, slash)) === undefined) return {};
        const whole = splitPort(text);
        return { object: this.#find('Service', whole.host), ...(whole.port !== undefined && { port: whole.port }) };
      }
    }
  }

  /** The port of a service that is meant by its name or number, or the only one; an error where that says nothing. */
  portOf(service: Service, port: string | undefined, wanted: TransportProtocol | undefined): ServicePort | undefined {
    const { ports = [] } = service.spec;
    const found = pickPort(ports, port, wanted === 'icmp' ? undefined : wanted);
    if (found !== undefined || (port !== undefined && portNumber(port) !== undefined) || wanted === 'icmp')
      return found;
    if (port === undefined && ports.length === 0) return undefined;
    const { name } = service.metadata;
    throw portError(
      `service "${name}"`,
      ports.map((each) => ({ name: each.name, port: each.port })),
      port,
      `svc/${name}`,
    );
  }

  /** The name in a destination that is to be looked up (`name:port`, a URL with a name); undefined for all others. */
  nameToLookUp(text: string): AskedName | undefined {
    if (/^https?:\/\//i.test(text)) {
      const url = parseUrl(text);
      const host = url.hostname.replace(/^\[|\]$/g, '');
      return tryParseIp(host) === undefined ? { host, port: urlPort(url), url } : undefined;
    }
    if (text === '' || text.includes('/')) return undefined;
    const { host, port } = splitPort(text);
    return host === '' || tryParseIp(host) !== undefined
      ? undefined
      : { host, ...(port === undefined ? {} : { port }) };
  }

  /**
   * The name that a program in a pod would write for an object: a service's own, with its namespace where that is another than the
   * pod's, or a pod's `hostname.subdomain`. Undefined where the destination has none, or the source does not ask the cluster's DNS.
   */
  nameOfObject(source: SourceRef, text: string, wanted: TransportProtocol | undefined): AskedName | undefined {
    const { object, port } = source.kind === 'Pod' ? this.named(text) : {};
    if (source.kind !== 'Pod' || object === undefined) return undefined;
    const { name, namespace } = object.metadata;
    const suffix = namespace === source.pod.metadata.namespace ? '' : `.${namespace}`;
    if (object.kind === 'Service') {
      const found = this.portOf(object as Service, port, wanted);
      const asked = found === undefined ? port : String(found.port);
      return {
        host: `${name}${suffix}`,
        ...(asked !== undefined && { port: asked }),
        ...(found !== undefined && { protocol: protocolOf(found) }),
      };
    }
    const { hostname, subdomain } = (object as Pod).spec;
    if (hostname === undefined || subdomain === undefined) return undefined;
    return { host: `${hostname}.${subdomain}${suffix}`, ...(port !== undefined && { port }) };
  }

  /** The destination that a name has led to: the service or the pod with that address, or the bare address. */
  resolved(text: string, ip: Ip, wanted: TransportProtocol | undefined, asked: AskedName): DestinationRef {
    const { port, protocol: told, url } = asked;
    const transport = url === undefined ? (wanted ?? told) : 'tcp';
    const address = formatIp(ip);
    const more = url === undefined ? {} : { url };
    const service = this.#addresses.service(address);
    if (service !== undefined) return { ...this.#service(text, service, port, transport), ip, ...more };
    const pod = this.#addresses.pod(address);
    if (pod !== undefined) return { ...this.#podDestination(text, pod, port, transport), ip, ...more };
    const protocol = transport ?? 'tcp';
    return { text, kind: 'IP', ip, ...this.#number(port, protocol, text), protocol, ...more };
  }

  /** What has an address, and is sent to at a port: the service or the pod, or the bare address. */
  at(ip: Ip, port: number, protocol: TransportProtocol): DestinationRef {
    const address = formatIp(ip);
    const base = { text: formatEndpoint(ip, port), ip, port, protocol };
    const service = this.#addresses.service(address);
    if (service !== undefined) {
      const servicePort = pickPort(service.spec.ports ?? [], String(port), protocol);
      return { ...base, kind: 'Service', object: service, ...(servicePort !== undefined && { servicePort }) };
    }
    const pod = this.#addresses.pod(address);
    return pod === undefined ? { ...base, kind: 'IP' } : { ...base, kind: 'Pod', object: pod };
  }

  /** A service whose name is like one that was not found. */
  similarService(host: string): string | undefined {
    const [wanted = ''] = host.split('.');
    const services = this.#store.list('Service', this.#namespace).map((object) => object.metadata.name);
    return services.includes(wanted) ? undefined : nearest(wanted, services);
  }

  /** The service that a name of one label means, where it is in another namespace than the asker's and in no more than that one. */
  serviceElsewhere(host: string, home: string | undefined): Service | undefined {
    const name = host.replace(/\.$/, '').toLowerCase();
    if (name.includes('.')) return undefined;
    const found = this.#store.list<Service>('Service').filter(({ metadata }) => metadata.name === name);
    return found.length === 1 && found[0]!.metadata.namespace !== home ? found[0] : undefined;
  }

  /** Finds a pod by `name`, `name.namespace` or `namespace/name`. */
  pod(name: string): Pod {
    return this.#find('Pod', name) as Pod;
  }

  node(name: string): Node {
    return this.#find('Node', name) as Node;
  }

  /** Any object, its kind by one of kubectl's words. */
  object(word: string, name: string): KubeObject {
    const kind = kindInfo(word)?.kind;
    if (kind === undefined) throw new UsageError(`${JSON.stringify(word)} is no kind of object`);
    return this.#find(kind, name);
  }

  #sourceAddress(ip: Ip, text: string): SourceRef {
    const wanted = formatIp(ip);
    const pod = this.#addresses.pod(wanted);
    if (pod !== undefined) return { kind: 'Pod', pod };
    for (const node of this.#store.list<Node>('Node')) {
      if (internalIPs(node).includes(wanted)) return { kind: 'Node', node };
    }
    return { kind: 'Host', name: text, ip, anywhere: true };
  }

  #host(name: string): SourceRef {
    const address = tryParseIp(name);
    if (address !== undefined) return this.#sourceAddress(address, name);
    const nodes = this.#store.list<Node>('Node').map(({ metadata }) => metadata.name);
    if (nodes.includes(name))
      throw new UsageError(`${JSON.stringify(name)} is a node of the cluster`, `write node/${name}`);
    const node = nearest(name, nodes);
    if (node !== undefined)
      throw new UsageError(`there is no node ${JSON.stringify(name)}`, `did you mean "node/${node}"?`);
    // `external2` is a name of one's own, `extrenal` is not.
    if (!name.startsWith(EXTERNAL) && nearest(name, [EXTERNAL]) !== undefined)
      throw new UsageError(`host ${JSON.stringify(name)} not found`, `did you mean "${EXTERNAL}"?`);
    if (name.length > 63 || !/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(name))
      throw new UsageError(
        `${JSON.stringify(name)} cannot be the name of a machine`,
        'write small letters, digits and -, 63 at most',
      );
    const ip = this.#hostAddress(name);
    if (ip === undefined) throw new UsageError('the cluster has no node, so no machine is on its network');
    return { kind: 'Host', name, ip, anywhere: false };
  }

  #unknownKind(word: string): UsageError {
    return new UsageError(
      `${JSON.stringify(word)} is no kind of source or destination`,
      didYouMean(word, ['pod', 'svc', 'service', 'node', 'deploy', 'rs', 'host']) ??
        'known: pod, svc, node, deploy, rs, host',
    );
  }

  #find(kind: string, name: string): KubeObject {
    if (kindInfo(kind)?.namespaced === false) {
      const object = this.#store.get(kind, undefined, name);
      if (object !== undefined) return object;
      throw this.#notFound(kind, name);
    }
    const slash = name.indexOf('/');
    if (slash > 0) {
      const object = this.#store.get(kind, name.slice(0, slash), name.slice(slash + 1));
      if (object !== undefined) return object;
      throw this.#notFound(kind, name);
    }
    const here = this.#store.get(kind, this.#namespace, name);
    if (here !== undefined) return here;
    const dot = name.lastIndexOf('.');
    if (dot > 0) {
      const there = this.#store.get(kind, name.slice(dot + 1), name.slice(0, dot));
      if (there !== undefined) return there;
    }
    throw this.#notFound(kind, name);
  }

  #notFound(kind: string, name: string): UsageError {
    const word = kind.toLowerCase();
    const where = kind === 'Node' || name.includes('/') ? '' : ` in namespace "${this.#namespace}"`;
    const all = this.#store.list(kind);
    const elsewhere = all.find((object) => object.metadata.name === name);
    if (elsewhere?.metadata.namespace !== undefined) {
      return new UsageError(
        `${word} "${name}" not found${where}`,
        `it is in namespace "${elsewhere.metadata.namespace}": write ${word === 'service' ? 'svc' : word}/${name}.${elsewhere.metadata.namespace} or use -n`,
      );
    }
    const hint = didYouMean(
      name,
      all.map((object) => object.metadata.name),
    );
    const inNamespace = all.filter((object) => kind === 'Node' || object.metadata.namespace === this.#namespace);
    const known = inNamespace
      .slice(0, 8)
      .map((object) => object.metadata.name)
      .join(', ');
    const other = kind === 'Pod' ? this.#store.get('Service', this.#namespace, name) : undefined;
    if (other !== undefined && hint === undefined) {
      return new UsageError(`pod "${name}" not found${where}`, `there is a service of that name: svc/${name}`);
    }
    return new UsageError(
      `${word} "${name}" not found${where}`,
      hint ??
        (known === '' ? `there is no ${word}${where}` : `known: ${known}${inNamespace.length > 8 ? ', ...' : ''}`),
    );
  }

  #podOf(kind: 'Deployment' | 'ReplicaSet', name: string): Pod {
    const owner = this.#find(kind, name) as Deployment;
    const uid = owner.metadata.uid;
    const namespace = owner.metadata.namespace;
    const owners = new Set([uid]);
    if (kind === 'Deployment') {
      for (const rs of this.#store.list('ReplicaSet', namespace)) {
        if (rs.metadata.ownerReferences?.some((reference) => reference.uid === uid)) owners.add(rs.metadata.uid);
      }
    }
    const pods = this.#store
      .list<Pod>('Pod', namespace)
      .filter(
        (pod) => pod.metadata.ownerReferences?.some((reference) => owners.has(reference.uid)) && podIPs(pod).length > 0,
      )
      .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
    const pod = pods.find((candidate) => isReady(candidate)) ?? pods[0];
    if (pod === undefined) throw new UsageError(`${kind.toLowerCase()} "${name}" has no running pod`);
    return pod;
  }

  #service(
    text: string,
    service: Service,
    port: string | undefined,
    wanted: TransportProtocol | undefined,
  ): DestinationRef {
    const { clusterIP, ports = [] } = service.spec;
    const name = service.metadata.name;
    const ip = clusterIP === undefined || clusterIP === 'None' ? undefined : tryParseIp(clusterIP);
    if (ip === undefined) {
      const what =
        service.spec.type === 'ExternalName'
          ? 'is of type ExternalName'
          : clusterIP === 'None'
            ? 'is headless'
            : 'has no cluster IP';
      throw new UsageError(
        `service "${name}" ${what}: there is no virtual IP to send to`,
        'name one of its pods, or trace with --dns from a pod',
      );
    }
    const base = { text, kind: 'Service' as const, object: service, ip };
    if (wanted === 'icmp') return { ...base, protocol: 'icmp' };
    const found = pickPort(ports, port, wanted);
    if (found !== undefined) {
      return { ...base, servicePort: found, port: found.port, protocol: wanted ?? protocolOf(found) };
    }
    const number = port === undefined ? undefined : portNumber(port);
    // A number that the service does not have is still a packet that can be sent: the trace shows what becomes of it.
    if (number !== undefined) return { ...base, port: number, protocol: wanted ?? 'tcp' };
    if (wanted !== undefined && !ports.some((each) => protocolOf(each) === wanted)) {
      const known = ports.map((each) => `${protocolOf(each)} ${each.port}`).join(', ');
      throw new UsageError(`service "${name}" has no ${wanted} port`, `its ports: ${known === '' ? 'none' : known}`);
    }
    throw portError(
      `service "${name}"`,
      ports.map((p) => ({ name: p.name, port: p.port })),
      port,
      `svc/${name}`,
    );
  }

  #fromOutside(destination: DestinationRef): DestinationRef {
    const service = destination.object as Service;
    const { servicePort } = destination;
    const [ingress] = service.status?.loadBalancer?.ingress ?? [];
    const external = tryParseIp(ingress?.ip ?? service.spec.externalIPs?.[0] ?? '');
    if (external !== undefined) return { ...destination, ip: external };
    const nodes = this.#store.list<Node>('Node').filter((each) => internalIPs(each).length > 0);
    const node = nodes.find((each) => !isControlPlane(each)) ?? nodes[0];
    const ip = node === undefined ? undefined : tryParseIp(internalIPs(node)[0]!);
    if (servicePort?.nodePort === undefined || ip === undefined) return destination;
    return { ...destination, ip, port: servicePort.nodePort };
  }

  #podDestination(
    text: string,
    pod: Pod,
    port: string | undefined,
    wanted: TransportProtocol | undefined,
  ): DestinationRef {
    const ipText = podIPs(pod)[0];
    const ip = ipText === undefined ? undefined : tryParseIp(ipText);
    const name = pod.metadata.name;
    if (ip === undefined)
      throw new UsageError(`pod "${name}" has no IP yet`, `its phase is ${pod.status?.phase ?? 'Pending'}`);
    const base = { text, kind: 'Pod' as const, object: pod, ip };
    if (wanted === 'icmp') return { ...base, protocol: 'icmp' };
    const declared = pod.spec.containers.flatMap((container) => container.ports ?? []);
    const named = declared.find((p) => p.name === port);
    if (named !== undefined) {
      return {
        ...base,
        port: named.containerPort,
        protocol: wanted ?? ((named.protocol ?? 'TCP').toLowerCase() as TransportProtocol),
      };
    }
    const number = port === undefined ? undefined : portNumber(port);
    if (number !== undefined) return { ...base, port: number, protocol: wanted ?? 'tcp' };
    const open = podListeners(pod).listeners.filter((listener) => wanted === undefined || listener.protocol === wanted);
    if (port === undefined && open.length === 1) return { ...base, port: open[0]!.port, protocol: open[0]!.protocol };
    throw portError(
      `pod "${name}"`,
      open.map((listener) => ({
        name: declared.find((p) => p.containerPort === listener.port)?.name,
        port: listener.port,
      })),
      port,
      `pod/${name}`,
    );
  }

  #nodeDestination(
    text: string,
    node: Node,
    port: string | undefined,
    wanted: TransportProtocol | undefined,
  ): DestinationRef {
    const ip = tryParseIp(internalIPs(node)[0] ?? '');
    if (ip === undefined) throw new UsageError(`node "${node.metadata.name}" has no address`);
    const protocol = wanted ?? 'tcp';
    return { text, kind: 'Node', object: node, ip, ...this.#number(port, protocol, text), protocol };
  }

  #number(port: string | undefined, protocol: TransportProtocol, text: string): { port?: number } {
    if (protocol === 'icmp') return {};
    const number = port === undefined ? undefined : portNumber(port);
    if (number === undefined) {
      throw new UsageError(
        port === undefined ? `${text} has no port` : `${JSON.stringify(port)} is not a port`,
        `write ${withoutPort(text)}:PORT with a port of 1 to 65535, or use --protocol icmp`,
      );
    }
    return { port: number };
  }

  #url(text: string): DestinationRef {
    const url = parseUrl(text);
    const port = urlPort(url);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const ip = tryParseIp(host);
    if (ip !== undefined) return { text, kind: 'IP', ip, port: Number(port), protocol: 'tcp', url };
    return { ...this.#name(text, host, port, 'tcp'), url };
  }

  /** A DNS name of a service: `kubia`, `kubia.ns`, `kubia.ns.svc`, `kubia.ns.svc.DOMAIN`. */
  #name(text: string, host: string, port: string | undefined, wanted: TransportProtocol | undefined): DestinationRef {
    const service = this.serviceByName(host);
    if (service === undefined) {
      const services = this.#store.list('Service', this.#namespace).map((object) => object.metadata.name);
      throw new UsageError(
        `${JSON.stringify(host)} is neither an address nor the name of a service`,
        didYouMean(host, services) ?? `known services: ${services.slice(0, 8).join(', ')}`,
      );
    }
    return this.#service(text, service, port, wanted);
  }

  serviceByName(host: string): Service | undefined {
    let name = host.toLowerCase().replace(/\.$/, '');
    for (const suffix of [`.svc.${this.#clusterDomain}`, '.svc']) {
      if (name.endsWith(suffix)) {
        name = name.slice(0, -suffix.length);
        break;
      }
    }
    const labels = name.split('.');
    if (labels.length > 2) return undefined;
    return this.#store.get<Service>('Service', labels[1] ?? this.#namespace, labels[0]!);
  }
}

function parseUrl(text: string): URL {
  try {
    return new URL(text);
  } catch {
    throw new UsageError(`${JSON.stringify(text)} is not a URL`);
  }
}

function urlPort({ port, protocol }: URL): string {
  return port === '' ? (protocol === 'https:' ? '443' : '80') : port;
}

function protocolOf(port: ServicePort): TransportProtocol {
  return (port.protocol ?? 'TCP').toLowerCase() as TransportProtocol;
}

function pickPort(
  ports: readonly ServicePort[],
  port: string | undefined,
  wanted: TransportProtocol | undefined,
): ServicePort | undefined {
  const fitting = wanted === undefined ? ports : ports.filter((candidate) => protocolOf(candidate) === wanted);
  if (port === undefined) return fitting.length === 1 ? fitting[0] : undefined;
  return (
    fitting.find((candidate) => candidate.name === port) ?? fitting.find((candidate) => String(candidate.port) === port)
  );
}

function portNumber(text: string): number | undefined {
  if (!/^[0-9]{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port >= 1 && port <= 65535 ? port : undefined;
}

function portError(
  what: string,
  ports: readonly { name?: string; port: number }[],
  asked: string | undefined,
  prefix: string,
): UsageError {
  const list = ports
    .map((port) => (port.name === undefined ? String(port.port) : `${port.port} (${port.name})`))
    .join(', ');
  if (asked === undefined) {
    if (ports.length === 0) return new UsageError(`${what}: no port is known`, `write ${prefix}:PORT`);
    return new UsageError(
      `${what} has ${ports.length} ports: ${list}`,
      `write ${prefix}:${ports[0]!.name ?? ports[0]!.port}`,
    );
  }
  if (/^[0-9]+$/.test(asked)) return new UsageError(`${asked} is not a port`, 'ports are 1 to 65535');
  const names = ports.flatMap((port) => (port.name === undefined ? [] : [port.name]));
  return new UsageError(
    `${what} has no port named ${JSON.stringify(asked)}`,
    didYouMean(asked, names) ?? `its ports: ${list === '' ? 'none' : list}`,
  );
}

/** Splits `host:port`; an IPv6 address needs brackets to carry a port. */
function splitPort(text: string): { host: string; port?: string } {
  const bracket = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  if (bracket !== null) return { host: bracket[1]!, ...(bracket[2] === undefined ? {} : { port: bracket[2] }) };
  if (tryParseIp(text) !== undefined) return { host: text };
  const colon = text.lastIndexOf(':');
  return colon < 0 ? { host: text } : { host: text.slice(0, colon), port: text.slice(colon + 1) };
}

function didYouMean(word: string, candidates: readonly string[]): string | undefined {
  const found = nearest(word, candidates);
  return found === undefined ? undefined : `did you mean "${found}"?`;
}

/** What stands before the port; an IPv6 address wants brackets. */
function withoutPort(text: string): string {
  return tryParseIp(text) !== undefined && text.includes(':') ? `[${text}]` : text.replace(/:[^:\]]*$/, '');
}

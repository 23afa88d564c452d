import { internalIPs, isControlPlane, podIPs } from '@netsim/control';
import type { KubeObject, Node, ObjectStore, Pod, Service } from '@netsim/manifest';
import { formatEndpoint, formatIp, type Ip, tryParseIp } from '@netsim/wire';
import type { AddressIndex } from '../address-index.ts';
import { UsageError } from '../errors.ts';
import { podListeners } from '../listeners.ts';
import type { NamedObjects } from './objects.ts';
import { numberedPort, pickPort, portError, portNumber, portOf, protocolOf } from './ports.ts';
import type { AskedName, DestinationRef, SourceRef, TransportProtocol } from './refs.ts';
import { didYouMean, isWorkload, kindWords, parseUrl, splitPort, unknownKind, urlPort } from './words.ts';

/** Reads where a packet is sent: `svc/NAME[:PORT]`, `pod/NAME[:PORT]`, `node/NAME:PORT`, `IP:PORT`, a name, a URL. */
export class Destinations {
  readonly #objects: NamedObjects;
  readonly #store: ObjectStore;
  readonly #namespace: string;
  readonly #addresses: AddressIndex;

  constructor(objects: NamedObjects, store: ObjectStore, namespace: string, addresses: AddressIndex) {
    this.#objects = objects;
    this.#store = store;
    this.#namespace = namespace;
    this.#addresses = addresses;
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
    if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) throw new UsageError(`${text} is not a URL of http or https`);
    const slash = text.indexOf('/');
    if (slash > 0 && !text.startsWith('[')) {
      const kind = kindWords[text.slice(0, slash).toLowerCase()];
      const { host, port } = splitPort(text.slice(slash + 1));
      switch (kind) {
        case 'Service':
          return this.#service(text, this.#objects.find('Service', host) as Service, port, wanted);
        case 'Pod':
          return this.#podDestination(text, this.#objects.pod(host), port, wanted);
        case 'Node':
          return this.#nodeDestination(text, this.#objects.find('Node', host) as Node, port, wanted);
        case 'Host':
          throw new UsageError(`a host outside the cluster is a source only: ${text}`, 'write its IP:PORT');
        default:
          if (isWorkload(kind)) return this.#podDestination(text, this.#objects.podOf(kind, host), port, wanted);
          if (this.#objects.isNamespace(text.slice(0, slash))) {
            const { host: name, port: at } = splitPort(text);
            return this.#service(text, this.#objects.find('Service', name) as Service, at, wanted);
          }
          throw unknownKind(text.slice(0, slash));
      }
    }
    const { host, port } = splitPort(text);
    const ip = tryParseIp(host);
    const protocol = wanted ?? 'tcp';
    if (ip !== undefined) {
      return { text, kind: 'IP', ip, ...numberedPort(port, protocol, text), protocol };
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
        return { object: this.#objects.find(kind, host), ...at };
      default: {
        if (isWorkload(kind)) return { object: this.#objects.podOf(kind, host), ...at };
        if (!this.#objects.isNamespace(text.slice(0, slash))) return {};
        const whole = splitPort(text);
        return {
          object: this.#objects.find('Service', whole.host),
          ...(whole.port !== undefined && { port: whole.port }),
        };
      }
    }
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
      const found = portOf(object as Service, port, wanted);
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
    return { text, kind: 'IP', ip, ...numberedPort(port, protocol, text), protocol, ...more };
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
    return { text, kind: 'Node', object: node, ip, ...numberedPort(port, protocol, text), protocol };
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
    const service = this.#objects.serviceByName(host);
    if (service === undefined) {
      const services = this.#store.list('Service', this.#namespace).map((object) => object.metadata.name);
      throw new UsageError(
        `${JSON.stringify(host)} is neither an address nor the name of a service`,
        didYouMean(host, services) ?? `known services: ${services.slice(0, 8).join(', ')}`,
      );
    }
    return this.#service(text, service, port, wanted);
  }
}

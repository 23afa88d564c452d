import type { KubeObject, Node, ObjectStore, Pod, Service, ServicePort } from '@netsim/manifest';
import type { Ip } from '@netsim/wire';
import type { AddressIndex } from './address-index.ts';
import { UsageError } from './errors.ts';
import { Destinations } from './names/destinations.ts';
import { NamedObjects } from './names/objects.ts';
import { portOf } from './names/ports.ts';
import type { AskedName, DestinationRef, SourceRef, TransportProtocol } from './names/refs.ts';
import { Sources } from './names/sources.ts';
import { isWorkload, kindWords, nameToLookUp, unknownKind } from './names/words.ts';

export {
  type AskedName,
  type DestinationRef,
  type SourceRef,
  type TransportProtocol,
  transportProtocols,
} from './names/refs.ts';

/** Turns what users write into objects of the store; wrong names fail with the nearest right one. */
export class NameResolver {
  readonly #objects: NamedObjects;
  readonly #sources: Sources;
  readonly #destinations: Destinations;

  constructor(options: {
    store: ObjectStore;
    namespace: string;
    clusterDomain: string;
    /** The address of a machine outside the cluster, which is put there at its first use. */
    hostAddress(name: string): Ip | undefined;
    addresses: AddressIndex;
  }) {
    const { store, namespace, clusterDomain, addresses } = options;
    this.#objects = new NamedObjects(store, namespace, clusterDomain);
    this.#sources = new Sources({
      objects: this.#objects,
      store,
      addresses,
      hostAddress: (name) => options.hostAddress(name),
    });
    this.#destinations = new Destinations(this.#objects, store, namespace, addresses);
  }

  source(text: string): SourceRef {
    return this.#sources.source(text);
  }

  /**
   * From outside the cluster a service is meant by the way that leads there from outside: its load balancer's address, or its node
   * port on a node.
   */
  destinationFrom(source: SourceRef, text: string, wanted: TransportProtocol | undefined): DestinationRef {
    return this.#destinations.destinationFrom(source, text, wanted);
  }

  destination(text: string, wanted: TransportProtocol | undefined): DestinationRef {
    return this.#destinations.destination(text, wanted);
  }

  /** The object that a destination names, also a service without a virtual IP, or a pod that has no address yet; and the port as written. */
  named(text: string): { object?: KubeObject; port?: string } {
    return this.#destinations.named(text);
  }

  /**
   * The name that a program in a pod would write for an object: a service's own, with its namespace where that is another than the
   * pod's, or a pod's `hostname.subdomain`. Undefined where the destination has none, or the source does not ask the cluster's DNS.
   */
  nameOfObject(source: SourceRef, text: string, wanted: TransportProtocol | undefined): AskedName | undefined {
    return this.#destinations.nameOfObject(source, text, wanted);
  }

  /** The destination that a name has led to: the service or the pod with that address, or the bare address. */
  resolved(text: string, ip: Ip, wanted: TransportProtocol | undefined, asked: AskedName): DestinationRef {
    return this.#destinations.resolved(text, ip, wanted, asked);
  }

  /** What has an address, and is sent to at a port: the service or the pod, or the bare address. */
  at(ip: Ip, port: number, protocol: TransportProtocol): DestinationRef {
    return this.#destinations.at(ip, port, protocol);
  }

  /** The port of a service that is meant by its name or number, or the only one; an error where that says nothing. */
  portOf(service: Service, port: string | undefined, wanted: TransportProtocol | undefined): ServicePort | undefined {
    return portOf(service, port, wanted);
  }

  /** The name in a destination that is to be looked up (`name:port`, a URL with a name); undefined for all others. */
  nameToLookUp(text: string): AskedName | undefined {
    return nameToLookUp(text);
  }

  /** What a bare name means where it is that of a pod, a workload or a node: `pod/web`, `deploy/web`. */
  withKind(name: string): string | undefined {
    return this.#objects.withKind(name);
  }

  /** A service whose name is like one that was not found. */
  similarService(host: string): string | undefined {
    return this.#objects.similarService(host);
  }

  /** The service that a name of one label means, where it is in another namespace than the asker's and in no more than that one. */
  serviceElsewhere(host: string, home: string | undefined): Service | undefined {
    return this.#objects.serviceElsewhere(host, home);
  }

  serviceByName(host: string): Service | undefined {
    return this.#objects.serviceByName(host);
  }

  /** Any object, its kind by one of kubectl's words. */
  object(word: string, name: string): KubeObject {
    return this.#objects.object(word, name);
  }

  /** Finds a pod by `name`, `name.namespace` or `namespace/name`. */
  pod(name: string): Pod {
    return this.#objects.pod(name);
  }

  /** The pods that are meant: one by its name, or all of a workload (`deploy/web`). */
  pods(text: string): Pod[] {
    const slash = text.indexOf('/');
    const kind = slash < 0 ? undefined : kindWords[text.slice(0, slash).toLowerCase()];
    if (isWorkload(kind)) return this.#objects.podsOf(kind, text.slice(slash + 1));
    if (slash < 0 || (kind === undefined && this.#objects.isNamespace(text.slice(0, slash)))) return [this.pod(text)];
    if (kind === 'Pod') return [this.pod(text.slice(slash + 1))];
    throw kind === undefined
      ? unknownKind(text.slice(0, slash))
      : new UsageError(`${text} is no pod and no workload`, 'write pod/NAME, deploy/NAME or an address');
  }

  node(name: string): Node {
    return this.#objects.node(name);
  }
}

import type { EndpointSlice, Service } from '@netsim/manifest';
import type { Family } from '@netsim/wire';
import type { Endpoint } from './endpoints.ts';
import { endpointsByPort, portKey, serviceOfSlice } from './endpoints.ts';
import type { ServicePort } from './service-map.ts';
import { servicePorts } from './service-map.ts';

/** A service port with its endpoints. A new value takes its place when either changes. */
export interface PortState {
  readonly port: ServicePort;
  readonly endpoints: readonly Endpoint[];
}

interface ServiceState {
  service: Service | undefined;
  ports: readonly ServicePort[];
  /** In the order of their coming; few. */
  readonly slices: EndpointSlice[];
  states: readonly PortState[];
}

const MAX_LOG = 10_000;
const NO_ENDPOINTS: readonly Endpoint[] = [];
const NO_STATES: readonly PortState[] = [];

/**
 * The services and endpoints of a cluster as every kube-proxy of a family knows them. Told of objects one by one; what is
 * derived from them is kept by service, so that a change costs its own service. Shared by the proxies of all nodes:
 * nothing in it depends on a node.
 */
export class ProxyState {
  readonly family: Family;
  readonly #services = new Map<string, ServiceState>();
  readonly #dirty = new Set<string>();
  #totalEndpoints = 0;
  /** Services in the order they changed; a proxy remembers up to where it has read. */
  #log: string[] = [];
  #dropped = 0;
  #udpEndpointChanges = 0;

  constructor(family: Family) {
    this.family = family;
  }

  setService(service: Service): void {
    const id = `${service.metadata.namespace ?? 'default'}/${service.metadata.name}`;
    const state = this.#state(id);
    state.service = service;
    state.ports = servicePorts(service, this.family);
    this.#touch(id);
  }

  deleteService(namespace: string, name: string): void {
    const id = `${namespace}/${name}`;
    const state = this.#services.get(id);
    if (state?.service === undefined) return;
    state.service = undefined;
    state.ports = [];
    this.#touch(id);
  }

  setSlice(slice: EndpointSlice): void {
    const id = serviceOfSlice(slice, this.family);
    if (id === undefined) return;
    const { slices } = this.#state(id);
    const at = placeOf(slices, slice);
    if (hasUdp(slice) || hasUdp(slices[at])) this.#udpEndpointChanges++;
    slices[at < 0 ? slices.length : at] = slice;
    this.#touch(id);
  }

  deleteSlice(slice: EndpointSlice): void {
    const id = serviceOfSlice(slice, this.family);
    const slices = id === undefined ? undefined : this.#services.get(id)?.slices;
    const at = slices === undefined ? -1 : placeOf(slices, slice);
    if (id === undefined || slices === undefined || at < 0) return;
    slices.splice(at, 1);
    if (hasUdp(slice)) this.#udpEndpointChanges++;
    this.#touch(id);
  }

  /** `namespace/name` of every service with ports to serve. */
  services(): string[] {
    this.#flush();
    return [...this.#services.keys()];
  }

  /** Ports of a service with their endpoints; empty for one that is not there. */
  ports(service: string): readonly PortState[] {
    this.#flush();
    return this.#services.get(service)?.states ?? [];
  }

  /** Endpoints of all service ports, usable or not: what decides about large-cluster mode. */
  get totalEndpoints(): number {
    this.#flush();
    return this.#totalEndpoints;
  }

  /**
   * Grows with every change to endpoints of a UDP port: after such a sync kube-proxy looks for connections to endpoints that are
   * gone.
   */
  get udpEndpointChanges(): number {
    return this.#udpEndpointChanges;
  }

  /** Where the log of changes stands now; to be given to {@link changesSince} later. */
  get version(): number {
    return this.#dropped + this.#log.length;
  }

  /** Services changed since a version, or `undefined` where that is too long ago to know. */
  changesSince(version: number): ReadonlySet<string> | undefined {
    if (version < this.#dropped) return undefined;
    return new Set(this.#log.slice(version - this.#dropped));
  }

  #state(id: string): ServiceState {
    let state = this.#services.get(id);
    if (state === undefined) {
      state = { service: undefined, ports: [], slices: [], states: NO_STATES };
      this.#services.set(id, state);
    }
    return state;
  }

  #touch(id: string): void {
    this.#dirty.add(id);
    this.#log.push(id);
    if (this.#log.length > MAX_LOG + 2 * this.#services.size) {
      const half = this.#log.length >> 1;
      this.#log = this.#log.slice(half);
      this.#dropped += half;
    }
  }

  #flush(): void {
    if (this.#dirty.size === 0) return;
    for (const id of this.#dirty) {
      const state = this.#services.get(id)!;
      for (const { endpoints } of state.states) this.#totalEndpoints -= endpoints.length;
      const byPort = state.ports.length === 0 ? undefined : endpointsByPort(state.slices, this.family);
      state.states = state.ports.map((port) => ({
        port,
        endpoints: byPort!.get(portKey(port.portName, port.protocol)) ?? NO_ENDPOINTS,
      }));
      for (const { endpoints } of state.states) this.#totalEndpoints += endpoints.length;
      if (state.service === undefined && state.slices.length === 0) this.#services.delete(id);
    }
    this.#dirty.clear();
  }
}

/** Where the slice of this name stands; -1: it is not there. */
function placeOf(slices: readonly EndpointSlice[], { metadata }: EndpointSlice): number {
  return slices.findIndex((slice) => slice.metadata.name === metadata.name);
}

function hasUdp(slice: EndpointSlice | undefined): boolean {
  return slice?.ports?.some((port) => port.protocol === 'UDP') === true;
}

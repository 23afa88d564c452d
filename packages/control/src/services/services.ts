import type { ObjectStore, Service, ServicePort, ServiceSpec } from '@netsim/manifest';
import { admittedMetadata } from '../cluster/admission.ts';
import type { Context } from '../core/context.ts';
import { Controller } from '../core/controller.ts';
import { objectKey, splitKey } from '../core/keys.ts';
import { BandedRange, portBand } from './banded-range.ts';
import { ServiceAddresses } from './service-addresses.ts';
import { clusterIPs, isHeadless, serviceFamilies } from './service-families.ts';

/**
 * What the API server allocates for a Service: families, cluster IPs, node ports, the health-check node port. What is
 * given is kept, a clash leaves the later service without (a finding says so). Services that give an address are
 * served before those that take any.
 */
export class Services extends Controller {
  readonly #addresses: ServiceAddresses;
  readonly #ports: BandedRange;

  constructor(context: Context) {
    super(context);
    const { from, to } = context.config.nodePortRange;
    this.#addresses = new ServiceAddresses(context.config);
    this.#ports = new BandedRange(from, to, portBand(to - from + 1));
    this.watch('Service', ({ type, object, old }) => {
      const service = object as Service;
      const key = objectKey(service);
      if (old !== undefined) this.#release(old as Service, key);
      if (type === 'DELETED') {
        this.#release(service, key);
        return;
      }
      this.#reserve(service, key);
      this.queue.add(key);
    });
  }

  protected override reconcile(key: string): void {
    const service = find(this.context.store, key);
    if (service === undefined) return;
    const spec = this.#allocate(service, key);
    if (spec !== service.spec) {
      const { status = { loadBalancer: {} } } = service;
      this.context.store.put({
        ...service,
        metadata: admittedMetadata(this.context, service),
        spec,
        status,
      } as Service);
    }
  }

  #allocate(service: Service, key: string): ServiceSpec {
    const { spec } = service;
    if (spec.type === 'ExternalName') return spec;
    const { families, policy, refused } = serviceFamilies(service, this.context.config);
    // The API server would not store it: it stays as it was written, for the finding to say so.
    if (refused.length > 0) return spec;
    let next: ServiceSpec = spec;
    if (spec.ipFamilyPolicy !== policy || !sameList(spec.ipFamilies, families)) {
      next = { ...next, ipFamilies: [...families], ipFamilyPolicy: policy };
    }
    const ips = isHeadless(service) ? ['None'] : this.#clusterIPs(service, families, key);
    if (!sameList(next.clusterIPs, ips) || next.clusterIP !== ips[0]) {
      if (ips.length > 0) next = { ...next, clusterIP: ips[0]!, clusterIPs: ips };
    }
    return this.#nodePorts(next, key);
  }

  #clusterIPs(service: Service, families: readonly ('IPv4' | 'IPv6')[], key: string): string[] {
    const given = clusterIPs(service);
    const ips = given.slice(0, families.length);
    for (const family of families.slice(ips.length)) {
      const pick = (bound: number) => this.context.names.pick(`clusterIP ${family} ${key}`, bound);
      const ip = this.#addresses.allocate(family, key, pick);
      if (ip !== undefined) ips.push(ip);
    }
    return ips;
  }

  #nodePorts(spec: ServiceSpec, key: string): ServiceSpec {
    const { type, allocateLoadBalancerNodePorts } = spec;
    const wanted = type === 'NodePort' || (type === 'LoadBalancer' && allocateLoadBalancerNodePorts !== false);
    let next = spec;
    if (wanted && spec.ports?.some(({ nodePort }) => !nodePort)) {
      const given: ServicePort[] = [];
      for (const port of spec.ports) given.push(port.nodePort ? port : this.#withNodePort(port, spec, given, key));
      if (given.some((port, i) => port !== spec.ports![i])) next = { ...next, ports: given };
    }
    if (type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local' && !spec.healthCheckNodePort) {
      const port = this.#anyPort(key, 'healthCheck');
      if (port !== undefined) next = { ...next, healthCheckNodePort: port };
    }
    return next;
  }

  /** The same port of two protocols gets one node port number, as in the real allocator. */
  #withNodePort(port: ServicePort, spec: ServiceSpec, given: readonly ServicePort[], key: string): ServicePort {
    const twin = [...given, ...(spec.ports ?? [])].find(
      (each) => each !== port && each.port === port.port && each.nodePort,
    );
    const nodePort =
      twin !== undefined && (twin.protocol ?? 'TCP') !== (port.protocol ?? 'TCP')
        ? twin.nodePort
        : this.#anyPort(key, `${port.protocol ?? 'TCP'}/${port.port}`);
    return nodePort === undefined ? port : { ...port, nodePort };
  }

  #anyPort(key: string, what: string): number | undefined {
    return this.#ports.allocate(key, (bound) => this.context.names.pick(`nodePort ${key} ${what}`, bound));
  }

  #reserve(service: Service, key: string): void {
    for (const ip of clusterIPs(service)) this.#addresses.reserve(ip, key);
    for (const port of portsOf(service)) {
      if (this.#ports.contains(port) && this.#ports.holder(port) === undefined) this.#ports.reserve(port, key);
    }
  }

  #release(service: Service, key: string): void {
    this.#addresses.release(service, key);
    for (const port of portsOf(service)) this.#ports.release(port, key);
  }
}

function portsOf({ spec }: Service): number[] {
  const ports = (spec.ports ?? []).map(({ nodePort }) => nodePort);
  return [...ports, spec.healthCheckNodePort].filter((port): port is number => port !== undefined && port !== 0);
}

function sameList(a: readonly string[] | undefined, b: readonly string[]): boolean {
  return a !== undefined && a.length === b.length && a.every((each, i) => each === b[i]);
}

function find(store: ObjectStore, key: string): Service | undefined {
  const { namespace, name } = splitKey(key);
  return store.get<Service>('Service', namespace, name);
}

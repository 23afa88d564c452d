import type { Backend } from '@netsim/ingress';
import type { EndpointSlice, ObjectStore, Service, StoreEvent } from '@netsim/manifest';
import { formatEndpoint, type Ip, tryParseIp } from '@netsim/wire';

/** A pod, or an address outside, that a proxy connects to. */
export interface ProxyEndpoint {
  readonly ip: Ip;
  readonly port: number;
  /** `ip:port`. */
  readonly text: string;
}

/** Where requests for a backend go; none with the reason why. */
export interface ProxyEndpoints {
  readonly list: readonly ProxyEndpoint[];
  /** One line, where the list is empty. */
  readonly why: string;
  /** How they are reached, where that is not by themselves: `by the node port of`. */
  readonly by?: string;
  /** One line on those that are left out. */
  readonly without?: string;
}

/** Says where requests for a port of a Service go. */
export interface BackendSource {
  /** `clusterIp`: at its own address. */
  of(namespace: string, name: string, port: number | string, clusterIp?: true): ProxyEndpoints;
}

/** Those of a backend; one that is no Service has none. */
export function endpointsOf(source: BackendSource, backend: Backend): ProxyEndpoints {
  if (backend.kind === 'resource') return { list: [], why: `${backend.text} is no Service` };
  if (backend.kind === 'default-backend') return { list: [], why: 'there is no default backend' };
  return source.of(backend.namespace, backend.name, backend.port, backend.clusterIp);
}

const SERVICE_LABEL = 'kubernetes.io/service-name';

/** Endpoints of services, as a proxy sees them that watches EndpointSlices and never uses a cluster IP. */
export class ProxyBackends implements BackendSource {
  readonly #store: ObjectStore;
  readonly #known = new Map<string, Map<number | string, ProxyEndpoints>>();

  constructor(store: ObjectStore) {
    this.#store = store;
    store.watch('Service', ({ object }) => this.#known.delete(`${object.metadata.namespace}/${object.metadata.name}`));
    store.watch('EndpointSlice', (event) => this.#sliceChanged(event));
  }

  #sliceChanged({ object, old }: StoreEvent): void {
    for (const slice of [object, old]) {
      const service = slice?.metadata.labels?.[SERVICE_LABEL];
      if (service !== undefined) this.#known.delete(`${object.metadata.namespace}/${service}`);
    }
  }

  /** The Service's own address, behind which kube-proxy chooses. */
  #addressOf(namespace: string, name: string, port: number | string): ProxyEndpoints {
    const spec = this.#store.get<Service>('Service', namespace, name)?.spec;
    const ip = tryParseIp(spec?.clusterIP ?? '');
    const number = spec?.ports?.find((each) => each.port === port || each.name === port)?.port;
    if (ip === undefined || number === undefined) {
      return { list: [], why: `service ${namespace}/${name} has no address of its own with port ${port}` };
    }
    return { list: [{ ip, port: number, text: formatEndpoint(ip, number) }], why: '' };
  }

  of(namespace: string, name: string, port: number | string, clusterIp?: true): ProxyEndpoints {
    if (clusterIp) return this.#addressOf(namespace, name, port);
    const key = `${namespace}/${name}`;
    let ports = this.#known.get(key);
    if (ports === undefined) {
      ports = new Map();
      this.#known.set(key, ports);
    }
    let found = ports.get(port);
    if (found === undefined) {
      found = this.#look(namespace, name, port);
      ports.set(port, found);
    }
    return found;
  }

  #look(namespace: string, name: string, port: number | string): ProxyEndpoints {
    const service = this.#store.get<Service>('Service', namespace, name);
    if (service === undefined) return { list: [], why: `there is no service ${namespace}/${name}` };
    const servicePort = (service.spec.ports ?? []).find((each) => each.port === port || each.name === port);
    if (service.spec.type === 'ExternalName') return external(service, port, servicePort?.targetPort);
    if (servicePort === undefined) return { list: [], why: `service ${namespace}/${name} has no port ${port}` };
    const list: ProxyEndpoint[] = [];
    let notReady = 0;
    for (const slice of this.#store.list<EndpointSlice>('EndpointSlice', namespace)) {
      if (slice.metadata.labels?.[SERVICE_LABEL] !== name) continue;
      const slicePort = (slice.ports ?? []).find((each) => (each.name ?? '') === (servicePort.name ?? ''))?.port;
      if (slicePort === undefined || slicePort === null) continue;
      for (const { addresses, conditions } of slice.endpoints ?? []) {
        const ip = tryParseIp(addresses[0] ?? '');
        if (ip === undefined) continue;
        if (conditions?.ready === false) notReady++;
        else if (!list.some((each) => each.ip === ip && each.port === slicePort))
          list.push({ ip, port: slicePort, text: formatEndpoint(ip, slicePort) });
      }
    }
    // A service of both families has each pod in two slices: a proxy wants one address of each.
    const [first] = list;
    const family = first === undefined ? [] : list.filter(({ ip }) => typeof ip === typeof first.ip);
    const why =
      notReady > 0
        ? `none of the ${notReady} ${notReady === 1 ? 'endpoint' : 'endpoints'} of service ${namespace}/${name} is ready`
        : `service ${namespace}/${name} has no endpoints`;
    return { list: family, why };
  }
}

function external(
  { spec, metadata }: Service,
  port: number | string,
  target: number | string | undefined,
): ProxyEndpoints {
  const ip = tryParseIp(spec.externalName ?? '');
  const number = typeof target === 'number' ? target : Number(port);
  if (ip !== undefined && Number.isInteger(number)) {
    return { list: [{ ip, port: number, text: formatEndpoint(ip, number) }], why: '' };
  }
  return {
    list: [],
    why: `service ${metadata.namespace}/${metadata.name} is of type ExternalName, whose name is looked up outside`,
  };
}

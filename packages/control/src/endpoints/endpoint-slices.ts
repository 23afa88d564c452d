import type { Endpoint, EndpointSlice, Node, Pod, Service } from '@netsim/manifest';
import type { Context } from '../core/context.ts';
import { Controller } from '../core/controller.ts';
import { splitKey } from '../core/keys.ts';
import { isReady, podIPs } from '../kubelet/pod-status.ts';
import { clusterIPs, type IpFamily } from '../services/service-families.ts';
import { distributionHints, sameHints } from './hints.ts';
import { putNewSlice } from './new-slice.ts';
import { belongsInEndpoints, endpointHostname, findPort, targetRefOf } from './pod-endpoint.ts';
import { sameLabels, sliceLabels, triggerTime } from './service-labels.ts';
import { type ServiceTracker, zoneOf } from './service-tracker.ts';
import { SliceIndex } from './slice-index.ts';
import { pack, portsKey, type SlicePorts } from './slice-packing.ts';

const sliceManager = 'endpointslice-controller.k8s.io';

interface Group {
  readonly ports: SlicePorts;
  readonly endpoints: Endpoint[];
}

/**
 * The EndpointSlice controller (staging/src/k8s.io/endpointslice/reconciler.go): slices for each service with a
 * selector, per address family and per set of ports.
 */
export class EndpointSlices extends Controller {
  readonly #slices: SliceIndex;
  readonly #services: ServiceTracker;
  readonly #made = new WeakMap<Service, Record<IpFamily, WeakMap<Pod, Endpoint>>>();

  constructor(context: Context, services: ServiceTracker) {
    super(context);
    this.#slices = new SliceIndex(context.store, sliceManager);
    this.#services = services;
    services.feed(this.queue);
  }

  override stop(): void {
    super.stop();
    this.#slices.stop();
  }

  protected override reconcile(key: string): void {
    const { namespace = 'default', name } = splitKey(key);
    const service = this.context.store.get<Service>('Service', namespace, name);
    const existing = this.#slices.of(namespace, name);
    if (service === undefined) {
      for (const slice of existing) this.#delete(slice);
      return;
    }
    const selected = this.#services.selected(service);
    if (selected === undefined) return;
    if (selected.partial && existing.some(({ endpoints }) => (endpoints ?? []).length > 0)) return;
    const families = addressTypes(service);
    for (const slice of existing) if (!families.some((each) => each === slice.addressType)) this.#delete(slice);
    for (const family of families) {
      this.#reconcileFamily(
        service,
        family,
        selected.pods,
        existing.filter((slice) => slice.addressType === family),
      );
    }
  }

  #reconcileFamily(service: Service, family: IpFamily, pods: readonly Pod[], existing: readonly EndpointSlice[]): void {
    const groups = this.#desired(service, family, pods);
    const labels = sliceLabels(service, sliceManager);
    const mustUpdate = (slice: EndpointSlice) => !sameLabels(slice.metadata.labels, labels);
    const byPorts = new Map<string, EndpointSlice[]>();
    for (const slice of existing) {
      const key = portsKey(slice.ports);
      const same = byPorts.get(key);
      if (same === undefined) byPorts.set(key, [slice]);
      else same.push(slice);
    }
    const remove: EndpointSlice[] = [];
    let kept = 0;
    for (const [key, slices] of byPorts) if (!groups.has(key)) remove.push(...slices);
    for (const [key, { ports, endpoints }] of groups) {
      const packing = pack(byPorts.get(key) ?? [], endpoints, mustUpdate);
      remove.push(...packing.remove);
      for (const slice of packing.unchanged) {
        kept++;
        const hinted = withHints(service, slice.endpoints ?? []);
        if (hinted !== slice.endpoints) this.#update(slice, hinted, labels);
      }
      for (const [slice, next] of packing.update) {
        kept++;
        this.#update(slice, withHints(service, next), labels);
      }
      for (const next of packing.create) {
        kept++;
        this.#create(service, family, ports, withHints(service, next), labels);
      }
    }
    // A service without endpoints has one empty slice of each family.
    if (kept === 0) {
      const empty = remove.findIndex((slice) => !slice.endpoints?.length && !slice.ports?.length && !mustUpdate(slice));
      if (empty >= 0) remove.splice(empty, 1);
      else this.#create(service, family, [], [], labels);
    }
    for (const slice of remove) this.#delete(slice);
  }

  /** The endpoints that should be there, by their ports. */
  #desired(service: Service, family: IpFamily, pods: readonly Pod[]): Map<string, Group> {
    const { store } = this.context;
    const groups = new Map<string, Group>();
    const made = this.#madeFor(service, family);
    for (const pod of pods) {
      if (!belongsInEndpoints(pod, true)) continue;
      const node = store.get<Node>('Node', undefined, pod.spec.nodeName ?? '');
      // A pod whose node is gone is about to be collected; who publishes pods that are not ready takes it still.
      if (node === undefined && service.spec.publishNotReadyAddresses !== true) continue;
      let endpoint = made.get(pod);
      if (endpoint === undefined || endpoint.zone !== zoneOf(node)) {
        endpoint = endpointOf(pod, node, service, family);
        made.set(pod, endpoint);
      }
      if (endpoint.addresses.length === 0) continue;
      const ports = endpointPorts(service, pod);
      const key = portsKey(ports);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { ports, endpoints: [endpoint] });
      else group.endpoints.push(endpoint);
    }
    return groups;
  }

  /** The endpoints made for the pods of a service so far: values, good for as long as service and pod are the same. */
  #madeFor(service: Service, family: IpFamily): WeakMap<Pod, Endpoint> {
    let families = this.#made.get(service);
    if (families === undefined) {
      families = { IPv4: new WeakMap(), IPv6: new WeakMap() };
      this.#made.set(service, families);
    }
    return families[family];
  }

  #create(
    service: Service,
    addressType: IpFamily,
    ports: SlicePorts,
    endpoints: readonly Endpoint[],
    labels: Record<string, string>,
  ): void {
    putNewSlice(this.context, service, {
      labels,
      annotations: { [triggerTime]: this.context.time() },
      addressType,
      endpoints: endpoints.length === 0 ? null : [...endpoints],
      ports: ports.length === 0 ? null : ports,
    });
  }

  #update(slice: EndpointSlice, endpoints: readonly Endpoint[], labels: Record<string, string>): void {
    const { store, time } = this.context;
    const { metadata } = slice;
    const annotations = { ...metadata.annotations, [triggerTime]: time() };
    const generation = (metadata.generation ?? 1) + 1;
    store.put({
      ...slice,
      metadata: {
        ...metadata,
        generation,
        labels: sameLabels(metadata.labels, labels) ? metadata.labels! : labels,
        annotations,
      },
      endpoints: [...endpoints],
    } as EndpointSlice);
  }

  #delete(slice: EndpointSlice): void {
    this.context.store.delete('EndpointSlice', slice.metadata.namespace, slice.metadata.name);
  }
}

/** The families for which a service has slices. */
function addressTypes(service: Service): IpFamily[] {
  const { ipFamilies = [] } = service.spec;
  if (ipFamilies.length > 0) return [...ipFamilies];
  const ip = clusterIPs(service)[0];
  if (ip !== undefined && ip !== 'None') return [ip.includes(':') ? 'IPv6' : 'IPv4'];
  return ['IPv4', 'IPv6'];
}

function endpointPorts(service: Service, pod: Pod): SlicePorts {
  const ports: SlicePorts = [];
  for (const each of service.spec.ports ?? []) {
    const port = findPort(pod, each);
    if (port === undefined) continue;
    const { name = '', protocol = 'TCP', appProtocol } = each;
    ports.push({ name, protocol, port, ...(appProtocol === undefined ? {} : { appProtocol }) });
  }
  return ports;
}

function endpointOf(pod: Pod, node: Node | undefined, service: Service, family: IpFamily): Endpoint {
  const serving = isReady(pod);
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const ready = service.spec.publishNotReadyAddresses === true || (serving && !terminating);
  const zone = zoneOf(node);
  const hostname = endpointHostname(pod, service);
  const { nodeName } = pod.spec;
  return {
    addresses: podIPs(pod).filter((ip) => ip.includes(':') === (family === 'IPv6')),
    conditions: { ready, serving, terminating },
    ...(hostname === undefined ? {} : { hostname }),
    targetRef: targetRefOf(pod),
    ...(nodeName ? { nodeName } : {}),
    ...(zone ? { zone } : {}),
  };
}

/** The endpoints with the hints that they should have; the very same list where they have them. */
function withHints(service: Service, endpoints: readonly Endpoint[]): readonly Endpoint[] {
  let changed = false;
  const next = endpoints.map((endpoint) => {
    const hints = distributionHints(service, endpoint);
    if (sameHints(endpoint.hints, hints)) return endpoint;
    changed = true;
    const { hints: _, ...bare } = endpoint;
    return hints === undefined ? bare : { ...bare, hints };
  });
  return changed ? next : endpoints;
}

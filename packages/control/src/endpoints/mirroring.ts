import type { Endpoint, EndpointAddress, EndpointSlice, Endpoints, Service } from '@netsim/manifest';
import type { Context } from '../core/context.ts';
import { Controller } from '../core/controller.ts';
import { objectKey, splitKey } from '../core/keys.ts';
import { putNewSlice } from './new-slice.ts';
import type { Subset } from './repack.ts';
import { headlessLabel, managedByLabel, sameLabels, serviceNameLabel, triggerTime } from './service-labels.ts';
import { podSelector } from './service-tracker.ts';
import { SliceIndex } from './slice-index.ts';
import { pack, portsKey, type SlicePorts } from './slice-packing.ts';

const mirrorManager = 'endpointslicemirroring-controller.k8s.io';
const skipMirror = 'endpointslice.kubernetes.io/skip-mirror';
const leader = 'control-plane.alpha.kubernetes.io/leader';
const maxEndpointsPerSubset = 1000;

interface Group {
  readonly addressType: 'IPv4' | 'IPv6';
  readonly ports: SlicePorts;
  readonly endpoints: Endpoint[];
}

/**
 * The EndpointSliceMirroring controller: hand-made Endpoints of a service without selector become slices, which is
 * where kube-proxy reads them.
 */
export class EndpointSliceMirroring extends Controller {
  readonly #slices: SliceIndex;

  constructor(context: Context) {
    super(context);
    this.#slices = new SliceIndex(context.store, mirrorManager);
    this.watch('Endpoints', ({ object }) => this.queue.add(objectKey(object)));
    this.watch('Service', ({ object, old }) => {
      // Mirroring depends on whether there is a service and a selector, and on nothing else of it.
      if (old === undefined || !podSelector(old as Service) !== !podSelector(object as Service)) {
        this.queue.add(objectKey(object));
      }
    });
  }

  override stop(): void {
    super.stop();
    this.#slices.stop();
  }

  protected override reconcile(key: string): void {
    const { store } = this.context;
    const { namespace = 'default', name } = splitKey(key);
    const endpoints = store.get<Endpoints>('Endpoints', namespace, name);
    const service = store.get<Service>('Service', namespace, name);
    const existing = this.#slices.of(namespace, name);
    if (endpoints === undefined || service === undefined || !mustMirror(endpoints, service)) {
      for (const slice of existing) this.#delete(slice);
      return;
    }
    this.#reconcile(endpoints, existing);
  }

  #reconcile(endpoints: Endpoints, existing: readonly EndpointSlice[]): void {
    const { store } = this.context;
    const groups = desired(endpoints);
    const labels = mirrorLabels(endpoints);
    const groupOf = (slice: EndpointSlice) => `${slice.addressType} ${portsKey(slice.ports)}`;
    for (const slice of existing) if (!groups.has(groupOf(slice))) this.#delete(slice);
    for (const [key, group] of groups) {
      const same = existing.filter((slice) => groupOf(slice) === key);
      const packing = pack(same, group.endpoints, (slice) => !sameLabels(slice.metadata.labels, labels));
      for (const slice of packing.remove) this.#delete(slice);
      for (const [slice, next] of packing.update) {
        store.put({ ...slice, metadata: { ...slice.metadata, labels }, endpoints: next } as EndpointSlice);
      }
      for (const next of packing.create) this.#create(endpoints, group, next, labels);
    }
  }

  #create(parent: Endpoints, group: Group, endpoints: Endpoint[], labels: Record<string, string>): void {
    const annotations = { ...parent.metadata.annotations };
    delete annotations['kubectl.kubernetes.io/last-applied-configuration'];
    delete annotations[triggerTime];
    putNewSlice(this.context, parent, {
      labels,
      ...(Object.keys(annotations).length > 0 && { annotations }),
      addressType: group.addressType,
      endpoints,
      ports: group.ports.length === 0 ? null : group.ports,
    });
  }

  #delete(slice: EndpointSlice): void {
    this.context.store.delete('EndpointSlice', slice.metadata.namespace, slice.metadata.name);
  }
}

function mustMirror(endpoints: Endpoints, service: Service): boolean {
  const { labels, annotations } = endpoints.metadata;
  if (labels?.[skipMirror] === 'true' || annotations?.[leader] !== undefined) return false;
  return Object.keys(service.spec.selector ?? {}).length === 0;
}

function mirrorLabels({ metadata }: Endpoints): Record<string, string> {
  const { [headlessLabel]: _, ...labels } = metadata.labels ?? {};
  return { ...labels, [serviceNameLabel]: metadata.name, [managedByLabel]: mirrorManager };
}

/** The endpoints that should be mirrored, by family and ports. */
function desired({ subsets = [] }: Endpoints): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const subset of subsets) {
    let count = 0;
    for (const [addresses, ready] of [
      [subset.addresses ?? [], true],
      [subset.notReadyAddresses ?? [], false],
    ] as const) {
      for (const address of addresses) {
        if (count++ >= maxEndpointsPerSubset) break;
        const addressType = address.ip.includes(':') ? 'IPv6' : 'IPv4';
        const ports = portsOf(subset);
        const key = `${addressType} ${portsKey(ports)}`;
        let group = groups.get(key);
        if (group === undefined) {
          group = { addressType, ports, endpoints: [] };
          groups.set(key, group);
        }
        group.endpoints.push(mirrored(address, ready));
      }
    }
  }
  return groups;
}

function mirrored({ ip, hostname, nodeName, targetRef }: EndpointAddress, ready: boolean): Endpoint {
  return {
    addresses: [ip],
    conditions: { ready },
    ...(hostname ? { hostname } : {}),
    ...(targetRef === undefined ? {} : { targetRef }),
    ...(nodeName ? { nodeName } : {}),
  };
}

function portsOf({ ports = [] }: Subset): SlicePorts {
  return ports.map(({ name = '', port, protocol = 'TCP', appProtocol }) => ({
    name,
    protocol,
    port,
    ...(appProtocol === undefined ? {} : { appProtocol }),
  }));
}

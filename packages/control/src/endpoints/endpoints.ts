import type { EndpointAddress, Endpoints, Pod, Service } from '@netsim/manifest';
import type { Context } from '../core/context.ts';
import { Controller } from '../core/controller.ts';
import { objectKey, splitKey } from '../core/keys.ts';
import { isReady, podIPs } from '../kubelet/pod-status.ts';
import { clusterIPs } from '../services/service-families.ts';
import { belongsInEndpoints, endpointHostname, findPort, targetRefOf } from './pod-endpoint.ts';
import { type Offer, repack, type Subset, type SubsetPort } from './repack.ts';
import { endpointsLabels, sameLabels, triggerTime } from './service-labels.ts';
import type { ServiceTracker } from './service-tracker.ts';

const maxAddresses = 1000;
const overCapacity = 'endpoints.kubernetes.io/over-capacity';

/** The Endpoints controller (pkg/controller/endpoint/endpoints_controller.go): one Endpoints object per service with a selector. */
export class EndpointsController extends Controller {
  readonly #services: ServiceTracker;

  constructor(context: Context, services: ServiceTracker) {
    super(context);
    this.#services = services;
    services.feed(this.queue);
    this.watch('Endpoints', ({ type, object }) => {
      // Endpoints that somebody puts or removes by hand under a service with a selector are put right.
      if (object.metadata.uid !== undefined && type !== 'DELETED') return;
      const { namespace, name } = object.metadata;
      if (context.store.get('Service', namespace, name) !== undefined) this.queue.add(objectKey(object));
    });
  }

  protected override reconcile(key: string): void {
    const { store, time } = this.context;
    const { namespace = 'default', name } = splitKey(key);
    const service = store.get<Service>('Service', namespace, name);
    const old = store.get<Endpoints>('Endpoints', namespace, name);
    if (service === undefined) {
      if (old !== undefined) store.delete('Endpoints', namespace, name);
      return;
    }
    const selected = this.#services.selected(service);
    if (selected === undefined || (selected.partial && old?.subsets !== undefined)) return;
    // The controller writes an empty nodeName for a pod without node, and the API server refuses the whole object.
    const offers = offersOf(service, selected.pods);
    if (offers.some(({ address }) => address.nodeName === undefined)) return;
    const { subsets, truncated } = truncate(repack(offers));
    const labels = endpointsLabels(service);
    if (
      old !== undefined &&
      sameLabels(old.metadata.labels, labels) &&
      sameSubsets(old.subsets, subsets) &&
      (old.metadata.annotations?.[overCapacity] !== undefined) === truncated
    ) {
      return;
    }
    const annotations: Record<string, string> = { ...old?.metadata.annotations, [triggerTime]: time() };
    delete annotations[overCapacity];
    if (truncated) annotations[overCapacity] = 'truncated';
    const { subsets: _, ...rest } = old ?? this.#newEndpoints(namespace, name);
    store.put({
      ...rest,
      metadata: { ...rest.metadata, labels, annotations },
      ...(subsets.length === 0 ? {} : { subsets }),
    } as Endpoints);
  }

  #newEndpoints(namespace: string, name: string): Endpoints {
    const { names, time } = this.context;
    const uid = names.uid(`Endpoints ${namespace}/${name}`);
    const metadata = { name, namespace, uid, creationTimestamp: time() };
    return { apiVersion: 'v1', kind: 'Endpoints', metadata };
  }
}

function offersOf(service: Service, pods: readonly Pod[]): Offer[] {
  const offers: Offer[] = [];
  const publish = service.spec.publishNotReadyAddresses === true;
  const ports = service.spec.ports ?? [];
  const headless = clusterIPs(service)[0] === 'None';
  for (const pod of pods) {
    if (!belongsInEndpoints(pod, publish)) continue;
    const address = addressOf(pod, service);
    if (address === undefined) continue;
    const ready = publish || isReady(pod);
    const offered: SubsetPort[] = [];
    for (const each of ports) {
      const port = findPort(pod, each);
      if (port === undefined) continue;
      const { name, protocol = 'TCP', appProtocol } = each;
      offered.push({
        ...(name ? { name } : {}),
        port,
        protocol,
        ...(appProtocol === undefined ? {} : { appProtocol }),
      });
    }
    if (offered.length > 0 || (ports.length === 0 && headless)) offers.push({ address, ready, ports: offered });
  }
  return offers;
}

/** The pod's address of the service's first family. */
function addressOf(pod: Pod, service: Service): EndpointAddress | undefined {
  const ips = podIPs(pod);
  const first = service.spec.ipFamilies?.[0];
  const clusterIP = clusterIPs(service)[0];
  const reference = clusterIP === undefined || clusterIP === 'None' ? (ips[0] ?? '') : clusterIP;
  const ipv6 = first === undefined ? reference.includes(':') : first === 'IPv6';
  const ip = ips.find((each) => each.includes(':') === ipv6);
  if (ip === undefined) return undefined;
  const hostname = endpointHostname(pod, service);
  const { nodeName } = pod.spec;
  return {
    ip,
    ...(hostname === undefined ? {} : { hostname }),
    ...(nodeName ? { nodeName } : {}),
    targetRef: targetRefOf(pod),
  };
}

/** At most 1000 addresses, ready ones first, in proportion over the subsets (truncateEndpoints). */
function truncate(subsets: Subset[]): { subsets: Subset[]; truncated: boolean } {
  const count = (of: (subset: Subset) => unknown[] | undefined) =>
    subsets.reduce((sum, subset) => sum + (of(subset)?.length ?? 0), 0);
  const ready = count(({ addresses }) => addresses);
  const total = ready + count(({ notReadyAddresses }) => notReadyAddresses);
  if (total <= maxAddresses) return { subsets, truncated: false };
  const onlyReady = ready >= maxAddresses;
  const room = onlyReady ? maxAddresses : maxAddresses - ready;
  const from = onlyReady ? ready : total - ready;
  let added = 0;
  const cut = subsets.map((subset, i): Subset => {
    const list = (onlyReady ? subset.addresses : subset.notReadyAddresses) ?? [];
    const share = i === subsets.length - 1 ? room - added : Math.floor((list.length / from) * room);
    const kept = list.slice(0, share);
    added += kept.length;
    const { addresses, notReadyAddresses, ...rest } = subset;
    if (onlyReady) return kept.length === 0 ? rest : { addresses: kept, ...rest };
    return {
      ...(addresses === undefined ? {} : { addresses }),
      ...(kept.length === 0 ? {} : { notReadyAddresses: kept }),
      ...rest,
    };
  });
  return { subsets: cut.filter(({ addresses, notReadyAddresses }) => addresses ?? notReadyAddresses), truncated: true };
}

function sameSubsets(a: readonly Subset[] | undefined, b: readonly Subset[]): boolean {
  if ((a?.length ?? 0) !== b.length) return false;
  return a === undefined || JSON.stringify(a) === JSON.stringify(b);
}

import { internalIPs, isReady } from '@netsim/control';
import { type Ingress, matchesLabels, type Node, type ObjectStore, type Pod, type Service } from '@netsim/manifest';
import type { Controller } from './controllers.ts';

/** A store of objects that is only read. */
export type StoreReader = Pick<ObjectStore, 'get' | 'list'>;

interface Address {
  readonly ip?: string;
  readonly hostname?: string;
}

/**
 * The addresses that a controller writes into the status of what it serves: those of the Service that it is told to publish
 * (or that selects it, if that has a load balancer), else those of the nodes that it runs on.
 */
export function publishedAddresses(store: StoreReader, pods: readonly Pod[], { flags }: Controller): Address[] {
  const namespace = pods[0]?.metadata.namespace;
  const given = flags.get('publish-status-address');
  if (given !== undefined)
    return given.split(',').map((text) => (/^[0-9.]+$|:/.test(text) ? { ip: text } : { hostname: text }));
  const named = flags.get('publish-service')?.replace('$(POD_NAMESPACE)', namespace ?? '');
  const published =
    named === undefined
      ? store.list<Service>('Service', namespace).find((service) => balances(service, pods))
      : store.get<Service>('Service', named.split('/')[0], named.split('/')[1] ?? '');
  if (published !== undefined) {
    const { type, externalIPs = [], clusterIP } = published.spec;
    const balanced = (published.status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) =>
      hostname === undefined ? { ip: ip! } : { hostname },
    );
    const external = externalIPs.map((ip) => ({ ip }));
    if (type === 'LoadBalancer') return [...balanced, ...external];
    return external.length > 0 ? external : [{ ip: clusterIP! }];
  }
  const nodes = new Set(pods.filter((pod) => isReady(pod)).map(({ spec }) => spec.nodeName));
  return [...nodes].sort().flatMap((name) => {
    const node = name === undefined ? undefined : store.get<Node>('Node', undefined, name);
    if (node === undefined) return [];
    const external = node.status?.addresses?.find(({ type }) => type === 'ExternalIP')?.address;
    const ip = external ?? internalIPs(node)[0];
    return ip === undefined ? [] : [{ ip }];
  });
}

function balances({ spec }: Service, pods: readonly Pod[]): boolean {
  if (spec.type !== 'LoadBalancer' || spec.selector === undefined) return false;
  const [pod] = pods;
  return pod !== undefined && matchesLabels(spec.selector, pod.metadata.labels ?? {});
}

/** Writes the addresses into an Ingress, where they are others than before. */
export function publish(store: ObjectStore, ingress: Ingress, addresses: readonly Address[]): void {
  const before = ingress.status?.loadBalancer?.ingress ?? [];
  if (JSON.stringify(before) === JSON.stringify(addresses)) return;
  const loadBalancer = addresses.length === 0 ? {} : { ingress: addresses };
  const changed: Ingress = { ...ingress, status: { ...ingress.status, loadBalancer } };
  store.put(changed);
}

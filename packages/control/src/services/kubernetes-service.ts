import type { EndpointSlice, Endpoints, Node, Service } from '@netsim/manifest';
import { addressAt, familyOf, formatIp } from '@netsim/wire';
import { internalIPs, isControlPlane } from '../cluster/default-cluster.ts';
import type { Context } from '../core/context.ts';
import { Controller } from '../core/controller.ts';

const name = 'kubernetes';
const namespace = 'default';
const apiServerPort = 6443;

/**
 * The Service `kubernetes` with the first address of the service CIDR, and its endpoints: the API servers on the
 * control-plane nodes, as the API server's own lease reconciler keeps them. What a dump brings is kept.
 */
export class KubernetesService extends Controller {
  /** Addresses last written, by kind. */
  readonly #addresses = new Map<string, string>();
  /** Whether the endpoints are made here; not where the input brought them. */
  readonly #ours: boolean;

  constructor(context: Context) {
    super(context);
    const { store } = context;
    this.#ours = ['Endpoints', 'EndpointSlice'].every((kind) => store.get(kind, namespace, name) === undefined);
    this.queue.add(name);
    this.watch('Node', () => this.queue.add(name));
  }

  protected override reconcile(): void {
    this.#service();
    this.#endpoints();
  }

  #service(): void {
    const { store, config } = this.context;
    const block = config.serviceCIDRs[0];
    if (block === undefined || store.get('Service', namespace, name) !== undefined) return;
    const clusterIP = formatIp(addressAt(block, 1));
    store.put({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace, labels: { component: 'apiserver', provider: 'kubernetes' } },
      spec: {
        type: 'ClusterIP',
        clusterIP,
        clusterIPs: [clusterIP],
        ipFamilies: [familyOf(block.address) === 4 ? 'IPv4' : 'IPv6'],
        ipFamilyPolicy: 'SingleStack',
        internalTrafficPolicy: 'Cluster',
        sessionAffinity: 'None',
        ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: apiServerPort }],
      },
      status: { loadBalancer: {} },
    } satisfies Service as Service);
  }

  #endpoints(): void {
    const { store, config } = this.context;
    const ipv6 = typeof config.serviceCIDRs[0]?.address === 'bigint';
    if (!this.#ours) return;
    const ips = store
      .list<Node>('Node')
      .filter(isControlPlane)
      .flatMap((node) =>
        internalIPs(node)
          .filter((ip) => ip.includes(':') === ipv6)
          .slice(0, 1),
      )
      .sort();
    const port = { name: 'https', port: apiServerPort, protocol: 'TCP' };
    const endpoints: Endpoints = {
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata: { name, namespace, labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
      ...(ips.length === 0 ? {} : { subsets: [{ addresses: ips.map((ip) => ({ ip })), ports: [port] }] }),
    };
    const slice: EndpointSlice = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name, namespace, labels: { 'kubernetes.io/service-name': name } },
      addressType: ipv6 ? 'IPv6' : 'IPv4',
      endpoints: ips.map((ip) => ({ addresses: [ip], conditions: { ready: true } })),
      ports: [port],
    };
    for (const object of [endpoints, slice]) {
      const old = store.get(object.kind, namespace, name);
      if (old !== undefined && this.#addresses.get(object.kind) === ips.join()) continue;
      this.#addresses.set(object.kind, ips.join());
      const { uid, creationTimestamp } = old?.metadata ?? {};
      if (uid !== undefined) Object.assign(object.metadata, { uid, creationTimestamp });
      store.put(object);
    }
  }
}

import type { Node, ObjectStore, Service } from '@netsim/manifest';
import { formatIp, type Ip } from '@netsim/wire';
import type { Context } from '../core/context.ts';
import { Controller } from '../core/controller.ts';
import { objectKey, splitKey } from '../core/keys.ts';
import { hasClusterIP } from '../services/service-families.ts';
import { rangeContains } from './address-pool.ts';
import { CloudAddresses, cloudOf, ingressOf } from './cloud.ts';
import { MetalLbAllocator } from './metallb-allocator.ts';
import { type MetalLbConfig, metallbConfig, metallbKinds } from './metallb-config.ts';

const poolAnnotation = 'metallb.io/ip-allocated-from-pool';

/**
 * Gives Services of type LoadBalancer their addresses: MetalLB where there are address pools, else the cloud where the
 * nodes say that they are in one, else nobody. An address that a dump brings without either is kept.
 */
export class LoadBalancers extends Controller {
  /** Why a service waits for an address, by key. */
  readonly pending = new Map<string, string>();
  readonly #metallb = new MetalLbAllocator();
  readonly #cloud = new CloudAddresses();
  /** Keys of the services of this type. */
  readonly #balanced = new Set<string>();
  #config: MetalLbConfig | undefined;
  #cloudName: { readonly name: string | undefined } | undefined;

  constructor(context: Context) {
    super(context);
    for (const kind of metallbKinds) {
      this.watch(kind, ({ object }) => {
        if (kind === 'ConfigMap' && object.metadata.namespace !== 'metallb-system') return;
        this.#config = undefined;
        this.#all();
      });
    }
    this.watch('Namespace', ({ object, old }) => {
      // Pools may be kept for namespaces by label.
      if (this.#config === undefined || object.metadata.labels === old?.metadata.labels) return;
      if (!this.#config.pools.some(({ allocation }) => allocation !== undefined)) return;
      this.#config = undefined;
      this.#all();
    });
    this.watch('Node', ({ type, object, old }) => {
      if (type === 'MODIFIED' && (object as Node).spec?.providerID === (old as Node).spec?.providerID) return;
      this.#cloudName = undefined;
      this.#all();
    });
    this.watch('Service', ({ type, object, old }) => {
      const service = object as Service;
      const key = objectKey(service);
      const balanced = type !== 'DELETED' && service.spec.type === 'LoadBalancer';
      if (!balanced && !this.#balanced.delete(key)) return;
      if (balanced) this.#balanced.add(key);
      const before = old as Service | undefined;
      const same = before?.spec === service.spec && before.status === service.status;
      if (same && before.metadata.annotations === service.metadata.annotations) return;
      this.queue.add(key);
      // An address may have become free for one that waits.
      if (type !== 'ADDED') for (const each of this.pending.keys()) if (each !== key) this.queue.add(each);
    });
  }

  protected override reconcile(key: string): void {
    const { namespace, name } = splitKey(key);
    const service = this.context.store.get<Service>('Service', namespace, name);
    if (service === undefined || service.spec.type !== 'LoadBalancer') {
      this.#release(key);
      if (service !== undefined) this.#report(service, [], undefined);
      return;
    }
    // Without cluster IPs the families are not known yet.
    if (!hasClusterIP(service)) return;
    this.#config ??= metallbConfig(this.context.store);
    this.#cloudName ??= { name: cloudOf(this.context.store) };
    const { loadBalancerClass } = service.spec;
    if (loadBalancerClass !== undefined) {
      this.#wait(
        service,
        key,
        `spec.loadBalancerClass "${loadBalancerClass}" is left to others by MetalLB and by clouds`,
      );
    } else if (this.#config.pools.length > 0) this.#byMetalLb(service, key, this.#config);
    else if (this.#cloudName.name !== undefined) this.#byCloud(service, key);
    else {
      const reason =
        'no load balancer is there: no MetalLB IPAddressPool is given, and no node is in a cloud by its spec.providerID';
      this.#wait(service, key, reason);
    }
  }

  #byMetalLb(service: Service, key: string, config: MetalLbConfig): void {
    const answer = this.#metallb.converge(config, service, key);
    if ('error' in answer) {
      this.pending.set(key, `MetalLB: ${answer.error}`);
      this.#report(service, [], undefined);
      return;
    }
    this.pending.delete(key);
    this.#report(service, ingressOf(answer.ips), answer.pool);
  }

  /** Load balancers of a dump keep their addresses. */
  #byCloud(service: Service, key: string): void {
    const given = service.status?.loadBalancer?.ingress ?? [];
    const { loadBalancerIP = '' } = service.spec;
    const asked = loadBalancerIP === '' || given.some(({ ip }) => ip === loadBalancerIP);
    if (given.length > 0 && asked) this.#report(service, given, undefined);
    else this.#report(service, ingressOf(this.#cloud.converge(service, key)), undefined);
    this.pending.delete(key);
  }

  /** Nobody gives an address; one that is there stays. */
  #wait(service: Service, key: string, reason: string): void {
    this.#metallb.release(key);
    this.#cloud.release(key);
    const given = service.status?.loadBalancer?.ingress ?? [];
    if (given.length > 0) {
      this.pending.delete(key);
      this.#report(service, given, undefined);
    } else this.pending.set(key, reason);
  }

  #report(service: Service, ingress: readonly Ingress[], pool: string | undefined): void {
    const old = service.status?.loadBalancer?.ingress ?? [];
    const next = ingress.map((each) => (each.ip === undefined || each.ipMode !== undefined ? each : vip(each)));
    const { [poolAnnotation]: oldPool, ...annotations } = service.metadata.annotations ?? {};
    if (sameIngress(old, next) && oldPool === pool) return;
    const { annotations: _, ...bare } = service.metadata;
    if (pool !== undefined) annotations[poolAnnotation] = pool;
    const metadata = Object.keys(annotations).length === 0 ? bare : { ...bare, annotations };
    const loadBalancer = next.length === 0 ? {} : { ingress: next };
    this.context.store.put({ ...service, metadata, status: { ...service.status, loadBalancer } } as Service);
  }

  #release(key: string): void {
    this.pending.delete(key);
    this.#metallb.release(key);
    this.#cloud.release(key);
  }

  #all(): void {
    for (const key of this.#balanced) this.queue.add(key);
  }
}

/** Will a Service of type LoadBalancer get an address here? */
export function givesLoadBalancerAddresses(store: ObjectStore): boolean {
  return metallbConfig(store).pools.length > 0 || cloudOf(store) !== undefined;
}

/** Whether an address is a service's from outside, or may become one's: it stands in an address pool. */
export function isLoadBalancerAddress(store: ObjectStore, ip: Ip): boolean {
  const { pools } = metallbConfig(store);
  if (pools.some(({ ranges }) => ranges.some((range) => rangeContains(range, ip)))) return true;
  const text = formatIp(ip);
  return store.list<Service>('Service').some(({ spec, status }) => {
    const { externalIPs = [] } = spec as { externalIPs?: readonly string[] };
    return externalIPs.includes(text) || (status?.loadBalancer?.ingress ?? []).some((each) => each.ip === text);
  });
}

type Ingress = NonNullable<NonNullable<NonNullable<Service['status']>['loadBalancer']>['ingress']>[number];

function vip(ingress: Ingress): Ingress {
  return { ...ingress, ipMode: 'VIP' };
}

function sameIngress(a: readonly Ingress[], b: readonly Ingress[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ ip, hostname, ipMode }, i) => {
      const other = b[i]!;
      return ip === other.ip && hostname === other.hostname && ipMode === other.ipMode;
    })
  );
}

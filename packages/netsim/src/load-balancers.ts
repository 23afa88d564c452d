import { type LoadBalancerPlan, loadBalancerPlan } from '@netsim/control';
import type { Netns, RandomSource } from '@netsim/kernel';
import type { Node, ObjectStore, Service, StoreEvent } from '@netsim/manifest';
import { familyBits, familyOf, type Ip, parseIp, prefixOf } from '@netsim/wire';

interface Way {
  readonly plan: LoadBalancerPlan;
  /** Node that answers for the address or that the router sends to; undefined where none does. */
  node: string | undefined;
}

/** What load balancers need of the machines. */
export interface LoadBalancerGround {
  readonly store: ObjectStore;
  readonly random: RandomSource;
  /** Interface of a node on the shared network. */
  readonly uplink: string;
  /** Netns of a machine, built if need be. */
  machine(name: string): Netns | undefined;
  readonly router: string;
  addressOf(node: string, like: Ip): Ip | undefined;
  /** Whether a node's machine runs and is on the network: the Ready condition is the kubelet's, and nobody here asks for it. */
  alive(node: Node): boolean;
}

/**
 * Brings the addresses of load balancers to the nodes: in layer 2 one node answers ARP for the address (MetalLB's speaker); with
 * BGP or a cloud the router sends each new connection to one of the nodes.
 */
export class LoadBalancers {
  readonly #ground: LoadBalancerGround;
  readonly #ways = new Map<Ip, Way>();
  readonly #services = new Set<string>();

  constructor(ground: LoadBalancerGround) {
    this.#ground = ground;
    for (const object of ground.store.list<Service>('Service')) this.note({ type: 'ADDED', object });
  }

  planOf(ip: Ip): LoadBalancerPlan | undefined {
    return this.#ways.get(ip)?.plan;
  }

  /** Told of each service, so that a cluster without load balancers is never searched for one. */
  note({ type, object }: StoreEvent): void {
    const { namespace, name } = object.metadata;
    const isOne = type !== 'DELETED' && (object as Service).spec.type === 'LoadBalancer';
    if (isOne) this.#services.add(`${namespace}/${name}`);
    else this.#services.delete(`${namespace}/${name}`);
  }

  /** Follows the objects. */
  update(): void {
    const { store } = this.#ground;
    if (this.#services.size === 0 && this.#ways.size === 0) return;
    const wanted = new Map<Ip, LoadBalancerPlan>(
      loadBalancerPlan(store, { alive: (node) => this.#ground.alive(node) }).map((plan) => [parseIp(plan.ip), plan]),
    );
    for (const [ip, way] of this.#ways) {
      const plan = wanted.get(ip);
      if (plan?.mode === way.plan.mode && way.node !== undefined && plan.nodes.includes(way.node)) continue;
      this.#lead(ip, way, undefined);
      this.#ways.delete(ip);
    }
    for (const [ip, plan] of wanted) {
      const way: Way = this.#ways.get(ip) ?? { plan, node: undefined };
      const next: Way = { plan, node: way.node };
      this.#ways.set(ip, next);
      if (next.node === undefined) this.#lead(ip, next, plan.nodes[0]);
    }
  }

  /** Draws one of the nodes for the next connection; in layer 2 there is no choice. */
  spread(ip: Ip): void {
    const way = this.#ways.get(ip);
    if (way === undefined || way.plan.mode === 'l2' || way.plan.nodes.length < 2) return;
    const { nodes } = way.plan;
    this.#lead(ip, way, nodes[this.#ground.random.choose(nodes.length)]);
  }

  #lead(ip: Ip, way: Way, node: string | undefined): void {
    if (way.node === node) return;
    const { uplink, machine, router, addressOf } = this.#ground;
    const destination = prefixOf(ip, familyBits(familyOf(ip)));
    if (way.plan.mode === 'l2') {
      if (way.node !== undefined) machine(way.node)?.withdraw(uplink, ip);
      if (node !== undefined) machine(node)?.announce(uplink, ip);
    } else {
      const routes = machine(router);
      if (way.node !== undefined) routes?.delRoute({ destination, via: addressOf(way.node, ip)!, dev: uplink });
      const via = node === undefined ? undefined : addressOf(node, ip);
      if (via !== undefined) routes?.addRoute({ destination, via, dev: uplink });
    }
    way.node = node;
  }
}

import { cloudOf, internalIPs, isLoadBalancerAddress } from '@netsim/control';
import { type GkeClass, type GkeRouter, gkeClassOf, gkeRouter } from '@netsim/ingress';
import { parseIptablesSave } from '@netsim/kernel';
import type { Ingress, Node, ObjectStore } from '@netsim/manifest';
import { formatIp, type Ip, parseIp, tryParseIp } from '@netsim/wire';
import type { Controller } from '../controllers.ts';
import type { BackendSource } from '../endpoints.ts';
import { GkeBackends } from './backends.ts';
import { GkeHealthChecks } from './health-checks.ts';

/** The load balancer of one Ingress, with the machine that stands for it outside the cluster. */
export interface GkeLoadBalancer {
  readonly namespace: string;
  readonly name: string;
  /** Its netns. */
  readonly netns: string;
  /** Its machine, as a trace shows it. */
  readonly machine: string;
  readonly address: Ip;
  /** The address is netsim's own choice. */
  readonly madeUp: boolean;
  /** What backends see requests come from. */
  readonly source: Ip;
  readonly router: GkeRouter;
  readonly controller: Controller;
  readonly backends: GkeBackends;
  readonly health: GkeHealthChecks;
}

interface Kept {
  readonly address: Ip;
  readonly madeUp: boolean;
  readonly source: Ip;
  readonly health: GkeHealthChecks;
}

/** Ingresses that GKE's controller serves, each as a load balancer outside the cluster. */
export class GkeLoadBalancers {
  readonly #store: ObjectStore;
  readonly #ready: BackendSource;
  readonly #now: () => number;
  readonly #kept = new Map<string, Kept>();
  #all: readonly GkeLoadBalancer[] | undefined;
  #sources = 0;

  constructor(store: ObjectStore, ready: BackendSource, now: () => number) {
    this.#store = store;
    this.#ready = ready;
    this.#now = now;
  }

  /** The objects that routers are compiled from have changed. */
  changed(): void {
    this.#all = undefined;
  }

  /** The same list as long as nothing has changed. */
  all(): readonly GkeLoadBalancer[] {
    if (this.#all !== undefined) return this.#all;
    const onGke = isGke(this.#store);
    const served = new Set<string>();
    this.#all = this.#store.list<Ingress>('Ingress').flatMap((ingress) => {
      const gkeClass = gkeClassOf(ingress, onGke);
      if (gkeClass === undefined) return [];
      served.add(keyOf(ingress));
      return [this.#loadBalancer(ingress, gkeClass)];
    });
    for (const key of this.#kept.keys()) if (!served.has(key)) this.#kept.delete(key);
    return this.#all;
  }

  /** One line for each address that the manifests do not say. */
  notes(): string[] {
    return this.all().flatMap(({ madeUp, namespace, name, controller, router }) =>
      !madeUp || router.refused !== undefined
        ? []
        : [
            `ingress ${namespace}/${name} is served by GKE (class ${controller.kind}): its load balancer stands outside the cluster; ${controller.address} stands for the address that Google gives it`,
          ],
    );
  }

  at(netns: string): GkeLoadBalancer | undefined {
    return this.all().find((each) => each.netns === netns);
  }

  #loadBalancer(ingress: Ingress, gkeClass: GkeClass): GkeLoadBalancer {
    const { namespace = 'default', name } = ingress.metadata;
    const key = keyOf(ingress);
    let kept = this.#kept.get(key);
    if (kept === undefined) {
      kept = this.#keep(ingress, gkeClass);
      this.#kept.set(key, kept);
    }
    const { address, health } = kept;
    return {
      ...kept,
      namespace,
      name,
      netns: `lb/${key}`,
      machine: namespace === 'default' ? `lb/${name}` : `lb/${key}`,
      router: gkeRouter(this.#store, ingress, gkeClass, this.#now()),
      backends: new GkeBackends(this.#store, this.#ready, health, gkeClass),
      controller: {
        kind: gkeClass,
        name: gkeClass,
        controller: '',
        container: 'load-balancer',
        listeners: [],
        flags: new Map(),
        address: formatIp(address),
      },
    };
  }

  #keep(ingress: Ingress, gkeClass: GkeClass): Kept {
    const [given] = ingress.status?.loadBalancer?.ingress ?? [];
    const known = tryParseIp(given?.ip ?? '');
    const number = ++this.#sources % 250;
    // Google's ranges for proxies and health checks; inside a VPC the range of its proxy-only subnet, as the documentation has it.
    const source = parseIp(gkeClass === 'gce' ? `35.191.0.${number}` : `10.129.0.${number + 1}`);
    const address = known ?? this.#freeAddress(gkeClass);
    return { address, madeUp: known === undefined, source, health: new GkeHealthChecks() };
  }

  /** An address for documentation (RFC 5737), from the end, where Services begin at the start; inside, one of the nodes' network. */
  #freeAddress(gkeClass: GkeClass): Ip {
    const nodes = new Set(this.#store.list<Node>('Node').flatMap((node) => internalIPs(node)));
    const first = [...nodes].find((ip) => typeof tryParseIp(ip) === 'number');
    const network = gkeClass === 'gce-internal' && first !== undefined ? first.replace(/\d+$/, '') : '203.0.113.';
    const taken = new Set([...this.#kept.values()].map(({ address }) => address));
    for (let host = gkeClass === 'gce' ? 254 : 250; host > 1; host--) {
      const ip = parseIp(`${network}${host}`);
      if (!taken.has(ip) && !nodes.has(formatIp(ip)) && !isLoadBalancerAddress(this.#store, ip)) return ip;
    }
    return parseIp(`198.51.100.${this.#kept.size % 256}`);
  }
}

/** Whether the nodes are Google's, so that the cluster has GKE's controller. */
export function isGke(store: ObjectStore): boolean {
  return cloudOf(store) === 'gce';
}

/** What reaches a load balancer: connections to the ports of its forwarding rules. All else is dropped. */
export function forwardingRules({ router }: GkeLoadBalancer): ReturnType<typeof parseIptablesSave> {
  const ports = router.listeners.map(({ port }) => `-A INPUT -p tcp -m tcp --dport ${port} -j ACCEPT\n`).join('');
  return parseIptablesSave(
    `*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
${ports}COMMIT
`,
    4,
  );
}

function keyOf({ metadata: { namespace = 'default', name } }: Ingress): string {
  return `${namespace}/${name}`;
}

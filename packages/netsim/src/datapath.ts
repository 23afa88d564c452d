import { type CniConfig, macOfName, NetworkPlanner, nodeInfo, type PodInfo, podInfo, podNetnsName } from '@netsim/cni';
import type { ClusterConfig, LoadBalancerPlan } from '@netsim/control';
import type { Netns, NetnsConfig, Ruleset, World, WorldPlan } from '@netsim/kernel';
import type { Node, ObjectStore, Pod, StoreEvent } from '@netsim/manifest';
import { conntrackSysctls, proxyConfigOf, proxySysctls } from '@netsim/proxy';
import { familyOf, type Ip } from '@netsim/wire';
import { nodeCacheOf, nodeCacheRulesets } from './dns/node-cache.ts';
import { HealthChecks, type ServeHttp } from './health-checks.ts';
import { LoadBalancers } from './load-balancers.ts';
import { NamedMachines } from './named-machines.ts';
import { sameNode, samePod } from './network-changes.ts';
import { type NodeIpvs, NodeRules } from './node-rules.ts';
import { machineWith, OutsideLinks, outsideName } from './outside-links.ts';
import { type OutsideMachineSource, OutsideMachines } from './outside-machines.ts';
import type { ProxySettings } from './proxy-from-objects.ts';
import { worldPlan } from './world-plan.ts';

/** Called for a namespace that has just come to be: programs start listening in it. */
export type NetnsStarted = (netns: Netns, pod: Pod | undefined) => void;

/** Machines that are always there in the world outside, and those that objects make; and what starts their programs. */
export interface OutsideServers {
  readonly addresses: readonly Ip[];
  start(netns: Netns, address: Ip): void;
  readonly machines: OutsideMachineSource;
}

/**
 * Joins the plans of control plane, CNI and kube-proxy to the kernel, and keeps them current. A node is built when the first
 * packet reaches it; later changes of objects reach the nodes that are built, at the cost of the change.
 */
export class Datapath {
  readonly world: World;
  readonly #store: ObjectStore;
  readonly #config: ClusterConfig;
  readonly #cni: CniConfig;
  readonly #proxy: ProxySettings;
  readonly #started: NetnsStarted;
  readonly #rules: NodeRules;
  readonly #built = new Set<string>();
  readonly #podOfNetns = new Map<string, Pod>();
  readonly #changedPods = new Map<string, { before: PodInfo | undefined; waited: boolean }>();
  #planner: NetworkPlanner;
  #loadBalancers: LoadBalancers;
  readonly #healthChecks: HealthChecks;
  /** Machines taken off the network. */
  readonly #stopped = new Set<string>();
  /** Machines that run without their kubelet. */
  readonly #silent = new Set<string>();
  /** Machines somewhere outside, with any address. */
  readonly #outside: OutsideLinks;
  /** Machines outside that were asked for by a name of the user's own. */
  readonly #named: NamedMachines;
  readonly #outsideServers: OutsideServers;
  readonly #outsideMachines: OutsideMachines;
  #servicesChanged = false;
  #topologyChanged = false;
  readonly #unwatch: (() => void)[] = [];

  constructor(options: {
    store: ObjectStore;
    config: ClusterConfig;
    cni: CniConfig;
    proxy: ProxySettings;
    world: World;
    started: NetnsStarted;
    outsideServers: OutsideServers;
    serve: ServeHttp;
    /** Milliseconds since the Unix epoch. */
    now: () => number;
  }) {
    this.#outsideServers = options.outsideServers;
    this.#outside = new OutsideLinks(options.world);
    this.#named = new NamedMachines(options.world, options.store, () => this.#planner);
    this.#outsideMachines = new OutsideMachines({
      source: options.outsideServers.machines,
      attach: (machine, router) => this.#outside.attach(machine, router),
      detach: (machine) => this.#outside.detach(machine),
      nodes: () => this.#store.list<Node>('Node').map(nodeInfo),
      uplink: () => this.#planner.underlayConfig.uplink,
    });
    this.#store = options.store;
    this.#config = options.config;
    this.#cni = options.cni;
    this.#proxy = options.proxy;
    this.world = options.world;
    this.#started = options.started;
    this.#planner = this.#plan();
    this.#rules = new NodeRules({
      store: this.#store,
      config: this.#config,
      proxy: this.#proxy,
      uplink: this.#planner.underlayConfig.uplink,
      pluginRules: (node) => this.#pluginRules(node),
    });
    this.#offerNodes();
    this.#healthChecks = new HealthChecks({
      store: this.#store,
      state: this.#rules.state,
      netns: (name) => this.world.netns(name),
      serve: options.serve,
      now: options.now,
    });
    this.#loadBalancers = this.#newLoadBalancers();
    this.#watch();
  }

  #newLoadBalancers(): LoadBalancers {
    const { underlayConfig } = this.#planner;
    const balancers = new LoadBalancers({
      store: this.#store,
      random: this.world.random,
      uplink: underlayConfig.uplink,
      router: underlayConfig.router,
      machine: (name) => {
        this.#build(name);
        return this.world.netns(name);
      },
      alive: (node) => this.#runs(node),
      addressOf: (name, like) => {
        const node = this.#store.get<Node>('Node', undefined, name);
        return node === undefined ? undefined : nodeInfo(node).addresses.find((ip) => familyOf(ip) === familyOf(like));
      },
    });
    balancers.update();
    return balancers;
  }

  stop(): void {
    for (const end of this.#unwatch) end();
  }

  get cni(): CniConfig {
    return this.#planner.config;
  }

  /** The name of the machine outside the cluster that is always there. */
  get externalName(): string {
    return this.#planner.underlayConfig.external;
  }

  /** The address of a machine outside the cluster; one of a new name is put on the nodes' network, at the next free address. */
  hostAddress(name: string): Ip | undefined {
    return this.#hostConfig(name)?.addresses[0]?.address;
  }

  /** The netns of a machine outside the cluster, by its name. */
  hostNetns(name: string): Netns | undefined {
    this.sync();
    const config = this.#hostConfig(name);
    if (config === undefined) return undefined;
    if (name === this.externalName) this.#build(name);
    return this.world.netns(config.name);
  }

  #hostConfig(name: string): NetnsConfig | undefined {
    const { external } = this.#planner.underlayConfig;
    if (name === external) return this.#planner.underlay.netns.find((config) => config.name === external);
    return this.#named.of(name);
  }

  get routerName(): string {
    return this.#planner.underlayConfig.router;
  }

  /** The pod that a netns belongs to. */
  podOf(netns: string): Pod | undefined {
    return this.#podOfNetns.get(netns);
  }

  /** The netns of a pod, built with its node if need be. hostNetwork pods live in their node's. */
  podNetns(pod: Pod): Netns | undefined {
    const info = podInfo(pod);
    if (info === undefined) return undefined;
    this.sync();
    this.#build(info.node);
    return this.world.netns(podNetnsName(info));
  }

  machineNetns(name: string): Netns | undefined {
    this.sync();
    this.#build(name);
    return this.world.netns(name);
  }

  /** A machine somewhere outside, with any address: it hangs off the router by a link of its own. */
  outsideHost(ip: Ip): Netns {
    const router = this.machineNetns(this.routerName)!;
    return this.world.netns(outsideName(ip)) ?? this.#outside.attach(machineWith(ip), router);
  }

  /** A machine outside that objects make, by its netns; undefined where there is none. */
  outsideMachine(name: string): Netns | undefined {
    this.machineNetns(this.routerName);
    return this.world.netns(name);
  }

  /** The world outside, of which nothing is known but what is asked of it: the router, and the servers behind it. */
  isOutside(netns: string): boolean {
    return netns === this.routerName || this.#outsideServers.addresses.some((ip) => outsideName(ip) === netns);
  }

  /** Brings the built part of the world up to date with the objects. Cheap where nothing changed. */
  sync(): void {
    if (this.#topologyChanged) {
      this.#rebuild();
      return;
    }
    if (this.#changedPods.size > 0) this.#syncPods();
    if (this.#servicesChanged) {
      this.#servicesChanged = false;
      for (const name of this.#built) {
        this.#loadRules(name);
        const netns = this.world.netns(name);
        if (netns !== undefined) this.#rules.cleanConntrack(netns);
        this.#healthChecks.update(name);
      }
      this.#rules.conntrackCleaned();
      this.#loadBalancers.update();
      this.world.run();
    }
    this.#followOutside();
  }

  #followOutside(): void {
    const { due } = this.#outsideMachines;
    // One that answers on the nodes' own network does so from the beginning.
    if (due === 'now') this.#build(this.routerName);
    const router = due !== 'no' && this.#built.has(this.routerName) ? this.world.netns(this.routerName) : undefined;
    if (router !== undefined) this.#outsideMachines.follow(router);
  }

  /** Takes a machine off the network, or puts it back. */
  setMachineUp(name: string, up: boolean): void {
    const netns = this.machineNetns(name);
    const { uplink } = this.#planner.underlayConfig;
    if (up) this.#stopped.delete(name);
    else this.#stopped.add(name);
    if (up) netns?.setUp(uplink);
    else netns?.setDown(uplink);
    this.#servicesChanged = true;
  }

  /** Says that the machine of a node runs on though its kubelet is silent, or takes that back. */
  setKubeletUp(name: string, up: boolean): void {
    if (up) this.#silent.delete(name);
    else this.#silent.add(name);
    this.#servicesChanged = true;
  }

  /** MetalLB's speakers and a cloud's health checks find a machine by asking it. All that is known of one that a dump calls not ready is that. */
  #runs({ metadata, status }: Node): boolean {
    if (this.#stopped.has(metadata.name)) return false;
    const ready = status?.conditions?.find((condition) => condition.type === 'Ready');
    return ready === undefined || ready.status === 'True' || this.#silent.has(metadata.name);
  }

  /** How an address of a load balancer comes into the cluster; undefined for any other address. */
  loadBalancer(ip: Ip): LoadBalancerPlan | undefined {
    return this.#loadBalancers.planOf(ip);
  }

  /** Lets the router choose, as by a hash of a new connection, the node that it sends traffic for a load balancer to. */
  spread(ip: Ip): void {
    this.#loadBalancers.spread(ip);
  }

  /** Everything as plain data, all nodes included: what the lab builds in the real kernel. */
  plan(): WorldPlan {
    this.sync();
    return worldPlan({
      store: this.#store,
      planner: this.#planner,
      rules: this.#rules,
      ipvsOf: (node) => this.#ipvsOf(node),
    });
  }

  /** What kube-proxy made on a node in IPVS mode follows the node's addresses: the node is built for it. */
  #ipvsOf(name: string): NodeIpvs | undefined {
    if (!this.#rules.usesIpvs(name)) return undefined;
    this.#build(name);
    return this.#rules.ipvs(this.world.netns(name)!);
  }

  // --- watching ------------------------------------------------------------------------------------------------------

  #watch(): void {
    const on = (kind: string, listener: (event: StoreEvent) => void): void => {
      this.#unwatch.push(this.#store.watch(kind, listener));
    };
    on('Service', (event) => {
      this.#rules.serviceChanged(event);
      this.#loadBalancers.note(event);
      this.#healthChecks.note(event);
      this.#servicesChanged = true;
    });
    on('EndpointSlice', (event) => {
      this.#rules.sliceChanged(event);
      this.#servicesChanged = true;
    });
    on('Pod', ({ type, object, old }) => {
      const before = type === 'DELETED' ? podInfo(object as Pod) : old === undefined ? undefined : podInfo(old as Pod);
      const id = `${object.metadata.namespace}/${object.metadata.name}`;
      const waited = (old as Pod | undefined)?.status?.phase === 'Pending';
      if (!this.#changedPods.has(id)) this.#changedPods.set(id, { before, waited });
    });
    on('Node', ({ type, object, old }) => {
      if (type === 'MODIFIED' && sameNode(object as Node, old as Node)) this.#servicesChanged = true;
      else this.#topologyChanged = true;
    });
    // MetalLB's objects decide who answers for an address.
    on('*', ({ object }) => {
      if (object.apiVersion.startsWith('metallb.io/')) this.#servicesChanged = true;
      if (object.kind === 'Firewall') {
        this.#rules.firewallChanged();
        this.#servicesChanged = true;
      }
    });
  }

  #syncPods(): void {
    for (const [id, { before, waited }] of this.#changedPods) {
      const slash = id.indexOf('/');
      const pod = this.#store.get<Pod>('Pod', id.slice(0, slash), id.slice(slash + 1));
      const after = pod === undefined ? undefined : podInfo(pod);
      if (samePod(before, after)) {
        if (after !== undefined && pod !== undefined && this.#built.has(after.node)) {
          const name = after.hostNetwork ? after.node : podNetnsName(after);
          if (!after.hostNetwork) this.#podOfNetns.set(name, pod);
          // Containers that could not be started before.
          if (waited && pod.status?.phase === 'Running') this.#started(this.world.netns(name)!, pod);
        }
        continue;
      }
      if (before !== undefined) this.#removePod(before);
      if (after !== undefined) this.#addPod(after, pod!);
    }
    this.#changedPods.clear();
  }

  #removePod(info: PodInfo): void {
    const plan = this.#planner.removePod(info.namespace, info.name, info.node);
    if (info.hostPorts.length > 0) this.#hostPortsChanged(info.node);
    if (plan === undefined || !this.#built.has(info.node)) return;
    for (const route of plan.routes) this.world.netns(info.node)?.delRoute(route);
    this.world.deleteNetns(plan.netns.name);
    this.#podOfNetns.delete(plan.netns.name);
  }

  #hostPortsChanged(node: string): void {
    this.#rules.pluginChanged(node);
    this.#servicesChanged = true;
  }

  #addPod(info: PodInfo, pod: Pod): void {
    const plan = this.#planner.addPod(info);
    if (info.hostPorts.length > 0) this.#hostPortsChanged(info.node);
    if (!this.#built.has(info.node)) return;
    const node = this.world.netns(info.node)!;
    if (plan === undefined) {
      if (info.hostNetwork) this.#started(node, pod);
      return;
    }
    const netns = this.world.createNetns({ ...plan.netns, addresses: [], routes: [] });
    for (const link of plan.links) {
      node.addLink(link);
      if (link.master !== undefined) node.setMaster(link.name, link.master, link.hairpin ?? false);
      node.setUp(link.name);
    }
    for (const [name, value] of Object.entries(plan.sysctls)) node.setSysctl(name, value);
    for (const address of plan.addresses) node.addAddress(address);
    for (const route of plan.routes) node.addRoute(route);
    netns.configure(plan.netns);
    netns.setUp('eth0');
    this.#podOfNetns.set(plan.netns.name, pod);
    this.#started(netns, pod);
  }

  // --- building ------------------------------------------------------------------------------------------------------

  #plan(): NetworkPlanner {
    const nodes = this.#store.list<Node>('Node').map(nodeInfo);
    const pods = this.#store
      .list<Pod>('Pod')
      .map(podInfo)
      .filter((info) => info !== undefined);
    return new NetworkPlanner({ nodes, pods, config: this.#cni, nodeSysctls: (node) => this.#proxySysctls(node) });
  }

  /** What kube-proxy sets in a node. */
  #proxySysctls(name: string): Record<string, number> {
    const { configuration, surroundings } = this.#proxy;
    const node = this.#store.get<Node>('Node', undefined, name)!;
    const config = proxyConfigOf(configuration, node, 4, this.#config.podCIDRs, surroundings);
    return { ...proxySysctls(config), ...conntrackSysctls(configuration, node) };
  }

  /** Tells the segment of every machine that can be built on demand. */
  #offerNodes(): void {
    const { segment, uplink } = this.#planner.underlayConfig;
    for (const node of this.#store.list<Node>('Node').map(nodeInfo)) {
      const ports = [{ segment, mac: macOfName(`${node.name}/${uplink}`), addresses: node.addresses }];
      this.world.addLazyNode({ names: [node.name], ports, materialize: () => this.#build(node.name) });
    }
    for (const config of this.#planner.underlay.netns) {
      const ports = config.links.flatMap((link) =>
        link.kind === 'physical'
          ? [
              {
                segment: link.segment,
                mac: link.mac!,
                addresses: config.addresses.filter((entry) => entry.dev === link.name).map((entry) => entry.address),
              },
            ]
          : [],
      );
      this.world.addLazyNode({ names: [config.name], ports, materialize: () => this.#build(config.name) });
    }
  }

  #build(name: string): void {
    if (this.#built.has(name)) return;
    const surroundings = this.#planner.underlay.netns.find((config) => config.name === name);
    if (surroundings !== undefined) {
      this.#built.add(name);
      this.world.load({ netns: [surroundings], rulesets: [], listeners: [] });
      if (name === this.routerName) this.#startOutside(this.world.netns(name)!);
      return;
    }
    const node = this.#store.get<Node>('Node', undefined, name);
    if (node === undefined) return;
    this.#built.add(name);
    this.world.load({ netns: this.#planner.node(name).netns, rulesets: [], listeners: [] });
    this.#loadRules(name);
    this.#started(this.world.netns(name)!, undefined);
    this.#healthChecks.update(name);
    for (const pod of this.#podsOn(name)) {
      const info = podInfo(pod)!;
      if (!info.hostNetwork) this.#podOfNetns.set(podNetnsName(info), pod);
      const netns = this.world.netns(podNetnsName(info));
      if (netns !== undefined) this.#started(netns, pod);
    }
  }

  /** The CNI plugins' rules, and before them those of a NodeLocal DNSCache on the node. */
  #pluginRules(node: string): { readonly rulesets: readonly Ruleset[]; readonly prepended: readonly Ruleset[] } {
    const plan = this.#planner.node(node);
    const caches = this.#podsOn(node).flatMap((pod) => nodeCacheOf(pod) ?? []);
    if (caches.length === 0) return plan;
    return { rulesets: plan.rulesets, prepended: [...plan.prepended, ...caches.flatMap(nodeCacheRulesets)] };
  }

  #startOutside(router: Netns): void {
    const families = new Set(router.addresses().map(({ address }) => familyOf(address)));
    for (const ip of this.#outsideServers.addresses) {
      if (families.has(familyOf(ip))) this.#outsideServers.start(this.#outside.attach(machineWith(ip), router), ip);
    }
    this.#outsideMachines.follow(router);
  }

  #podsOn(node: string): Pod[] {
    return this.#store.list<Pod>('Pod').filter((pod) => pod.spec.nodeName === node && podInfo(pod) !== undefined);
  }

  #rebuild(): void {
    this.#topologyChanged = false;
    this.#servicesChanged = false;
    this.#changedPods.clear();
    const ours = [...this.#podOfNetns.keys(), ...this.#outside.names, ...this.#built, ...this.#named.netns];
    for (const netns of ours) this.world.deleteNetns(netns);
    this.#outside.forget();
    this.#outsideMachines.forget();
    this.#healthChecks.forget();
    this.#built.clear();
    this.#podOfNetns.clear();
    this.#rules.forget();
    this.#planner = this.#plan();
    this.#offerNodes();
    this.#named.makeAgain();
    this.#loadBalancers = this.#newLoadBalancers();
  }

  #loadRules(name: string): void {
    if (this.#store.get('Node', undefined, name) === undefined) return;
    const netns = this.world.netns(name);
    if (netns !== undefined) this.#rules.load(name, netns);
  }
}

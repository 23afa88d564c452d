import type {
  AddressConfig,
  FdbConfig,
  LinkConfig,
  NeighbourConfig,
  NetnsConfig,
  RouteConfig,
  Ruleset,
} from '@netsim/kernel';
import type { Family, Ip, Prefix } from '@netsim/wire';
import { addressAt, familyBits, familyOf, parseIp, prefixContains, prefixOf } from '@netsim/wire';
import type { CniConfig, UnderlayConfig } from './config.ts';
import { defaultUnderlay } from './config.ts';
import { flannelRulesets } from './flannel-rules.ts';
import { macOfIp, macOfName, vethName } from './mac.ts';
import type { NodeInfo, PodInfo } from './machine.ts';
import { ofFamily, prefixOfFamily } from './machine.ts';
import { mappedPods, type PortmapRules, portmapRules } from './portmap-rules.ts';
import type { Underlay } from './underlay.ts';
import { defaultRoutes, planUnderlay, subnetOf } from './underlay.ts';

/** A node's part of the network. */
export interface NodePlan {
  readonly name: string;
  /** The node's own netns first, then one for each of its pods. */
  readonly netns: readonly NetnsConfig[];
  /** The plugins' own iptables rules, whose jumps go behind those of others. */
  readonly rulesets: readonly Ruleset[];
  /** Jumps that go before all others, at most one ruleset of each family. */
  readonly prepended: readonly Ruleset[];
}

/** What a pod adds to its node: the change when it comes, and what to take away when it goes. */
export interface PodPlan {
  readonly netns: NetnsConfig;
  readonly node: string;
  /** In the node's netns. The first pod of a node brings the bridge as well, which then stays. */
  readonly links: readonly LinkConfig[];
  readonly addresses: readonly AddressConfig[];
  readonly routes: readonly RouteConfig[];
  readonly sysctls: Readonly<Record<string, number>>;
}

export interface PlannerOptions {
  readonly nodes: readonly NodeInfo[];
  readonly pods: readonly PodInfo[];
  readonly config: CniConfig;
  readonly underlay?: UnderlayConfig;
  /** Sysctls of a node's netns besides those the plugin itself sets (kube-proxy's, a test's). */
  readonly nodeSysctls?: (node: string) => Readonly<Record<string, number>>;
}

interface Sandbox {
  readonly info: PodInfo;
  readonly veth: string;
}
interface Machine {
  readonly info: NodeInfo;
  readonly pods: Map<string, Sandbox>;
  readonly veths: Set<string>;
  bridged: boolean;
}
/** What every other node is told of a node: made once and shared by all plans. */
interface Reach {
  readonly node: string;
  readonly route: RouteConfig;
  /** The subnet-local form (host-gw, direct routing), for nodes that share a subnet with it. */
  readonly direct?: { readonly subnet: Ip; readonly route: RouteConfig };
  readonly neighbour?: NeighbourConfig;
  readonly fdb?: FdbConfig;
}

/** A pod address outside its node's block (from the dump of a cluster with another plugin) has this gateway if the node has no block. */
const LINK_LOCAL_GATEWAY: Record<Family, Ip> = { 4: parseIp('169.254.1.1'), 6: parseIp('fe80::ecee:eeff:feee:eeee') };

/** Name of a pod's netns in a world. */
export function podNetnsName(pod: PodInfo): string {
  return pod.hostNetwork ? pod.node : `${pod.node}/${pod.namespace}/${pod.name}`;
}

/**
 * Plans the links, addresses, routes, neighbours and FDB entries of a cluster's nodes and pods. Nothing is computed for a
 * node before it is asked for; then it costs that node's pods and one route for each other node.
 *
 * Pods hang off a Linux bridge as the bridge plugin makes it (flannel delegates to it): eth0 in the pod with the block's
 * prefix length, default route by the bridge's address, which is the first of the node's block. The bridge exists from the
 * node's first pod on. hostNetwork pods have no netns of their own.
 */
export class NetworkPlanner {
  readonly config: CniConfig;
  readonly underlayConfig: UnderlayConfig;
  readonly underlay: Underlay;
  readonly #machines = new Map<string, Machine>();
  readonly #sysctlsOf: (node: string) => Readonly<Record<string, number>>;
  #reach: readonly Reach[] | undefined;
  /** Pods whose address lies outside their node's block: routed one by one. */
  readonly #strays = new Map<string, { node: string; ip: Ip }[]>();

  constructor(options: PlannerOptions) {
    this.config = options.config;
    this.underlayConfig = options.underlay ?? defaultUnderlay;
    this.underlay = planUnderlay(options.nodes, this.underlayConfig);
    this.#sysctlsOf = options.nodeSysctls ?? (() => ({}));
    for (const info of options.nodes) {
      this.#machines.set(info.name, { info, pods: new Map(), veths: new Set(), bridged: false });
    }
    for (const pod of options.pods) this.#insert(pod);
  }

  nodeNames(): string[] {
    return [...this.#machines.keys()];
  }

  /** MTU of pod interfaces: the uplink's, less 50 bytes of encapsulation where there is some. */
  get podMtu(): number {
    const { config } = this;
    const overhead = config.plugin === 'flannel' && config.backend === 'vxlan' ? 50 : 0;
    return config.mtu ?? this.underlayConfig.mtu - overhead;
  }

  /** Plan of one node; throws for a node that is not known. */
  node(name: string): NodePlan {
    const machine = this.#machine(name);
    const pods = [...machine.pods.values()].map((sandbox) => this.#podNetns(machine, sandbox));
    const flannel = this.config.plugin === 'flannel' ? flannelRulesets(machine.info, this.config) : [];
    const portmap = this.#portmap(machine);
    const rulesets = [...flannel, ...portmap.map(({ appended }) => appended)];
    const prepended = portmap.map((rules) => rules.prepended);
    return { name, netns: [this.#nodeNetns(machine), ...pods], rulesets, prepended };
  }

  #portmap({ info, pods }: Machine): PortmapRules[] {
    const { portmap } = this.config;
    if (portmap === undefined) return [];
    const mapped = mappedPods(
      [...pods.values()].map((sandbox) => sandbox.info),
      info.podCIDRs,
    );
    return ([4, 6] as const).flatMap((family) => portmapRules(family, mapped, portmap) ?? []);
  }

  /** portmap lets the bridge take packets from localhost, so that a host port works there too. */
  #localnet(pods: Iterable<PodInfo>): Record<string, number> {
    const { bridge, portmap } = this.config;
    if (portmap?.snat !== true) return {};
    for (const { hostPorts, ips } of pods) {
      if (hostPorts.length > 0 && ofFamily(ips, 4) !== undefined)
        return { [`net.ipv4.conf.${bridge}.route_localnet`]: 1 };
    }
    return {};
  }

  /** Plan of a pod that is known, as {@link addPod} gave it; `undefined` for one that has no netns of its own. */
  pod(namespace: string, name: string, node: string): PodPlan | undefined {
    const machine = this.#machines.get(node);
    const sandbox = machine?.pods.get(`${namespace}/${name}`);
    return machine === undefined || sandbox === undefined ? undefined : this.#podPlan(machine, sandbox, false);
  }

  /** Adds a pod and tells what its node gets by it; `undefined` for a hostNetwork pod or an unknown node. */
  addPod(pod: PodInfo): PodPlan | undefined {
    const machine = this.#machines.get(pod.node);
    const first = machine?.bridged === false;
    const sandbox = this.#insert(pod);
    return machine === undefined || sandbox === undefined ? undefined : this.#podPlan(machine, sandbox, first);
  }

  /** Forgets a pod; returns what was planned for it: its netns goes, and with it both ends of the veth. */
  removePod(namespace: string, name: string, node: string): PodPlan | undefined {
    const plan = this.pod(namespace, name, node);
    const machine = this.#machines.get(node);
    const id = `${namespace}/${name}`;
    const sandbox = machine?.pods.get(id);
    if (machine === undefined || sandbox === undefined) return undefined;
    machine.pods.delete(id);
    machine.veths.delete(sandbox.veth);
    this.#strays.delete(podNetnsName(sandbox.info));
    return plan;
  }

  #machine(name: string): Machine {
    const machine = this.#machines.get(name);
    if (machine === undefined) throw new Error(`no node ${JSON.stringify(name)} in the network plan`);
    return machine;
  }

  #insert(pod: PodInfo): Sandbox | undefined {
    const machine = this.#machines.get(pod.node);
    if (machine === undefined || pod.hostNetwork) return undefined;
    const netns = podNetnsName(pod);
    let veth = vethName(netns);
    for (let salt = 1; machine.veths.has(veth); salt++) veth = vethName(netns, salt);
    const sandbox = { info: pod, veth };
    machine.pods.set(`${pod.namespace}/${pod.name}`, sandbox);
    machine.veths.add(veth);
    machine.bridged = true;
    const strays = pod.ips.filter((ip) => !machine.info.podCIDRs.some((cidr) => prefixContains(cidr, ip)));
    if (strays.length > 0) {
      this.#strays.set(
        netns,
        strays.map((ip) => ({ node: pod.node, ip })),
      );
    }
    return sandbox;
  }

  #podPlan(machine: Machine, sandbox: Sandbox, withBridge: boolean): PodPlan {
    const bridge = withBridge ? this.#bridge(machine) : { links: [], addresses: [] };
    return {
      netns: this.#podNetns(machine, sandbox),
      node: machine.info.name,
      links: [...bridge.links, this.#veth(machine, sandbox)],
      addresses: bridge.addresses,
      routes: (this.#strays.get(podNetnsName(sandbox.info)) ?? []).map(({ ip }) => this.#strayRouteHere(ip)),
      sysctls: this.#localnet([sandbox.info]),
    };
  }

  #nodeNetns(machine: Machine): NetnsConfig {
    const { info } = machine;
    const { uplink, segment, mtu, prefixLength } = this.underlayConfig;
    const links: LinkConfig[] = [
      { kind: 'physical', name: uplink, segment, mtu, mac: macOfName(`${info.name}/${uplink}`) },
    ];
    const addresses: AddressConfig[] = info.addresses.map((address) => ({
      dev: uplink,
      address,
      prefixLength: prefixLength[familyOf(address)],
    }));
    const routes = defaultRoutes(info.addresses, this.underlay.subnets, this.underlayConfig);
    const neighbours: NeighbourConfig[] = [];
    const fdb: FdbConfig[] = [];

    for (const vtep of this.#vteps(info)) {
      links.push(vtep.link);
      addresses.push(vtep.address);
    }
    if (machine.bridged) {
      const bridge = this.#bridge(machine);
      links.push(...bridge.links);
      addresses.push(...bridge.addresses);
    }
    for (const sandbox of machine.pods.values()) links.push(this.#veth(machine, sandbox));

    this.#reach ??= this.#planReach();
    // flanneld leaves out the blocks of a family that it has no network for here: there is no device for them.
    const devices = new Set(links.map(({ name }) => name));
    const leads = ({ dev }: RouteConfig): boolean => dev === undefined || devices.has(dev);
    const here = new Set(info.addresses.map((ip) => subnetOf(ip, this.underlayConfig).address));
    for (const reach of this.#reach) {
      if (reach.node === info.name) continue;
      if (reach.direct !== undefined && here.has(reach.direct.subnet)) {
        routes.push(reach.direct.route);
        continue;
      }
      if (!leads(reach.route)) continue;
      routes.push(reach.route);
      if (reach.neighbour !== undefined) neighbours.push(reach.neighbour);
      if (reach.fdb !== undefined) fdb.push(reach.fdb);
    }
    for (const strays of this.#strays.values()) {
      for (const { node, ip } of strays) {
        const route = node === info.name ? this.#strayRouteHere(ip) : this.#strayRouteTo(node, ip);
        if (route !== undefined && leads(route)) routes.push(route);
      }
    }
    const pods = [...machine.pods.values()].map((sandbox) => sandbox.info);
    const sysctls = { ...nodeSysctls, ...this.#sysctlsOf(info.name), ...this.#localnet(pods) };
    return { name: info.name, machine: info.name, label: 'host', sysctls, links, addresses, routes, neighbours, fdb };
  }

  #podNetns(machine: Machine, { info }: Sandbox): NetnsConfig {
    const addresses: AddressConfig[] = [];
    const routes: RouteConfig[] = [];
    for (const ip of info.ips) {
      const family = familyOf(ip);
      const cidr = prefixOfFamily(machine.info.podCIDRs, family);
      const gateway = cidr === undefined ? LINK_LOCAL_GATEWAY[family] : addressAt(cidr, 1);
      const inside = cidr !== undefined && prefixContains(cidr, ip);
      addresses.push({ dev: 'eth0', address: ip, prefixLength: inside ? cidr.length : familyBits(family) });
      const onlink = inside ? {} : { onlink: true };
      for (const destination of this.#podRoutes(family)) {
        routes.push({
          ...(destination === undefined ? { family } : { destination }),
          via: gateway,
          dev: 'eth0',
          ...onlink,
        });
      }
    }
    const label = `${info.namespace}/${info.name}`;
    return { name: podNetnsName(info), machine: info.node, label, links: [], addresses, routes };
  }

  /** What a pod is told besides its own subnet: `undefined` stands for the default route. */
  #podRoutes(family: Family): (Prefix | undefined)[] {
    const { config } = this;
    const extra = config.plugin === 'flannel' ? config.networks : config.routes;
    const routes: (Prefix | undefined)[] = extra.filter(
      (prefix) => familyOf(prefix.address) === family && prefix.length > 0,
    );
    const byDefault =
      config.isDefaultGateway ||
      (config.plugin === 'bridge' &&
        config.routes.some((prefix) => prefix.length === 0 && familyOf(prefix.address) === family));
    return byDefault ? [undefined, ...routes] : routes;
  }

  #bridge(machine: Machine): { links: LinkConfig[]; addresses: AddressConfig[] } {
    const { bridge } = this.config;
    const gateway = this.config.plugin === 'flannel' || this.config.isGateway || this.config.isDefaultGateway;
    const addresses: AddressConfig[] = [];
    if (gateway) {
      for (const cidr of machine.info.podCIDRs) {
        addresses.push({ dev: bridge, address: addressAt(cidr, 1), prefixLength: cidr.length });
      }
      const families = new Set([...machine.pods.values()].flatMap(({ info }) => info.ips.map(familyOf)));
      for (const family of families) {
        if (prefixOfFamily(machine.info.podCIDRs, family) !== undefined) continue;
        addresses.push({ dev: bridge, address: LINK_LOCAL_GATEWAY[family], prefixLength: familyBits(family) });
      }
    }
    const first = addresses[0];
    const mac = first === undefined ? macOfName(`${machine.info.name}/${bridge}`) : macOfIp(first.address);
    return { links: [{ kind: 'bridge', name: bridge, mac, mtu: this.podMtu }], addresses };
  }

  #veth(machine: Machine, { info, veth }: Sandbox): LinkConfig {
    const mtu = this.podMtu;
    return {
      kind: 'veth',
      name: veth,
      mac: macOfName(`${machine.info.name}/${veth}`),
      mtu,
      master: this.config.bridge,
      hairpin: this.config.hairpinMode,
      peer: { netns: podNetnsName(info), name: 'eth0', mac: macOfIp(info.ips[0]!), mtu },
    };
  }

  /** flannel's VXLAN devices of a node, one for each family. Their /32 address makes no subnet route. */
  #vteps(info: NodeInfo): { link: LinkConfig; address: AddressConfig }[] {
    const { config } = this;
    if (config.plugin !== 'flannel' || config.backend !== 'vxlan') return [];
    const vteps: { link: LinkConfig; address: AddressConfig }[] = [];
    for (const network of config.networks) {
      const family = familyOf(network.address);
      const local = ofFamily(info.addresses, family);
      const cidr = prefixOfFamily(info.podCIDRs, family);
      if (local === undefined || cidr === undefined) continue;
      const name = vtepName(family, config.vni);
      vteps.push({
        link: {
          kind: 'vxlan',
          name,
          vni: config.vni,
          local,
          dev: this.underlayConfig.uplink,
          port: config.port,
          learning: config.learning,
          mac: macOfName(`${info.name}/${name}`),
          // The kernel's own choice for an underlay of that family; flannel takes it.
          mtu: this.underlayConfig.mtu - (family === 4 ? 50 : 70),
        },
        address: { dev: name, address: cidr.address, prefixLength: familyBits(family) },
      });
    }
    return vteps;
  }

  #planReach(): Reach[] {
    const reaches: Reach[] = [];
    for (const { info } of this.#machines.values()) {
      for (const cidr of info.podCIDRs) {
        const reach = this.#reachOf(info, cidr);
        if (reach !== undefined) reaches.push(reach);
      }
    }
    return reaches;
  }

  #reachOf(info: NodeInfo, cidr: Prefix): Reach | undefined {
    const { config } = this;
    const family = familyOf(cidr.address);
    const address = ofFamily(info.addresses, family);
    if (address === undefined) return undefined;
    const node = info.name;
    const plain: RouteConfig = { destination: cidr, via: address, dev: this.underlayConfig.uplink };
    if (config.plugin !== 'flannel' || config.backend === 'host-gw') return { node, route: plain };
    const dev = vtepName(family, config.vni);
    const mac = macOfName(`${node}/${dev}`);
    return {
      node,
      route: { destination: cidr, via: cidr.address, dev, onlink: true },
      neighbour: { dev, ip: cidr.address, mac, state: 'permanent' },
      fdb: { dev, mac, dst: address },
      ...(config.directRouting && {
        direct: { subnet: subnetOf(address, this.underlayConfig).address, route: plain },
      }),
    };
  }

  #strayRouteHere(ip: Ip): RouteConfig {
    return { destination: prefixOf(ip, familyBits(familyOf(ip))), dev: this.config.bridge, scope: 'link' };
  }

  #strayRouteTo(node: string, ip: Ip): RouteConfig | undefined {
    const family = familyOf(ip);
    const reach = this.#reach?.find(
      (candidate) => candidate.node === node && familyOf(candidate.route.destination!.address) === family,
    );
    const destination = prefixOf(ip, familyBits(family));
    if (reach !== undefined) return { ...reach.route, destination };
    const via = ofFamily(this.#machine(node).info.addresses, family);
    return via === undefined ? undefined : { destination, via, dev: this.underlayConfig.uplink };
  }
}

/** What kubeadm's preflight, the bridge plugin and flanneld turn on in a node. */
const nodeSysctls: Readonly<Record<string, number>> = {
  'net.ipv4.ip_forward': 1,
  'net.ipv6.conf.all.forwarding': 1,
  'net.bridge.bridge-nf-call-iptables': 1,
  'net.bridge.bridge-nf-call-ip6tables': 1,
};

/** flannel's name of its VXLAN device. */
export function vtepName(family: Family, vni: number): string {
  return family === 4 ? `flannel.${vni}` : `flannel-v6.${vni}`;
}

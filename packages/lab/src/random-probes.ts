import type { NetnsConfig, WorldPlan } from '@netsim/kernel';
import type { Service } from '@netsim/manifest';
import { formatIp, IpProto } from '@netsim/wire';
import type { Dice } from './dice.ts';
import type { Probe } from './observation.ts';

/** First source port of a run; each probe has the next one. Above Linux's own range for clients, so that none is taken. */
const FIRST_SOURCE_PORT = 61_000;
const SOURCE_PORTS = 4_000;

interface ServiceTarget {
  readonly ip: string;
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
}

/** Destinations that a cluster offers. */
interface Targets {
  /** Cluster addresses with a port. */
  readonly services: readonly ServiceTarget[];
  /** Ways in from outside: node ports, addresses of load balancers, external addresses. */
  readonly entries: readonly ServiceTarget[];
  readonly pods: readonly string[];
  readonly hosts: readonly string[];
  /** The plan has addresses of its own of this family. */
  readonly v4: boolean;
  readonly v6: boolean;
}

/**
 * Random questions to a world: from everywhere to everything, on ports open and closed, to addresses taken and free. `services`
 * are those that the plan was made of, with what was allocated for them.
 */
export function randomProbes(plan: WorldPlan, services: readonly Service[], count: number, dice: Dice): Probe[] {
  const targets = findTargets(plan, services);
  const pods = plan.netns.filter((netns) => netns.label !== 'host');
  const hosts = plan.netns.filter((netns) => netns.label === 'host' && netns.links.length > 0);
  const probes: Probe[] = [];
  for (let i = 0; probes.length < count; i++) {
    const from = pods.length > 0 && dice.percent(70) ? dice.pick(pods) : dice.pick(hosts);
    const probe = randomProbe(from, targets, plan, dice, sourcePort(i));
    probes.push(probe);
    // The same again, with what the first one left behind: session affinity and conntrack have a memory.
    if (probe.protocol !== 'icmp' && probe.ttl === undefined && probes.length < count && dice.percent(15)) {
      i++;
      probes.push({ ...probe, sourcePort: sourcePort(i), keepState: true });
    }
  }
  return probes;
}

function sourcePort(i: number): number {
  return FIRST_SOURCE_PORT + (i % SOURCE_PORTS);
}

/** A probe; a TTL of its own only where a client can set it and hear of it. */
function randomProbe(from: NetnsConfig, targets: Targets, plan: WorldPlan, dice: Dice, sourcePort: number): Probe {
  const probe = plainProbe(from, targets, plan, dice, sourcePort);
  return probe.protocol !== 'tcp' && dice.percent(8) ? { ...probe, ttl: dice.between(1, 4) } : probe;
}

function plainProbe(from: NetnsConfig, targets: Targets, plan: WorldPlan, dice: Dice, sourcePort: number): Probe {
  const protocol = dice.weighted({ tcp: 55, udp: 30, icmp: 15 });
  const base = { from: from.name, sourcePort };
  const port = protocol === 'icmp' ? 0 : dice.pick([80, 53, 8080, 8081, 9000, 7000, 6443, 81]);
  const kind = dice.weighted({
    service: 35,
    entry: 25,
    pod: 18,
    host: 8,
    freePod: 6,
    freeService: 5,
    freeHost: 3,
    faraway: 4,
    loopback: 4,
  });
  // Now and then a family that the cluster does not have.
  const useV6 = (): boolean => targets.v6 && dice.percent(targets.v4 ? 40 : 90);
  /** Somewhere in a network where nobody is. */
  const address = (v4: string, v6: string): string => (useV6() ? v6 : v4) + String(dice.between(110, 190));
  switch (kind) {
    case 'service':
    case 'entry': {
      const offered = kind === 'service' ? targets.services : targets.entries;
      if (offered.length === 0) break;
      const service = dice.pick(offered);
      if (protocol === 'icmp') return { ...base, protocol, destination: service.ip, port };
      if (dice.percent(15)) return { ...base, protocol, destination: service.ip, port };
      return { ...base, protocol: service.protocol, destination: service.ip, port: service.port };
    }
    case 'host':
      if (targets.hosts.length === 0) break;
      return { ...base, protocol, destination: dice.pick(targets.hosts), port };
    case 'freePod':
      return { ...base, protocol, destination: address('10.244.1.', 'fd00:10:244:1::'), port };
    case 'freeService':
      return { ...base, protocol, destination: address('10.96.240.', 'fd00:10:96::'), port };
    case 'freeHost':
      return { ...base, protocol, destination: address('192.168.1.', 'fd00:192:168:1::'), port };
    case 'faraway':
      return { ...base, protocol, destination: useV6() ? '2001:db8::11' : '11.11.11.11', port };
    case 'loopback':
      return { ...base, protocol, destination: useV6() ? '::1' : '127.0.0.1', port };
    case 'pod':
      break;
  }
  // A pod's own listeners half of the time, so that not all ports are closed ones.
  const open = plan.listeners.filter((listener) => listener.protocol === protocol);
  if (open.length > 0 && dice.percent(50)) {
    const listener = dice.pick(open);
    const addresses = addressesOf(plan.netns.find((netns) => netns.name === listener.netns));
    if (addresses.length > 0) return { ...base, protocol, destination: dice.pick(addresses), port: listener.port };
  }
  return { ...base, protocol, destination: dice.pick(targets.pods.length > 0 ? targets.pods : targets.hosts), port };
}

function findTargets(plan: WorldPlan, services: readonly Service[]): Targets {
  const of = (wanted: (netns: NetnsConfig) => boolean): string[] => plan.netns.filter(wanted).flatMap(addressesOf);
  const nodes = plan.netns.filter((netns) => plan.rulesets.some((entry) => entry.netns === netns.name));
  const nodeIps = [...nodes.flatMap(uplinkAddresses), '127.0.0.1'];
  const all = of(() => true);
  return {
    services: services.flatMap((service) => targetsAt(service, clusterIPs(service))),
    entries: services
      .flatMap((service) => [
        ...targetsAt(service, [...(service.spec.externalIPs ?? []), ...loadBalancerIPs(service)]),
        ...nodePorts(service, nodeIps),
      ])
      .concat(hostPorts(plan)),
    pods: of((netns) => netns.label !== 'host'),
    hosts: of((netns) => netns.label === 'host'),
    v4: all.some((ip) => !ip.includes(':')),
    v6: all.some((ip) => ip.includes(':')),
  };
}

function clusterIPs({ spec }: Service): string[] {
  return (spec.clusterIPs ?? []).filter((ip) => ip !== 'None' && ip !== '');
}

function loadBalancerIPs({ status }: Service): string[] {
  return (status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => (ip === undefined ? [] : [ip]));
}

/** The addresses with each of the service's ports. */
function targetsAt({ spec }: Service, ips: readonly string[]): ServiceTarget[] {
  return ips.flatMap((ip) =>
    (spec.ports ?? []).flatMap(({ port, protocol }) => {
      const name = protocolName(protocol);
      return name === undefined ? [] : [{ ip, port, protocol: name }];
    }),
  );
}

function nodePorts({ spec }: Service, ips: readonly string[]): ServiceTarget[] {
  return (spec.ports ?? []).flatMap(({ nodePort, protocol }) => {
    const name = protocolName(protocol);
    if (nodePort === undefined || nodePort === 0 || name === undefined) return [];
    return ips.map((ip) => ({ ip, port: nodePort, protocol: name }));
  });
}

/** Ports of nodes that the portmap plugin sends to pods, at the addresses of all nodes. */
function hostPorts(plan: WorldPlan): ServiceTarget[] {
  const found: ServiceTarget[] = [];
  for (const { netns, ruleset } of plan.rulesets) {
    const ips = plan.netns.filter(({ name }) => name === netns).flatMap(uplinkAddresses);
    for (const { protocol, matches } of ruleset.tables.get('nat')?.chains.get('CNI-HOSTPORT-DNAT')?.rules ?? []) {
      for (const match of matches) {
        if (match.kind !== 'multiport') continue;
        for (const { from } of match.ports) {
          const name = protocol?.value === IpProto.TCP ? 'tcp' : 'udp';
          found.push(...[...ips, '127.0.0.1'].map((ip) => ({ ip, port: from, protocol: name }) as const));
        }
      }
    }
  }
  return found;
}

function protocolName(protocol: string | undefined): 'tcp' | 'udp' | undefined {
  if (protocol === 'UDP') return 'udp';
  return protocol === undefined || protocol === 'TCP' ? 'tcp' : undefined;
}

/** Addresses that a node has on the shared network. */
function uplinkAddresses(netns: NetnsConfig): string[] {
  const uplinks = new Set(netns.links.filter((link) => link.kind === 'physical').map((link) => link.name));
  return netns.addresses.filter(({ dev }) => uplinks.has(dev)).map(({ address }) => formatIp(address));
}

function addressesOf(netns: NetnsConfig | undefined): string[] {
  return (netns?.addresses ?? [])
    .map(({ address }) => formatIp(address))
    .filter((ip) => !/^(127\.|::1$|fe80:)/.test(ip));
}

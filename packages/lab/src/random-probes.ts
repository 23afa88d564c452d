import type { Match, NetnsConfig, WorldPlan } from '@netsim/kernel';
import { formatIp } from '@netsim/wire';
import type { Dice } from './dice.ts';
import type { Probe } from './observation.ts';

/** First source port of a run; each probe has the next one. Above Linux's own range for clients, so that none is taken. */
const FIRST_SOURCE_PORT = 61_000;
const SOURCE_PORTS = 4_000;

/** Destinations that a plan offers. */
interface Targets {
  /** Virtual addresses with a port, from the rules themselves. */
  readonly services: readonly { readonly ip: string; readonly port: number; readonly protocol: 'tcp' | 'udp' }[];
  readonly pods: readonly string[];
  readonly hosts: readonly string[];
  /** The plan has IPv6 addresses of its own. */
  readonly v6: boolean;
}

/** Random questions to a world: from everywhere to everything, on ports open and closed, to addresses taken and free. */
export function randomProbes(plan: WorldPlan, count: number, dice: Dice): Probe[] {
  const targets = findTargets(plan);
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
    service: 45,
    pod: 25,
    host: 8,
    freePod: 6,
    freeService: 5,
    freeHost: 3,
    faraway: 4,
    loopback: 4,
  });
  /** Somewhere in a network where nobody is. */
  const address = (v4: string, v6: string): string =>
    (targets.v6 && dice.percent(40) ? v6 : v4) + String(dice.between(110, 190));
  switch (kind) {
    case 'service': {
      if (targets.services.length === 0) break;
      const service = dice.pick(targets.services);
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
      return { ...base, protocol, destination: targets.v6 && dice.percent(40) ? '2001:db8::11' : '11.11.11.11', port };
    case 'loopback':
      return { ...base, protocol, destination: targets.v6 && dice.percent(40) ? '::1' : '127.0.0.1', port };
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

function findTargets(plan: WorldPlan): Targets {
  const services = new Map<string, Targets['services'][number]>();
  for (const { ruleset } of plan.rulesets) {
    for (const table of ruleset.tables.values()) {
      for (const rule of table.chains.get('KUBE-SERVICES')?.rules ?? []) {
        const ports = rule.matches.find(isPorts);
        if (rule.destination === undefined || ports?.dport === undefined) continue;
        const service = {
          ip: formatIp(rule.destination.value.address),
          port: ports.dport.value.from,
          protocol: ports.kind,
        };
        services.set(`${service.ip} ${service.port} ${service.protocol}`, service);
      }
    }
  }
  const of = (wanted: (netns: NetnsConfig) => boolean): string[] => plan.netns.filter(wanted).flatMap(addressesOf);
  return {
    services: [...services.values()],
    pods: of((netns) => netns.label !== 'host'),
    hosts: of((netns) => netns.label === 'host'),
    v6: of(() => true).some((ip) => ip.includes(':')),
  };
}

function isPorts(match: Match): match is Extract<Match, { kind: 'tcp' | 'udp' | 'sctp' }> & { kind: 'tcp' | 'udp' } {
  return match.kind === 'tcp' || match.kind === 'udp';
}

function addressesOf(netns: NetnsConfig | undefined): string[] {
  return (netns?.addresses ?? [])
    .map(({ address }) => formatIp(address))
    .filter((ip) => !/^(127\.|::1$|fe80:)/.test(ip));
}

import type { AddressConfig, LinkConfig, NeighbourConfig, NetnsConfig, RouteConfig } from '@netsim/kernel';
import type { Family, Ip, Prefix } from '@netsim/wire';
import { addressAt, addressOffset, familyBits, familyOf, parseIp, parsePrefix, prefixOf } from '@netsim/wire';
import type { UnderlayConfig } from './config.ts';
import { macOfName } from './mac.ts';
import type { NodeInfo } from './machine.ts';

/** The nodes' subnets and the addresses that are not nodes' in them. */
export interface Underlay {
  readonly subnets: readonly Subnet[];
  /** The router that owns the default route, and the machine outside the cluster. */
  readonly netns: readonly NetnsConfig[];
}

export interface Subnet {
  readonly prefix: Prefix;
  readonly gateway: Ip;
  readonly external: Ip;
}

/**
 * Plans what surrounds the nodes: for each subnet that they are in a router with its first address (the last one where a
 * node has the first), and one machine that is not part of the cluster. What the router sends out of its `wan` device has
 * left: it goes to the MAC address of a provider that is not there.
 */
export function planUnderlay(nodes: readonly NodeInfo[], config: UnderlayConfig): Underlay {
  const taken = new Set<Ip>();
  const prefixes = new Map<Ip, Prefix>();
  for (const node of nodes) {
    for (const ip of node.addresses) {
      taken.add(ip);
      const prefix = subnetOf(ip, config);
      prefixes.set(prefix.address, prefix);
    }
  }
  const subnets = [...prefixes.values()].map((prefix) => {
    const gateway = pick(prefix, 1, taken);
    taken.add(gateway);
    return { prefix, gateway, external: pick(prefix, config.externalHost, taken) };
  });
  return { subnets, netns: [routerNetns(subnets, config), externalNetns(subnets, config)] };
}

export function subnetOf(ip: Ip, config: UnderlayConfig): Prefix {
  return prefixOf(ip, config.prefixLength[familyOf(ip)]);
}

/** Default routes by the router, for a machine with these addresses. */
export function defaultRoutes(
  addresses: readonly Ip[],
  subnets: readonly Subnet[],
  config: UnderlayConfig,
): RouteConfig[] {
  const routes: RouteConfig[] = [];
  for (const ip of addresses) {
    const family = familyOf(ip);
    if (routes.some((route) => route.family === family)) continue;
    const { address } = subnetOf(ip, config);
    const subnet = subnets.find((candidate) => candidate.prefix.address === address);
    if (subnet !== undefined) routes.push({ family, via: subnet.gateway, dev: config.uplink });
  }
  return routes;
}

/** The host number wanted, or the next lower free one, then the next higher. */
function pick(prefix: Prefix, wanted: number, taken: ReadonlySet<Ip>): Ip {
  const size = 2 ** Math.min(16, familyBits(familyOf(prefix.address)) - prefix.length);
  for (let step = 0; step < size; step++) {
    const below = wanted - step;
    if (wanted > 1 && below >= 1 && !taken.has(addressAt(prefix, below))) return addressAt(prefix, below);
    const host = wanted > 1 ? wanted + step : step === 0 ? 1 : size - 1 - step;
    if (host >= 1 && host < size - 1 && !taken.has(addressAt(prefix, host))) return addressAt(prefix, host);
  }
  return addressAt(prefix, wanted);
}

/** The link to the provider (RFC 6598 space, which no cluster uses), and the provider's end of it. */
const WAN_LINK = parsePrefix('100.64.0.0/30');
const PROVIDER: Record<Family, Ip> = { 4: addressAt(WAN_LINK, 1), 6: parseIp('fe80::1') };

function routerNetns(subnets: readonly Subnet[], config: UnderlayConfig): NetnsConfig {
  const { uplink, wan, segment, mtu, router } = config;
  const families = new Set(subnets.map((subnet) => familyOf(subnet.prefix.address)));
  const links: LinkConfig[] = [
    { kind: 'physical', name: uplink, segment, mtu, mac: macOfName(`${router}/${uplink}`) },
    { kind: 'physical', name: wan, segment: config.world, mtu, mac: macOfName(`${router}/${wan}`) },
  ];
  const addresses: AddressConfig[] = subnets.map(({ gateway, prefix }) => ({
    dev: uplink,
    address: gateway,
    prefixLength: prefix.length,
  }));
  addresses.push({ dev: wan, address: addressAt(WAN_LINK, 2), prefixLength: WAN_LINK.length });
  const mac = macOfName(`${config.world}/provider`);
  const routes: RouteConfig[] = [...families].map((family) => ({ family, via: PROVIDER[family], dev: wan }));
  const neighbours: NeighbourConfig[] = [...families].map((family) => ({
    dev: wan,
    ip: PROVIDER[family],
    mac,
    state: 'permanent',
  }));
  const sysctls = { 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1 };
  return { name: router, machine: router, label: 'host', sysctls, links, addresses, routes, neighbours };
}

function externalNetns(subnets: readonly Subnet[], config: UnderlayConfig): NetnsConfig {
  const { external: name } = config;
  return machineOutside(name, name, (subnet) => subnet.external, subnets, config);
}

/**
 * One more machine outside the cluster, beside the external one: in the first subnet of each family it has the next address after
 * that one's that `isFree` allows, else the next before it.
 */
export function anotherMachineOutside(
  machine: string,
  subnets: readonly Subnet[],
  config: UnderlayConfig,
  isFree: (ip: Ip) => boolean,
): NetnsConfig {
  const address = ({ prefix, external, gateway }: Subnet): Ip | undefined => {
    const last = 2 ** Math.min(16, familyBits(familyOf(prefix.address)) - prefix.length) - 2;
    const at = Number(addressOffset(prefix, external));
    for (let step = 1; step < last; step++) {
      const ip = addressAt(prefix, ((at - 1 + step) % last) + 1);
      if (ip !== gateway && isFree(ip)) return ip;
    }
    return undefined;
  };
  return machineOutside(`host/${machine}`, machine, address, subnets, config);
}

function machineOutside(
  name: string,
  machine: string,
  addressIn: (subnet: Subnet) => Ip | undefined,
  subnets: readonly Subnet[],
  config: UnderlayConfig,
): NetnsConfig {
  const { uplink, segment, mtu } = config;
  const seen = new Set<number>();
  const first = subnets.filter(({ prefix }) => {
    const family = familyOf(prefix.address);
    return !seen.has(family) && seen.add(family);
  });
  const links: LinkConfig[] = [{ kind: 'physical', name: uplink, segment, mtu, mac: macOfName(`${name}/${uplink}`) }];
  const addresses = first.flatMap((subnet) => {
    const address = addressIn(subnet);
    return address === undefined ? [] : [{ dev: uplink, address, prefixLength: subnet.prefix.length }];
  });
  const routes = defaultRoutes(
    addresses.map((entry) => entry.address),
    subnets,
    config,
  );
  return { name, machine, label: 'host', links, addresses, routes };
}

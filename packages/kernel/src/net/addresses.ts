import {
  familyBits,
  familyOf,
  formatIp,
  type Ip,
  type Mac,
  parsePrefix,
  prefixContains,
  prefixMask,
  prefixOf,
} from '@netsim/wire';
import type { AddressConfig } from '../config.ts';
import type { AddressType } from '../netfilter/iptables/rule.ts';
import type { Device, InterfaceAddress } from './device.ts';
import { type Route, RouteTable, type RouteType } from './fib.ts';
import { KernelError } from './kernel-error.ts';
import { isLinkLocal6 } from './ndisc.ts';
import type { Netns } from './netns.ts';

const MULTICAST6 = parsePrefix('ff00::/8');

/** `ip addr add`: with the local, broadcast and connected routes that Linux makes of it (fib_add_ifaddr, addrconf_add). */
export function addAddress(netns: Netns, dev: Device, config: AddressConfig): void {
  const { address, prefixLength } = config;
  if (
    dev.addresses.some(
      (other) => other.address === address && (typeof address === 'bigint' || other.prefixLength === prefixLength),
    )
  ) {
    throw new KernelError('EEXIST', `${formatIp(address)}/${prefixLength} is on ${dev.name} already`);
  }
  if (typeof address === 'bigint' && netns.sysctls.device(6, dev.name, 'disable_ipv6', 'or') !== 0) {
    throw new KernelError('EACCES', `IPv6 is disabled on ${dev.name}`);
  }
  const subnet = prefixOf(address, prefixLength);
  const added: InterfaceAddress = {
    address,
    prefixLength,
    scope: config.scope ?? defaultScope(dev, address),
    secondary:
      typeof address === 'number' &&
      dev.addresses.some(
        (other) =>
          typeof other.address === 'number' &&
          !other.secondary &&
          other.prefixLength === prefixLength &&
          prefixContains(subnet, other.address),
      ),
  };
  insertByFamily(dev.addresses, added);
  netns.localAddresses.set(address, (netns.localAddresses.get(address) ?? 0) + 1);
  if (dev.up) routesUp(netns, dev, added);
  netns.routesChanged();
}

function defaultScope(dev: Device, address: Ip): 'global' | 'link' | 'host' {
  if (isLinkLocal6(address)) return 'link';
  if (typeof address === 'number') return dev.kind === 'loopback' && address >>> 24 === 127 ? 'host' : 'global';
  return address === 1n ? 'host' : 'global';
}

/** IPv4 first; of IPv6 the global ones before the link-local one, as `ip addr` shows them. */
function insertByFamily(addresses: InterfaceAddress[], added: InterfaceAddress): void {
  const rank = (entry: InterfaceAddress): number =>
    typeof entry.address === 'number' ? 0 : entry.scope === 'link' ? 2 : 1;
  const at = addresses.findIndex((other) => rank(other) > rank(added));
  addresses.splice(at < 0 ? addresses.length : at, 0, added);
}

export function delAddress(netns: Netns, dev: Device, address: Ip, prefixLength: number): void {
  const at = dev.addresses.findIndex((other) => other.address === address && other.prefixLength === prefixLength);
  if (at < 0) throw new KernelError('EADDRNOTAVAIL', `${formatIp(address)}/${prefixLength} is not on ${dev.name}`);
  const [gone] = dev.addresses.splice(at, 1);
  routesDown(netns, dev, gone!);
  const count = (netns.localAddresses.get(address) ?? 1) - 1;
  if (count === 0) netns.localAddresses.delete(address);
  else netns.localAddresses.set(address, count);
  // Linux deletes the secondaries of a subnet with its primary (promote_secondaries 0).
  if (!gone!.secondary && typeof address === 'number') {
    const subnet = prefixOf(address, prefixLength);
    for (const other of [...dev.addresses]) {
      if (other.secondary && other.prefixLength === prefixLength && prefixContains(subnet, other.address)) {
        delAddress(netns, dev, other.address, other.prefixLength);
      }
    }
  }
  netns.routesChanged();
}

/** A device comes up: its addresses get their routes; IPv6 makes itself a link-local address (addrconf_notify). */
export function addressesUp(netns: Netns, dev: Device): void {
  if (dev === netns.lo) {
    if (!dev.addresses.some((other) => other.address === 0x7f000001)) {
      addAddress(netns, dev, { dev: 'lo', address: 0x7f000001, prefixLength: 8, scope: 'host' });
    } else for (const address of dev.addresses) routesUp(netns, dev, address);
    if (ipv6Enabled(netns, dev) && !dev.addresses.some((other) => other.address === 1n)) {
      addAddress(netns, dev, { dev: 'lo', address: 1n, prefixLength: 128, scope: 'host' });
    }
    return;
  }
  for (const address of dev.addresses) routesUp(netns, dev, address);
  if (!ipv6Enabled(netns, dev)) return;
  addKernelRoute(
    netns,
    dev,
    6,
    RouteTable.LOCAL,
    'multicast',
    MULTICAST6.address,
    MULTICAST6.length,
    undefined,
    'link',
    256,
  );
  const address = linkLocal(dev.mac);
  if (!dev.addresses.some((other) => other.address === address)) {
    addAddress(netns, dev, { dev: dev.name, address, prefixLength: 64, scope: 'link' });
  }
}

function ipv6Enabled(netns: Netns, dev: Device): boolean {
  return netns.sysctls.device(6, dev.name, 'disable_ipv6', 'or') === 0 && dev.mtu >= 1280;
}

/** A device goes down: every route by it goes, and IPv6 addresses with it. */
export function addressesDown(netns: Netns, dev: Device): void {
  for (const address of [...dev.addresses]) {
    if (typeof address.address === 'bigint') delAddress(netns, dev, address.address, address.prefixLength);
  }
  removeRoutesOf(netns, dev);
}

export function removeRoutesOf(netns: Netns, dev: Device): void {
  for (const fib of [netns.fib4, netns.fib6]) {
    for (const table of fib.tables.values())
      for (const route of table.list()) if (route.dev === dev) table.remove(route);
  }
}

/** EUI-64 link-local address of a MAC (RFC 4291, appendix A). */
function linkLocal(mac: Mac): bigint {
  const bytes = mac.split(':').map((part) => Number.parseInt(part, 16));
  const eui = [bytes[0]! ^ 2, bytes[1]!, bytes[2]!, 0xff, 0xfe, bytes[3]!, bytes[4]!, bytes[5]!];
  let low = 0n;
  for (const byte of eui) low = (low << 8n) | BigInt(byte);
  return (0xfe80n << 112n) | low;
}

function routesUp(netns: Netns, dev: Device, entry: InterfaceAddress): void {
  const { address, prefixLength, secondary } = entry;
  if (typeof address === 'bigint') {
    addKernelRoute(netns, dev, 6, RouteTable.LOCAL, 'local', address, 128, undefined, 'global', 0);
    // A router also answers to the subnet-router anycast address (RFC 4291, 2.6.1).
    if (prefixLength < 127 && dev !== netns.lo && netns.forwarding6(dev)) {
      const subnet = prefixOf(address, prefixLength).address;
      addKernelRoute(netns, dev, 6, RouteTable.LOCAL, 'anycast', subnet, 128, undefined, 'global', 0);
    }
    if (prefixLength < 128)
      addKernelRoute(netns, dev, 6, RouteTable.MAIN, 'unicast', address, prefixLength, undefined, 'global', 256);
    return;
  }
  addKernelRoute(netns, dev, 4, RouteTable.LOCAL, 'local', address, 32, address, 'host', 0);
  if (secondary || prefixLength === 32) return;
  const loopback = dev === netns.lo;
  addKernelRoute(
    netns,
    dev,
    4,
    loopback ? RouteTable.LOCAL : RouteTable.MAIN,
    loopback ? 'local' : 'unicast',
    address,
    prefixLength,
    address,
    loopback ? 'host' : 'link',
    0,
  );
  if (prefixLength < 31) {
    const broadcast = address | ~(prefixMask(4, prefixLength) as number);
    addKernelRoute(netns, dev, 4, RouteTable.LOCAL, 'broadcast', broadcast, 32, address, 'link', 0);
  }
}

function routesDown(netns: Netns, dev: Device, entry: InterfaceAddress): void {
  const { address, prefixLength } = entry;
  const family = familyOf(address);
  const fib = netns.fibOf(family);
  const elsewhere = dev.addresses.some((other) => other.address === address);
  for (const table of [fib.table(RouteTable.LOCAL), fib.table(RouteTable.MAIN)]) {
    for (const route of table.list()) {
      if (route.dev !== dev) continue;
      const host = route.destination.length === familyBits(family) && route.destination.address === address;
      // Routes that name the address as their source go with it (Linux: fib_sync_down_addr).
      const bySource = route.src === address;
      const subnet =
        family === 6 &&
        route.protocol === 'kernel' &&
        route.type === 'unicast' &&
        route.destination.length === prefixLength &&
        prefixContains(route.destination, address) &&
        !dev.addresses.some(
          (other) => other.prefixLength === prefixLength && prefixContains(route.destination, other.address),
        );
      if ((host && !elsewhere && route.type === 'local') || (bySource && !elsewhere) || subnet) table.remove(route);
    }
  }
}

function addKernelRoute(
  netns: Netns,
  dev: Device,
  family: 4 | 6,
  table: number,
  type: RouteType,
  address: Ip,
  length: number,
  src: Ip | undefined,
  scope: Route['scope'],
  metric: number,
): void {
  netns
    .fibOf(family)
    .table(table)
    .insert({
      family,
      table,
      type,
      destination: prefixOf(address, length),
      via: undefined,
      dev,
      src,
      metric,
      scope,
      protocol: 'kernel',
      onlink: false,
    });
}

/** Linux: inet_select_addr, ipv6_dev_get_saddr. `towards` is the gateway, or the destination, or 0. */
export function selectAddress(netns: Netns, dev: Device, towards: Ip, scope: 'global' | 'link'): Ip | undefined {
  return typeof towards === 'number' ? select4(netns, dev, towards, scope) : select6(netns, dev, towards);
}

function select4(netns: Netns, dev: Device, towards: number, scope: 'global' | 'link'): Ip | undefined {
  let first: Ip | undefined;
  for (const entry of dev.addresses) {
    if (typeof entry.address !== 'number' || entry.secondary || tooNarrow(entry, scope)) continue;
    if (towards === 0 || ((entry.address ^ towards) & (prefixMask(4, entry.prefixLength) as number)) === 0)
      return entry.address;
    first ??= entry.address;
  }
  if (first !== undefined) return first;
  for (const other of netns.links()) {
    for (const entry of other.addresses) {
      if (typeof entry.address === 'number' && !entry.secondary && entry.scope !== 'link' && !tooNarrow(entry, scope))
        return entry.address;
    }
  }
  return undefined;
}

function tooNarrow(entry: InterfaceAddress, scope: 'global' | 'link'): boolean {
  return entry.scope === 'host' || (scope === 'global' && entry.scope === 'link');
}

/** RFC 6724, section 5, as far as one interface with a few addresses shows a difference. */
function select6(netns: Netns, dev: Device, towards: bigint): Ip | undefined {
  const onLink = isLinkLocal6(towards) || towards >> 112n === 0xff02n;
  let best: bigint | undefined;
  let bestScore = -1;
  const consider = (entry: InterfaceAddress, own: boolean): void => {
    const { address } = entry;
    if (typeof address !== 'bigint' || entry.scope === 'host') return;
    if (!own && entry.scope === 'link') return;
    const scopeFits = (entry.scope === 'link') === onLink;
    const score =
      (address === towards ? 100_000 : 0) + (scopeFits ? 10_000 : 0) + (own ? 1000 : 0) + commonBits(address, towards);
    if (score > bestScore) {
      best = address;
      bestScore = score;
    }
  };
  for (const entry of dev.addresses) consider(entry, true);
  for (const other of netns.links()) if (other !== dev) for (const entry of other.addresses) consider(entry, false);
  return best;
}

function commonBits(a: bigint, b: bigint): number {
  const difference = a ^ b;
  return difference === 0n ? 128 : 128 - difference.toString(2).length;
}

/** Linux: inet_addr_type, inet_dev_addr_type; for IPv6 the type of the route (xt_addrtype's match_lookup_rt6). */
export function addressType(netns: Netns, ip: Ip, dev: Device | null): AddressType {
  if (typeof ip === 'number') {
    if (ip >>> 24 === 0 || ip === -1) return 'BROADCAST';
    if (ip >>> 28 === 14) return 'MULTICAST';
    const route = netns.fib4.table(RouteTable.LOCAL).lookup(ip);
    if (route === undefined || (dev !== null && route.dev !== dev)) return 'UNICAST';
    return route.type === 'local' ? 'LOCAL' : route.type === 'broadcast' ? 'BROADCAST' : 'UNICAST';
  }
  if (ip >> 120n === 0xffn) return 'MULTICAST';
  if (ip === 0n) return 'UNSPEC';
  const route = netns.fib6.lookup({ dst: ip, src: undefined, mark: 0, iif: undefined, oif: dev });
  switch (route?.type) {
    case undefined:
    case 'unreachable':
    case 'prohibit':
    case 'blackhole':
      return 'UNREACHABLE';
    case 'local':
      return 'LOCAL';
    case 'anycast':
      return 'ANYCAST';
    default:
      return 'UNICAST';
  }
}

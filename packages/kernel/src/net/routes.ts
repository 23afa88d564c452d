import { familyOf, formatIp, type Prefix } from '@netsim/wire';
import type { RouteConfig } from '../config.ts';
import type { Device } from './device.ts';
import { type Route, RouteTable } from './fib.ts';
import { KernelError } from './kernel-error.ts';
import type { Netns } from './netns.ts';

function familyOfRoute(config: RouteConfig): 4 | 6 {
  const ip = config.destination?.address ?? config.via;
  return ip === undefined ? (config.family ?? 4) : familyOf(ip);
}

function destinationOf(config: RouteConfig, family: 4 | 6): Prefix {
  return config.destination ?? { address: family === 4 ? 0 : 0n, length: 0 };
}

/** `ip route add` (Linux: fib_table_insert, ip6_route_add), with the checks of the gateway. */
export function addRoute(netns: Netns, config: RouteConfig): void {
  const family = familyOfRoute(config);
  const type = config.type ?? 'unicast';
  const nowhere = type !== 'unicast';
  let dev: Device | null = config.dev === undefined ? null : netns.requireDevice(config.dev);
  if (!nowhere) {
    if (dev !== null && !dev.up) throw new KernelError('ENETDOWN', `${dev.name} is down`);
    if (config.via !== undefined) dev = gatewayDevice(netns, config, family, dev);
    if (dev === null) throw new KernelError('ENODEV', 'a route needs a device or a gateway');
  }
  const route: Route = {
    family,
    table: config.table ?? RouteTable.MAIN,
    type,
    destination: destinationOf(config, family),
    via: config.via,
    dev: nowhere && family === 4 ? null : nowhere ? netns.lo : dev,
    src: config.src,
    metric: config.metric ?? (family === 4 ? 0 : 1024),
    scope: config.scope ?? (nowhere || config.via !== undefined || family === 6 ? 'global' : 'link'),
    protocol: 'boot',
    onlink: config.onlink ?? false,
  };
  if (!netns.fibOf(family).table(route.table).insert(route)) throw new KernelError('EEXIST', 'File exists');
  netns.routesChanged();
}

/** A gateway has to be on a link (Linux: fib_check_nh, "Nexthop has invalid gateway."). */
function gatewayDevice(netns: Netns, config: RouteConfig, family: 4 | 6, dev: Device | null): Device {
  const via = config.via!;
  if (config.onlink === true) {
    if (dev === null) throw new KernelError('EINVAL', 'onlink needs a device');
    return dev;
  }
  const way = netns.fibOf(family).lookup({ dst: via, src: undefined, mark: 0, iif: undefined, oif: dev });
  if (way === undefined || way.type !== 'unicast' || way.dev === null || way.via !== undefined) {
    throw new KernelError(
      'ENETUNREACH',
      `Nexthop has invalid gateway: ${formatIp(via)} is on no link of ${netns.name}`,
    );
  }
  return way.dev;
}

/** `ip route del`: the first route that has all that was given. */
export function delRoute(netns: Netns, config: RouteConfig, quiet: boolean): void {
  const family = familyOfRoute(config);
  const table = netns.fibOf(family).table(config.table ?? RouteTable.MAIN);
  const route = table
    .exact(destinationOf(config, family))
    .find(
      (other) =>
        (config.via === undefined || config.via === other.via) &&
        (config.dev === undefined || config.dev === other.dev?.name) &&
        (config.src === undefined || config.src === other.src) &&
        (config.metric === undefined || config.metric === other.metric) &&
        (config.type === undefined || config.type === other.type),
    );
  if (route === undefined) {
    if (quiet) return;
    throw new KernelError('ESRCH', 'No such process');
  }
  table.remove(route);
  netns.routesChanged();
}

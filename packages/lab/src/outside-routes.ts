import type { NetnsConfig, RouteConfig, WorldPlan } from '@netsim/kernel';
import { familyBits, familyOf, formatIp, type Ip, parseIp, prefixOf } from '@netsim/wire';
import type { Dice } from './dice.ts';

/**
 * The plan with a route from the machines outside to each of these addresses by a random node: what a load balancer, or whoever
 * routes an external address, does for a cluster. A plan holds no load balancer of its own.
 */
export function withOutsideRoutes(plan: WorldPlan, addresses: readonly string[], dice: Dice): WorldPlan {
  const nodes = plan.netns.filter((netns) => plan.rulesets.some((entry) => entry.netns === netns.name));
  const routes = [...new Set(addresses)].map(parseIp).flatMap((ip) => {
    const via = dice.pick(nodes);
    return uplinks(via).flatMap(({ address }) => (familyOf(address) === familyOf(ip) ? [{ ip, via: address }] : []));
  });
  return {
    ...plan,
    netns: plan.netns.map((netns) => {
      // The router forwards to the provider what it does not know: it stays as it is.
      const outside = netns.label === 'host' && !nodes.includes(netns) && netns.sysctls === undefined;
      return outside ? { ...netns, routes: [...netns.routes, ...routesOf(netns, routes)] } : netns;
    }),
  };
}

function routesOf(netns: NetnsConfig, routes: readonly { readonly ip: Ip; readonly via: Ip }[]): RouteConfig[] {
  return routes.flatMap(({ ip, via }) => {
    const dev = uplinks(netns).find(({ address }) => familyOf(address) === familyOf(ip))?.dev;
    return dev === undefined ? [] : [{ destination: prefixOf(ip, familyBits(familyOf(ip))), via, dev }];
  });
}

/** Addresses on the shared network; the first of each family counts. */
function uplinks({ links, addresses }: NetnsConfig): { readonly dev: string; readonly address: Ip }[] {
  const physical = new Set(links.filter((link) => link.kind === 'physical').map((link) => link.name));
  const seen = new Set<number>();
  return addresses.filter(({ dev, address }) => {
    const family = familyOf(address);
    return physical.has(dev) && !formatIp(address).startsWith('fe80:') && !seen.has(family) && seen.add(family);
  });
}

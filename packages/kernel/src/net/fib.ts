import { familyBits, familyOf, formatIp, type Ip, type Prefix, prefixMask } from '@netsim/wire';
import type { FibRuleConfig } from '../config.ts';
import type { Device } from './device.ts';

export const RouteTable = { DEFAULT: 253, MAIN: 254, LOCAL: 255 } as const;

export type RouteType =
  | 'unicast'
  | 'local'
  | 'broadcast'
  | 'anycast'
  | 'multicast'
  | 'blackhole'
  | 'unreachable'
  | 'prohibit'
  | 'throw';

/** One route of a table (Linux: fib_info with its alias, fib6_info). */
export interface Route {
  readonly family: 4 | 6;
  readonly table: number;
  readonly type: RouteType;
  readonly destination: Prefix;
  readonly via: Ip | undefined;
  /** Null for a route that leads nowhere (blackhole, unreachable, prohibit, throw). */
  readonly dev: Device | null;
  readonly src: Ip | undefined;
  /** Lower wins. IPv4 default 0, IPv6 1024 (256 for the kernel's own). */
  readonly metric: number;
  readonly scope: 'global' | 'link' | 'host';
  readonly protocol: 'kernel' | 'boot' | 'static';
  readonly onlink: boolean;
}

/**
 * One routing table of one family: longest prefix first. A hash for each prefix length that occurs, so that a look-up
 * costs the number of different lengths, not the number of routes.
 */
export class FibTable {
  readonly family: 4 | 6;
  readonly #byLength: (Map<Ip, Route[]> | undefined)[];
  /** Lengths in use, longest first, with the mask (IPv4) or the shift (IPv6) of each. */
  #lengths: number[] = [];
  #masks: number[] = [];
  #masks6: bigint[] = [];
  #maps: Map<Ip, Route[]>[] = [];
  size = 0;

  constructor(family: 4 | 6) {
    this.family = family;
    this.#byLength = new Array<Map<Ip, Route[]> | undefined>(familyBits(family) + 1).fill(undefined);
  }

  /** Adds a route behind those of the same prefix with the same or a lower metric. False where one just like it is there. */
  insert(route: Route): boolean {
    const { length, address } = route.destination;
    let map = this.#byLength[length];
    if (map === undefined) {
      map = new Map();
      this.#byLength[length] = map;
    }
    const routes = map.get(address);
    if (routes === undefined) map.set(address, [route]);
    else {
      if (
        this.family === 4
          ? routes.some((other) => other.metric === route.metric)
          : routes.some((other) => sameRoute(other, route))
      ) {
        return false;
      }
      const at = routes.findIndex((other) => other.metric > route.metric);
      routes.splice(at < 0 ? routes.length : at, 0, route);
    }
    this.size++;
    if (map.size === 1) this.#index();
    return true;
  }

  remove(route: Route): boolean {
    const { length, address } = route.destination;
    const map = this.#byLength[length];
    const routes = map?.get(address);
    const at = routes === undefined ? -1 : routes.indexOf(route);
    if (map === undefined || routes === undefined || at < 0) return false;
    routes.splice(at, 1);
    this.size--;
    if (routes.length === 0) {
      map.delete(address);
      if (map.size === 0) this.#index();
    }
    return true;
  }

  /** Routes of exactly this prefix. */
  exact(prefix: Prefix): readonly Route[] {
    return this.#byLength[prefix.length]?.get(prefix.address) ?? [];
  }

  /** The best route to an address, of those that leave by `dev` where it is given. */
  lookup(dst: Ip, dev: Device | null = null): Route | undefined {
    const maps = this.#maps;
    for (let at = 0; at < maps.length; at++) {
      const key = typeof dst === 'number' ? dst & this.#masks[at]! : dst & this.#masks6[at]!;
      const routes = maps[at]!.get(key);
      if (routes === undefined) continue;
      if (dev === null) return routes[0];
      for (const route of routes) if (route.dev === null || route.dev === dev) return route;
    }
    return undefined;
  }

  /** All routes, shortest prefix first, then by address and metric: the order `ip route` prints. */
  list(): Route[] {
    const all: Route[] = [];
    for (const map of this.#byLength) if (map !== undefined) for (const routes of map.values()) all.push(...routes);
    return all.sort(
      (a, b) =>
        compareAddress(a.destination.address, b.destination.address) ||
        a.destination.length - b.destination.length ||
        a.metric - b.metric,
    );
  }

  #index(): void {
    this.#lengths = [];
    for (let length = this.#byLength.length - 1; length >= 0; length--) {
      if ((this.#byLength[length]?.size ?? 0) > 0) this.#lengths.push(length);
    }
    this.#maps = this.#lengths.map((length) => this.#byLength[length]!);
    this.#masks = this.family === 4 ? this.#lengths.map((length) => prefixMask(4, length) as number) : [];
    this.#masks6 = this.family === 6 ? this.#lengths.map((length) => prefixMask(6, length) as bigint) : [];
  }
}

function sameRoute(a: Route, b: Route): boolean {
  return a.metric === b.metric && a.dev === b.dev && a.via === b.via;
}

function compareAddress(a: Ip, b: Ip): number {
  if (typeof a === 'number' && typeof b === 'number') return (a >>> 0) - (b >>> 0);
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A rule of `ip rule`. */
export interface FibRule extends FibRuleConfig {
  readonly family: 4 | 6;
}

/** What a look-up is for (Linux: struct flowi). */
export interface FlowKey {
  readonly dst: Ip;
  readonly src: Ip | undefined;
  readonly mark: number;
  /** Name of the device it came in by; undefined for a local sender (Linux: iif lo). */
  readonly iif: string | undefined;
  /** Only routes that leave by this device. */
  readonly oif: Device | null;
}

/** The routing policy of one family in one netns: rules and the tables that they name. */
export class Fib {
  readonly family: 4 | 6;
  readonly tables = new Map<number, FibTable>();
  #rules: FibRule[] = [];
  readonly #local: FibTable;
  readonly #main: FibTable;
  /** Rules other than the three that every netns is born with. */
  hasCustomRules = false;
  /** A rule that looks at more than the destination: what was decided for one packet may be wrong for the next. */
  dependsOnFlow = false;

  constructor(family: 4 | 6) {
    this.family = family;
    this.#local = this.table(RouteTable.LOCAL);
    this.#main = this.table(RouteTable.MAIN);
    this.#rules = [
      { priority: 0, family, table: RouteTable.LOCAL },
      { priority: 32766, family, table: RouteTable.MAIN },
    ];
    if (family === 4) this.#rules.push({ priority: 32767, family, table: RouteTable.DEFAULT });
  }

  table(id: number): FibTable {
    let table = this.tables.get(id);
    if (table === undefined) {
      table = new FibTable(this.family);
      this.tables.set(id, table);
    }
    return table;
  }

  rules(): readonly FibRule[] {
    return this.#rules;
  }

  addRule(rule: FibRule): void {
    const at = this.#rules.findIndex((other) => other.priority > rule.priority);
    this.#rules.splice(at < 0 ? this.#rules.length : at, 0, rule);
    this.#rulesChanged();
  }

  delRule(match: (rule: FibRule) => boolean): boolean {
    const at = this.#rules.findIndex(match);
    if (at < 0) return false;
    this.#rules.splice(at, 1);
    this.#rulesChanged();
    return true;
  }

  #rulesChanged(): void {
    this.hasCustomRules =
      this.#rules.length !== (this.family === 4 ? 3 : 2) || this.#rules.some((rule) => !isBuiltin(rule));
    this.dependsOnFlow = this.#rules.some(
      (rule) => rule.from !== undefined || rule.fwmark !== undefined || rule.iif !== undefined,
    );
  }

  /** First match over the rules in order. A `throw` route sends the search on to the next rule. */
  lookup(flow: FlowKey): Route | undefined {
    const route = this.#search(flow);
    return route === undefined || this.family === 4 || flow.iif === undefined ? route : this.#byWayIn(route, flow.iif);
  }

  /** Of IPv6 routes that are equally good, the one by the device that the packet came in by (Linux: rt6_score_route). */
  #byWayIn(route: Route, iif: string): Route {
    if (route.dev === null || route.dev.name === iif) return route;
    const equals = this.tables.get(route.table)?.exact(route.destination) ?? [];
    return equals.find((other) => other.metric === route.metric && other.dev?.name === iif) ?? route;
  }

  #search(flow: FlowKey): Route | undefined {
    if (!this.hasCustomRules) {
      const route = this.#local.lookup(flow.dst, flow.oif);
      if (route !== undefined) return route;
      const main = this.#main.lookup(flow.dst, flow.oif);
      if (main !== undefined && main.type !== 'throw') return main;
      return this.tables.get(RouteTable.DEFAULT)?.lookup(flow.dst, flow.oif);
    }
    for (const rule of this.#rules) {
      if (!matches(rule, flow)) continue;
      const route = this.tables.get(rule.table)?.lookup(flow.dst, flow.oif);
      if (route !== undefined && route.type !== 'throw') return route;
    }
    return undefined;
  }
}

function isBuiltin(rule: FibRule): boolean {
  const bare = rule.from === undefined && rule.to === undefined && rule.fwmark === undefined && rule.iif === undefined;
  return (
    bare &&
    ((rule.priority === 0 && rule.table === RouteTable.LOCAL) ||
      (rule.priority === 32766 && rule.table === RouteTable.MAIN) ||
      (rule.priority === 32767 && rule.table === RouteTable.DEFAULT))
  );
}

function matches(rule: FibRule, flow: FlowKey): boolean {
  if (rule.to !== undefined && !contains(rule.to, flow.dst)) return false;
  if (rule.from !== undefined && rule.from.length > 0 && (flow.src === undefined || !contains(rule.from, flow.src)))
    return false;
  if (rule.fwmark !== undefined && ((flow.mark ^ rule.fwmark.value) & rule.fwmark.mask) !== 0) return false;
  if (rule.iif !== undefined && rule.iif !== (flow.iif ?? 'lo')) return false;
  return true;
}

function contains(prefix: Prefix, ip: Ip): boolean {
  const mask = prefixMask(familyOf(prefix.address), prefix.length);
  if (typeof ip === 'number') return typeof mask === 'number' && (ip & mask) === prefix.address;
  return typeof mask === 'bigint' && (ip & mask) === prefix.address;
}

/** A route as `ip route show table all` prints it: with its table, where that is not main. */
export function formatRoute(route: Route): string {
  return formatRouteOf(route, RouteTable.MAIN);
}

/** A route as `ip route show table asked` prints it: with its table only where that is another one. */
export function formatRouteOf(route: Route, asked: number): string {
  const { destination, type, via, dev, src, family } = route;
  const full = destination.length === familyBits(family);
  const to =
    destination.length === 0
      ? 'default'
      : full
        ? formatIp(destination.address)
        : `${formatIp(destination.address)}/${destination.length}`;
  let text = type === 'unicast' ? to : `${type} ${to}`;
  if (via !== undefined) text += ` via ${formatIp(via)}`;
  if (dev !== null) text += ` dev ${dev.name}`;
  if (route.table !== asked)
    text += ` table ${route.table === RouteTable.LOCAL ? 'local' : route.table === RouteTable.DEFAULT ? 'default' : route.table}`;
  if (route.protocol !== 'boot') text += ` proto ${route.protocol}`;
  if (family === 4 && route.scope !== 'global') text += ` scope ${route.scope}`;
  if (family === 4 && src !== undefined) text += ` src ${formatIp(src)}`;
  if (route.metric !== 0 || (family === 6 && route.protocol === 'kernel')) text += ` metric ${route.metric}`;
  if (route.onlink) text += ' onlink';
  if (family === 6) text += ' pref medium';
  return text;
}

import type { Service } from '@netsim/manifest';
import { type Family, formatIp, type Ip, tryParseIp } from '@netsim/wire';
import { addressesOf, confusesBuggyFirmware, rangeContains } from './address-pool.ts';
import { type AddressPool, type MetalLbConfig, poolAllows } from './metallb-config.ts';

/** The addresses given to a service and the pool that they are of, or why there is none: in MetalLB's words. */
export type Assignment = { readonly ips: readonly Ip[]; readonly pool: string } | { readonly error: string };

interface Holder {
  readonly ips: readonly Ip[];
  readonly ports: readonly string[];
  readonly sharingKey: string;
  readonly backendKey: string;
}

/**
 * MetalLB's allocator (internal/allocator/allocator.go): the addresses of its pools, several services to an address
 * where they share a key, the same backends and no port.
 */
export class MetalLbAllocator {
  readonly #holders = new Map<string, Holder>();
  /** Address to the keys of the services that have it. */
  readonly #users = new Map<Ip, Set<string>>();

  /** Gives the service what it may keep, what it asks for, or anything that is free. */
  converge(config: MetalLbConfig, service: Service, key: string): Assignment {
    const current = this.#currentOf(service);
    const wanted = wantedAddresses(service);
    if (typeof wanted === 'string') return this.#fail(key, wanted);
    const desiredPool = annotation(service, 'address-pool');
    if (current.length > 0 && (wanted.length === 0 || sameAddresses(current, wanted))) {
      const kept = this.#assign(config, service, key, current);
      const families = familiesOf(service);
      const complete = families.required.length <= current.length || families.preferring;
      if ('pool' in kept && complete && (desiredPool === '' || kept.pool === desiredPool)) return kept;
    }
    this.release(key);
    if (wanted.length > 0) {
      const given = this.#assign(config, service, key, wanted);
      if ('pool' in given && desiredPool !== '' && given.pool !== desiredPool) {
        const list = wanted.map(formatIp).join(', ');
        return this.#fail(
          key,
          `requested loadBalancer IP ${list} is not in the requested address pool "${desiredPool}"`,
        );
      }
      return given;
    }
    if (desiredPool === '') return this.#fromAnyPool(config, service, key);
    const pool = config.pools.find(({ name }) => name === desiredPool);
    return pool === undefined ? { error: `unknown pool "${desiredPool}"` } : this.#fromPool(config, pool, service, key);
  }

  release(key: string): void {
    const holder = this.#holders.get(key);
    if (holder === undefined) return;
    this.#holders.delete(key);
    for (const ip of holder.ips) {
      const users = this.#users.get(ip);
      users?.delete(key);
      if (users?.size === 0) this.#users.delete(ip);
    }
  }

  /** First the pools that are kept for such services, by priority, then those for everybody, by name. */
  #fromAnyPool(config: MetalLbConfig, service: Service, key: string): Assignment {
    const automatic = config.pools.filter(({ autoAssign }) => autoAssign);
    const pinned = automatic.filter((pool) => isPinned(pool) && poolAllows(pool, service));
    pinned.sort((a, b) => priorityOf(a) - priorityOf(b));
    const open = automatic.filter(({ allocation }) => allocation === undefined);
    for (const pool of [...pinned, ...open]) {
      const given = this.#fromPool(config, pool, service, key);
      if ('pool' in given) return given;
    }
    const why = automatic.length === 0 ? ': no pool has autoAssign' : '';
    return { error: `no available IPs${why}` };
  }

  #fromPool(config: MetalLbConfig, pool: AddressPool, service: Service, key: string): Assignment {
    const { required, preferring } = familiesOf(service);
    const ips: Ip[] = [];
    for (const family of required) {
      for (const ip of addressesOf(pool.ranges, family)) {
        if (pool.avoidBuggyIPs && confusesBuggyFirmware(ip)) continue;
        if (this.#refusal(service, key, ip) !== undefined) continue;
        ips.push(ip);
        break;
      }
    }
    const enough = preferring ? ips.length > 0 : ips.length === required.length;
    if (!enough)
      return { error: `no available IPs in pool "${pool.name}" for ${required.map(familyText).join(' and ')}` };
    return this.#assign(config, service, key, ips);
  }

  #assign(config: MetalLbConfig, service: Service, key: string, ips: readonly Ip[]): Assignment {
    const pool = config.pools.find((each) => ips.every((ip) => holds(each, ip)));
    const list = ips.map((ip) => `"${formatIp(ip)}"`).join(', ');
    if (pool === undefined) return this.#fail(key, `${list} is not allowed in config: no address pool has it`);
    if (!poolAllows(pool, service)) {
      return this.#fail(key, `pool ${pool.name} not compatible for ip assignment: its serviceAllocation is for others`);
    }
    for (const ip of ips) {
      const error = this.#refusal(service, key, ip);
      if (error !== undefined) return this.#fail(key, error);
    }
    this.release(key);
    this.#holders.set(key, { ips, ports: portsOf(service), ...keysOf(service) });
    for (const ip of ips) {
      const users = this.#users.get(ip);
      if (users === undefined) this.#users.set(ip, new Set([key]));
      else users.add(key);
    }
    return { ips, pool: pool.name };
  }

  /** Why the service cannot have an address, with those who have it already. */
  #refusal(service: Service, key: string, ip: Ip): string | undefined {
    const others = [...(this.#users.get(ip) ?? [])].filter((each) => each !== key);
    if (others.length === 0) return undefined;
    const mine = keysOf(service);
    const ports = portsOf(service);
    for (const other of others) {
      const theirs = this.#holders.get(other)!;
      const shared = mine.sharingKey !== '' && mine.sharingKey === theirs.sharingKey;
      if (!shared || mine.backendKey !== theirs.backendKey) {
        return `can't change sharing key for "${key}", address also in use by ${others.join(',')}`;
      }
      const clash = ports.find((port) => theirs.ports.includes(port));
      if (clash !== undefined) return `port ${clash} is already in use on "${formatIp(ip)}"`;
    }
    return undefined;
  }

  #fail(key: string, error: string): Assignment {
    this.release(key);
    return { error };
  }

  #currentOf({ status }: Service): Ip[] {
    const given = (status?.loadBalancer?.ingress ?? []).map(({ ip }) =>
      ip === undefined ? undefined : tryParseIp(ip),
    );
    return given.filter((ip) => ip !== undefined);
  }
}

/** The value of MetalLB's annotation under its name of today, or the one it had before 0.15. */
function annotation({ metadata }: Service, name: string): string {
  const { annotations = {} } = metadata;
  return annotations[`metallb.io/${name}`] ?? annotations[`metallb.universe.tf/${name}`] ?? '';
}

/** The addresses that a service asks for, or what is wrong with how it does. */
function wantedAddresses(service: Service): Ip[] | string {
  const annotated = annotation(service, 'loadBalancerIPs');
  const { loadBalancerIP = '' } = service.spec;
  if (annotated !== '' && loadBalancerIP !== '') {
    return 'service can not have both metallb.io/loadBalancerIPs and svc.Spec.LoadBalancerIP';
  }
  const text = annotated === '' ? loadBalancerIP : annotated;
  if (text === '') return [];
  const what = annotated === '' ? 'spec.loadBalancerIP' : 'metallb.io/loadBalancerIPs';
  const ips = text.split(',').map((each) => tryParseIp(each.trim()));
  const readable = ips.filter((ip) => ip !== undefined);
  if (readable.length < ips.length) return `invalid ${what}: "${text}"`;
  const { required } = familiesOf(service);
  const wrong = readable.some((ip) => !required.includes(typeof ip === 'number' ? 4 : 6));
  if (wrong) return `requested loadBalancer IP(s) "${text}" does not match the ipFamily of the service`;
  return readable;
}

function familiesOf({ spec }: Service): { required: Family[]; preferring: boolean } {
  const required = (spec.ipFamilies ?? ['IPv4']).map((family): Family => (family === 'IPv4' ? 4 : 6));
  return { required, preferring: spec.ipFamilyPolicy === 'PreferDualStack' };
}

function familyText(family: Family): string {
  return `IPv${family}`;
}

function holds(pool: AddressPool, ip: Ip): boolean {
  if (pool.avoidBuggyIPs && confusesBuggyFirmware(ip)) return false;
  return pool.ranges.some((range) => rangeContains(range, ip));
}

/** A pool that says for whom it is, by namespace or by service; one that sets a priority alone is for nobody. */
function isPinned({ allocation }: AddressPool): boolean {
  return allocation !== undefined && allocation.namespaces.size + allocation.serviceSelectors.length > 0;
}

function priorityOf({ allocation }: AddressPool): number {
  return allocation?.priority || Number.MAX_SAFE_INTEGER;
}

function portsOf({ spec }: Service): string[] {
  return (spec.ports ?? []).map(({ protocol = 'TCP', port }) => `${protocol.toLowerCase()}/${port}`);
}

/** Services share an address only with a common key and, where the policy is Local, with the same pods. */
function keysOf(service: Service): { sharingKey: string; backendKey: string } {
  const { selector = {}, externalTrafficPolicy } = service.spec;
  const pairs = Object.entries(selector).map((pair) => pair.join('='));
  const backendKey = externalTrafficPolicy === 'Local' ? pairs.sort().join(',') : 'cluster';
  return { sharingKey: annotation(service, 'allow-shared-ip'), backendKey };
}

function sameAddresses(a: readonly Ip[], b: readonly Ip[]): boolean {
  return a.length === b.length && a.every((ip) => b.includes(ip));
}

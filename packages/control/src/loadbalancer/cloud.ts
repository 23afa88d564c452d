import type { Node, ObjectStore, Service } from '@netsim/manifest';
import { formatIp, type Ip, parseIp } from '@netsim/wire';
import { addressesOf, parseRange } from './address-pool.ts';

/**
 * Schemes of spec.providerID whose clouds have load balancers. Those of kind, k3s, MAAS and the like are left out:
 * nothing there gives a Service an address by itself.
 */
const clouds = new Set([
  'aws',
  'azure',
  'civo',
  'cloudscale',
  'digitalocean',
  'equinixmetal',
  'exoscale',
  'gce',
  'hcloud',
  'huaweicloud',
  'ibm',
  'ibmcloud',
  'linode',
  'oci',
  'openstack',
  'scaleway',
  'tencentcloud',
  'vultr',
]);

/** The cloud's name where it is known, for nodes as the cloud controller manager marks them: `gce://project/zone/name`. */
export function cloudOf(store: ObjectStore): string | undefined {
  for (const node of store.list<Node>('Node')) {
    const scheme = /^([a-z0-9-]+):\/\//.exec(node.spec?.providerID ?? '')?.[1];
    if (scheme !== undefined && clouds.has(scheme)) return scheme;
  }
  return undefined;
}

/** Addresses for documentation (RFC 5737, RFC 3849): what a cloud would give cannot be known. */
const exampleRanges = ['203.0.113.1-203.0.113.254', '198.51.100.1-198.51.100.254', '2001:db8::1-2001:db8::ffff'].map(
  (text) => parseRange(text)!,
);

/** The addresses of a cloud's load balancers: the one that the service asks for, or the next one for documentation. */
export class CloudAddresses {
  readonly #holders = new Map<Ip, string>();

  /** The addresses of the service, which keeps those that it has. Nothing is left after some five hundred services. */
  converge(service: Service, key: string): readonly Ip[] {
    const mine = [...this.#holders].filter(([, holder]) => holder === key).map(([ip]) => ip);
    const { loadBalancerIP = '' } = service.spec;
    const wanted = loadBalancerIP === '' ? undefined : parseIp(loadBalancerIP);
    if (mine.length > 0 && (wanted === undefined || mine.includes(wanted))) return mine;
    this.release(key);
    const family = service.spec.ipFamilies?.[0] === 'IPv6' ? 6 : 4;
    for (const ip of wanted === undefined ? addressesOf(exampleRanges, family) : [wanted]) {
      if (this.#holders.has(ip) && wanted === undefined) continue;
      this.#holders.set(ip, key);
      return [ip];
    }
    return [];
  }

  release(key: string): void {
    for (const [ip, holder] of this.#holders) if (holder === key) this.#holders.delete(ip);
  }
}

/** As it stands in status.loadBalancer.ingress: the API server adds the mode to every address that has none. */
export function ingressOf(ips: readonly Ip[]): { ip: string; ipMode: string }[] {
  return ips.map((ip) => ({ ip: formatIp(ip), ipMode: 'VIP' }));
}

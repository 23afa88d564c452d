import type { Service, ServiceSpec } from '@netsim/manifest';
import { type Family, familyOf, tryParseIp } from '@netsim/wire';
import type { ClusterConfig } from '../config.ts';

export type IpFamily = 'IPv4' | 'IPv6';

export interface Families {
  readonly families: readonly IpFamily[];
  readonly policy: NonNullable<ServiceSpec['ipFamilyPolicy']>;
}

export function familyName(family: Family): IpFamily {
  return family === 4 ? 'IPv4' : 'IPv6';
}

/** The families that the cluster's service CIDRs serve, the preferred first. */
export function clusterFamilies(config: ClusterConfig): IpFamily[] {
  return config.serviceCIDRs.map(({ address }) => familyName(familyOf(address)));
}

/** A Service with no address of its own. */
export function isHeadless(service: Service): boolean {
  return clusterIPs(service)[0] === 'None';
}

/** Whether the service has virtual addresses (kube-proxy's and the endpoint controllers' IsServiceIPSet). */
export function hasClusterIP(service: Service): boolean {
  const first = clusterIPs(service)[0];
  return service.spec.type !== 'ExternalName' && first !== undefined && first !== '' && first !== 'None';
}

export function clusterIPs(service: Service): readonly string[] {
  const { clusterIP, clusterIPs: list = [] } = service.spec;
  return list.length > 0 ? list : clusterIP ? [clusterIP] : [];
}

/**
 * The families of a service and its policy, as initIPFamilyFields of pkg/registry/core/service/storage/alloc.go
 * defaults them. A service that demands what the cluster lacks gets what there is (a finding says so).
 */
export function defaultFamilies(service: Service, config: ClusterConfig): Families {
  const cluster = clusterFamilies(config);
  const { ipFamilies = [], ipFamilyPolicy, selector } = service.spec;
  const given = clusterIPs(service)
    .map(tryParseIp)
    .filter((ip) => ip !== undefined);
  const families: IpFamily[] = [...ipFamilies];
  for (const [i, ip] of given.entries()) families[i] ??= familyName(familyOf(ip));
  if (families.length === 0) families.push(cluster[0] ?? 'IPv4');
  const bare = isHeadless(service) && Object.keys(selector ?? {}).length === 0;
  const policy =
    ipFamilyPolicy ?? (bare ? 'RequireDualStack' : families.length > 1 ? 'RequireDualStack' : 'SingleStack');
  if (policy === 'SingleStack') return { families: families.slice(0, 1), policy };
  const other: IpFamily = families[0] === 'IPv4' ? 'IPv6' : 'IPv4';
  if (families.length === 1 && (bare || cluster.includes(other))) families.push(other);
  return { families, policy };
}

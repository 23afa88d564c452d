import { type Cause, Causes, completeServiceFamilies, type Service, type ServiceSpec } from '@netsim/manifest';
import { type Family, familyOf } from '@netsim/wire';
import type { ClusterConfig } from '../config.ts';

export type IpFamily = 'IPv4' | 'IPv6';

export interface Families {
  readonly families: readonly IpFamily[];
  readonly policy: NonNullable<ServiceSpec['ipFamilyPolicy']>;
  /** Why the API server would refuse the service in this cluster. */
  readonly refused: readonly Cause[];
}

export function familyName(family: Family): IpFamily {
  return family === 4 ? 'IPv4' : 'IPv6';
}

/** The families that the cluster's service CIDRs serve, the preferred first. */
function clusterFamilies(config: ClusterConfig): IpFamily[] {
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

/** The families of a service and its policy in this cluster; `refused` where the service demands what the cluster lacks. */
export function serviceFamilies(service: Service, config: ClusterConfig): Families {
  const cluster = clusterFamilies(config);
  const given = service.spec.ipFamilies ?? [];
  const spec: ServiceSpec = { ...service.spec, ipFamilies: [...given], clusterIPs: [...clusterIPs(service)] };
  const causes = new Causes();
  completeServiceFamilies(spec, cluster, causes);
  const { ipFamilies = [], ipFamilyPolicy = 'SingleStack' } = spec;
  const families = isHeadless(service) ? ipFamilies : ipFamilies.filter((family) => cluster.includes(family));
  return {
    families: families.length > 0 ? families : cluster.slice(0, 1),
    policy: ipFamilyPolicy,
    refused: causes.list,
  };
}

import type { ServicePort } from './service-map.ts';
import type { EndpointChoice } from './topology.ts';

/** Which traffic to the port of a service gets rules. */
export interface Traffic {
  readonly hasEndpoints: boolean;
  readonly hasInternal: boolean;
  readonly hasExternal: boolean;
  /** Source ranges hold for the addresses of its load balancer. */
  readonly usesFirewall: boolean;
}

export function trafficOf(port: ServicePort, { hasEndpoints, local }: EndpointChoice, usesFirewall: boolean): Traffic {
  return {
    hasEndpoints,
    hasInternal: hasEndpoints && (!port.internalPolicyLocal || local.length > 0),
    hasExternal: hasEndpoints && (!port.externalPolicyLocal || local.length > 0),
    usesFirewall,
  };
}

/** Whether `loadBalancerSourceRanges` says who may use the addresses of the load balancer. */
export function hasSourceRanges(port: ServicePort): boolean {
  return port.loadBalancerVIPs.length > 0 && port.sourceRanges.length > 0;
}

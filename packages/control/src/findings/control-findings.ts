import type { Finding, ObjectStore } from '@netsim/manifest';
import type { ClusterConfig } from '../config.ts';
import { loadBalancerFindings } from './load-balancer-findings.ts';
import { podFindings } from './pod-findings.ts';
import { serviceFindings } from './service-findings.ts';
import { workloadFindings } from './workload-findings.ts';

/**
 * What the control plane accepts but cannot work, or cannot do at all: selectors that match nothing, target ports that
 * no pod has, addresses that clash or are used up, pods that no node takes. A look at the whole of a settled store;
 * it changes nothing.
 */
export function controlFindings(
  store: ObjectStore,
  config: ClusterConfig,
  /** Why load balancers wait for their addresses, by the service's key. */
  pending: ReadonlyMap<string, string> = new Map(),
): Finding[] {
  return [
    ...podFindings(store, config),
    ...serviceFindings(store, config),
    ...workloadFindings(store),
    ...loadBalancerFindings(store, config, pending),
  ];
}

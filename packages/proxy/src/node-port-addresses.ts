import { familyOf } from '@netsim/wire';
import type { NodeProxyConfig } from './config.ts';

/** Do all local addresses take NodePort traffic? So they do where `nodePortAddresses` has nothing for the family. */
export function matchesAllAddresses(config: Pick<NodeProxyConfig, 'family' | 'nodePortAddresses'>): boolean {
  const ofFamily = config.nodePortAddresses.filter((prefix) => familyOf(prefix.address) === config.family);
  return ofFamily.length === 0 || ofFamily.some((prefix) => prefix.length === 0);
}

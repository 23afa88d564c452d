import type { EndpointSlice, Service } from '@netsim/manifest';
import type { Probe } from './probe-node.ts';
import type { VectorConfig } from './vector-config.ts';

/** One sync of kube-proxy as the vectors hold it. */
export interface IptablesCase {
  readonly id: string;
  readonly origin: string;
  readonly previous?: string | null;
  readonly config: VectorConfig;
  readonly objects: { readonly services: Service[] | null; readonly endpointSlices: EndpointSlice[] | null };
  readonly sync: { readonly full: boolean; readonly updatedServices: string[]; readonly largeClusterMode?: boolean };
  readonly expect: {
    readonly canonical: string;
    readonly probes?: readonly Probe[];
    readonly iptablesSave?: { readonly nft: string; readonly legacy: string };
  };
}

import type { Ip, Prefix } from '@netsim/wire';

/** What kubeadm's ClusterConfiguration, kind's Cluster or kube-controller-manager flags decide. */
export interface ClusterConfig {
  /** Per family, in order of preference. Default 10.244.0.0/16. */
  readonly podCIDRs: readonly Prefix[];
  /** Size of a node's block per family: 24 and 64. */
  readonly nodeMaskSize: { readonly 4: number; readonly 6: number };
  /** Default 10.96.0.0/12. */
  readonly serviceCIDRs: readonly Prefix[];
  readonly nodePortRange: { readonly from: number; readonly to: number };
  readonly clusterDomain: string;
  readonly clusterDNS: readonly Ip[];
  /** `clusterDNS` of the KubeletConfiguration, where pods are to ask another address than that of the DNS service. */
  readonly kubeletDNS?: readonly Ip[];
  /** Pods where none of the objects gives one: the seed of names, allocation and UIDs. */
  readonly seed: number;
}

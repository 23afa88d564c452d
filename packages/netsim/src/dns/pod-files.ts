import type { ClusterConfig } from '@netsim/control';
import { hostnameOf, hostsFile, resolvConf } from '@netsim/dns';
import type { Pod } from '@netsim/manifest';
import { formatIp } from '@netsim/wire';

/** `/etc/resolv.conf` of a machine: a resolver of the outside world, which is not modelled and never answers. */
export const MACHINE_RESOLV_CONF = 'nameserver 8.8.8.8\n';

/** The files that the kubelet writes into a pod for its names, and the hostname that its kernel tells. */
export interface PodFiles {
  readonly resolvConf: string;
  readonly hosts: string;
  readonly hostname: string;
}

export function podFiles(pod: Pod, { clusterDNS, clusterDomain }: ClusterConfig): PodFiles {
  const kubelet = { clusterDNS: clusterDNS.map(formatIp), clusterDomain, nodeResolvConf: MACHINE_RESOLV_CONF };
  return {
    resolvConf: resolvConf(pod, kubelet).text,
    hosts: hostsFile(pod, { clusterDomain }),
    hostname: hostnameOf(pod, { clusterDomain }).kernelHostname,
  };
}

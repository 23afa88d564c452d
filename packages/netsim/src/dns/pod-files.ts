import type { ClusterConfig } from '@netsim/control';
import { hostnameOf, hostsFile, type KubeletDns, resolvConf } from '@netsim/dns';
import type { Finding, Pod } from '@netsim/manifest';
import { type Family, familyOf, formatIp, type Ip } from '@netsim/wire';
import { OUTSIDE_RESOLVERS } from './outside-resolver.ts';

/** What a program reads when it looks names up, and the hostname that its kernel tells. */
export interface NameFiles {
  readonly resolvConf: string;
  readonly hosts: string;
  readonly hostname: string;
}

/** `/etc/resolv.conf` of a machine: a resolver of the world outside, of a family that the cluster has. */
function machineResolvConf({ podCIDRs }: ClusterConfig): string {
  const family: Family = podCIDRs.some(({ address }) => familyOf(address) === 4) ? 4 : 6;
  return `nameserver ${OUTSIDE_RESOLVERS[family]}\n`;
}

/** The files of a node or of a machine outside. */
export function machineFiles(name: string, addresses: readonly Ip[], config: ClusterConfig): NameFiles {
  // A machine that is known by its address only: glibc would take what follows the first dot of its name for a domain to search.
  const hostname = addresses.some((ip) => formatIp(ip) === name) ? name.replace(/[.:]+/g, '-') : name;
  const own = addresses.map((ip) => `${formatIp(ip)}\t${hostname}\n`).join('');
  const hosts = `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n${own}`;
  return { resolvConf: machineResolvConf(config), hosts, hostname };
}

function kubeletDns(config: ClusterConfig): KubeletDns {
  const { clusterDNS, clusterDomain, kubeletDNS = clusterDNS } = config;
  return { clusterDNS: kubeletDNS.map(formatIp), clusterDomain, nodeResolvConf: machineResolvConf(config) };
}

/** What the kubelet says where it cannot write them as the pod wants. */
export function podFindings(pod: Pod, config: ClusterConfig): readonly Finding[] {
  const { clusterDomain } = config;
  return [...resolvConf(pod, kubeletDns(config)).findings, ...hostnameOf(pod, { clusterDomain }).findings];
}

/** The files that the kubelet writes into a pod for its names. */
export function podFiles(pod: Pod, config: ClusterConfig): NameFiles {
  const { clusterDomain } = config;
  return {
    resolvConf: resolvConf(pod, kubeletDns(config)).text,
    hosts: hostsFile(pod, { clusterDomain }),
    hostname: hostnameOf(pod, { clusterDomain }).kernelHostname,
  };
}

import type { Pod } from '@netsim/manifest';
import { hostnameOf } from './pod-hostname.ts';

/** `/etc/hosts` of a node, where nothing else is known of it. */
const NODE_HOSTS = '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n';

/**
 * `/etc/hosts` of a pod's containers as the kubelet writes it (`pkg/kubelet/kubelet_pods.go`): localhost lines, one line
 * for each of the pod's addresses, then `hostAliases`. On the host's network: the node's file, then `hostAliases`.
 */
export function hostsFile(pod: Pod, options: { readonly clusterDomain: string; readonly nodeHosts?: string }): string {
  const aliases = aliasLines(pod);
  if (pod.spec.hostNetwork === true) {
    return `# Kubernetes-managed hosts file (host network).\n${options.nodeHosts ?? NODE_HOSTS}${aliases}`;
  }
  const { hostname, domain } = hostnameOf(pod, options);
  const names = domain === '' ? hostname : `${hostname}.${domain}\t${hostname}`;
  const { podIP, podIPs } = pod.status ?? {};
  const addresses = podIPs?.map(({ ip }) => ip) ?? (podIP === undefined ? [] : [podIP]);
  return [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    ...addresses.map((address) => `${address}\t${names}`),
    aliases,
  ].join('\n');
}

function aliasLines({ spec }: Pod): string {
  const aliases = spec.hostAliases ?? [];
  if (aliases.length === 0) return '';
  const lines = aliases.map(({ ip, hostnames = [] }) => `${ip}\t${hostnames.join('\t')}\n`);
  return `\n# Entries added by HostAliases.\n${lines.join('')}`;
}

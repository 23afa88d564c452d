import type { Finding, Pod } from '@netsim/manifest';
import { podFinding } from './pod-finding.ts';

/** The names that the kubelet gives a pod. */
export interface PodHostname {
  /** First label: what stands beside the pod IP in `/etc/hosts`. */
  readonly hostname: string;
  /** `subdomain.namespace.svc.DOMAIN`, or empty without a subdomain. */
  readonly domain: string;
  /** What `uname -n`, `hostname` and `/etc/hostname` say. */
  readonly kernelHostname: string;
  readonly findings: readonly Finding[];
}

const HOSTNAME_MAX = 63;
/** Room for a node name in the kernel, `__NEW_UTS_LEN`. */
const FQDN_MAX = 64;

/**
 * Hostname of a pod: `spec.hostname`, else the pod's name cut to 63 characters; with `setHostnameAsFQDN` the full name.
 * Source: `GeneratePodHostNameAndDomain` and `GetNodenameForKernel` of the kubelet. A pod on the host's network has the
 * node's name. A full name over 64 characters is an error: the pod stays in ContainerCreating.
 */
export function hostnameOf(
  pod: Pod,
  { clusterDomain, nodeName = pod.spec.nodeName ?? '' }: { clusterDomain: string; nodeName?: string },
): PodHostname {
  const { spec, metadata } = pod;
  const wanted = spec.hostname === undefined || spec.hostname === '' ? metadata.name : spec.hostname;
  const hostname = wanted.length <= HOSTNAME_MAX ? wanted : wanted.slice(0, HOSTNAME_MAX).replace(/[-.]+$/, '');
  const subdomain = spec.subdomain ?? '';
  const domain = subdomain === '' ? '' : `${subdomain}.${metadata.namespace ?? 'default'}.svc.${clusterDomain}`;
  if (spec.hostNetwork === true) return { hostname, domain, kernelHostname: nodeName, findings: [] };
  if (domain === '' || spec.setHostnameAsFQDN !== true) {
    return { hostname, domain, kernelHostname: hostname, findings: [] };
  }
  const fqdn = `${hostname}.${domain}`;
  const findings =
    fqdn.length <= FQDN_MAX
      ? []
      : [
          podFinding(
            pod,
            'error',
            'hostname-too-long',
            `failed to construct FQDN from pod hostname and cluster domain, FQDN ${fqdn} is too long (${FQDN_MAX} characters is the max, ${fqdn.length} characters requested)`,
            ['spec', 'setHostnameAsFQDN'],
          ),
        ];
  return { hostname, domain, kernelHostname: findings.length === 0 ? fqdn : hostname, findings };
}

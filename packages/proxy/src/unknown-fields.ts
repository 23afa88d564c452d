import { type AnyObject, nearest } from '@netsim/manifest';

/** Fields of a section; null: what stands below is not looked at. */
interface Fields {
  readonly [name: string]: Fields | null;
}

function names(text: string): Fields {
  return Object.fromEntries(text.split(' ').map((name) => [name, null]));
}

/** kubeproxy.config.k8s.io/v1alpha1. Fields that later versions dropped are still known: they were no slip. */
const known: Fields = {
  ...names('apiVersion kind metadata featureGates clientConnection logging winkernel configSyncPeriod'),
  ...names('hostnameOverride bindAddress bindAddressHardFail healthzBindAddress metricsBindAddress portRange'),
  ...names('enableProfiling showHiddenMetricsForVersion mode detectLocalMode clusterCIDR nodePortAddresses'),
  ...names('oomScoreAdj windowsRunAsService resourceContainer udpIdleTimeout'),
  iptables: names('masqueradeBit masqueradeAll localhostNodePorts syncPeriod minSyncPeriod'),
  nftables: names('masqueradeBit masqueradeAll syncPeriod minSyncPeriod'),
  ipvs: names('syncPeriod minSyncPeriod scheduler excludeCIDRs strictARP tcpTimeout tcpFinTimeout udpTimeout'),
  detectLocal: names('bridgeInterface interfaceNamePrefix'),
  conntrack: names(
    'maxPerCore min max tcpEstablishedTimeout tcpCloseWaitTimeout tcpBeLiberal udpTimeout udpStreamTimeout',
  ),
};

/** A field that kube-proxy does not know, and therefore leaves aside. */
export interface UnknownField {
  readonly path: readonly string[];
  /** The nearest field of the same section. */
  readonly suggestion?: string;
}

/** The fields of a KubeProxyConfiguration that kube-proxy passes over, in the order in which they stand. */
export function unknownProxyFields(configuration: AnyObject): UnknownField[] {
  return unknownIn(configuration, known, []);
}

function unknownIn(section: object, fields: Fields, path: readonly string[]): UnknownField[] {
  return Object.entries(section).flatMap(([name, value]) => {
    const own = [...path, name];
    if (!Object.hasOwn(fields, name)) {
      const suggestion = nearest(name, Object.keys(fields));
      return [{ path: own, ...(suggestion === undefined ? {} : { suggestion }) }];
    }
    const below = fields[name];
    return below == null || typeof value !== 'object' || value === null ? [] : unknownIn(value, below, own);
  });
}

import type { ClusterConfig } from '@netsim/control';
import {
  type AnyObject,
  type ConfigMap,
  type Finding,
  loadManifests,
  type Node,
  type ObjectStore,
  ORIGIN,
} from '@netsim/manifest';
import {
  conntrackSysctls,
  kindProxyMode,
  ProxyConfigError,
  type ProxyMode,
  type ProxySurroundings,
  proxyConfigOf,
} from '@netsim/proxy';
import { schedulerOf } from './ipvs-rules.ts';

/** What the kube-proxies of a cluster are told. */
export interface ProxySettings {
  readonly configuration: AnyObject | undefined;
  readonly surroundings: ProxySurroundings;
}

const modes = ['iptables', 'nftables', 'ipvs'] as const;

/**
 * The KubeProxyConfiguration of the manifests: the object itself, or kubeadm's ConfigMap kube-system/kube-proxy; the mode also from
 * kind's `kubeProxyMode`. What in it cannot be used is a finding, and kube-proxy's defaults stand in its place.
 */
export function proxyFromObjects(
  store: ObjectStore,
  config: ClusterConfig,
): { settings: ProxySettings; findings: Finding[] } {
  const findings: Finding[] = [];
  const refuse = (error: unknown, object: AnyObject): void => {
    if (!(error instanceof ProxyConfigError)) throw error;
    const origin = object[ORIGIN];
    findings.push({
      severity: 'warning',
      code: 'proxy-config',
      message: error.message,
      suggestion: "kube-proxy's default is used in its place",
      ...(origin === undefined ? {} : { file: origin.file, ...origin.locate(error.path) }),
    });
  };
  const kind = store.list<AnyObject>('Cluster').find(({ apiVersion }) => apiVersion.startsWith('kind.x-k8s.io/'));
  let mode: ProxyMode | 'none' | undefined;
  try {
    mode = kind === undefined ? undefined : kindProxyMode(kind);
  } catch (error) {
    refuse(error, kind!);
  }
  const surroundings: ProxySurroundings = {
    serviceCIDRs: config.serviceCIDRs,
    modes,
    ...(mode === undefined || mode === 'none' ? {} : { mode }),
  };
  const configuration = store.list<AnyObject>('KubeProxyConfiguration')[0] ?? fromConfigMap(store);
  const node = store.list<Node>('Node')[0];
  if (configuration === undefined || node === undefined) return { settings: { configuration, surroundings }, findings };
  try {
    conntrackSysctls(configuration, node);
    for (const family of [4, 6] as const) {
      if (proxyConfigOf(configuration, node, family, config.podCIDRs, surroundings).mode === 'ipvs') {
        schedulerOf(configuration);
      }
    }
    return { settings: { configuration, surroundings }, findings };
  } catch (error) {
    refuse(error, configuration);
    return { settings: { configuration: undefined, surroundings }, findings };
  }
}

function fromConfigMap(store: ObjectStore): AnyObject | undefined {
  const configMap = store.get<ConfigMap>('ConfigMap', 'kube-system', 'kube-proxy');
  const text = configMap?.data?.['config.conf'];
  if (configMap === undefined || text === undefined) return undefined;
  const { objects } = loadManifests([{ file: 'config.conf', text }]);
  const found = objects.find((object) => object.kind === 'KubeProxyConfiguration');
  if (found === undefined) return undefined;
  const origin = configMap[ORIGIN];
  const configuration: AnyObject = { ...found };
  if (origin === undefined) delete configuration[ORIGIN];
  else configuration[ORIGIN] = { file: origin.file, locate: () => origin.locate(['data', 'config.conf']) };
  return configuration;
}

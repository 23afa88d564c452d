import {
  type AnyObject,
  type ConfigMap,
  type Finding,
  loadManifests,
  type Node,
  type ObjectStore,
  ORIGIN,
} from '@netsim/manifest';
import { ProxyConfigError, proxyConfigOf } from '@netsim/proxy';
import { parsePrefix } from '@netsim/wire';

/**
 * The KubeProxyConfiguration of the manifests: the object itself, or kubeadm's ConfigMap kube-system/kube-proxy. What in it cannot
 * be used is a finding, and kube-proxy's defaults stand in its place.
 */
export function proxyFromObjects(store: ObjectStore): { configuration: AnyObject | undefined; findings: Finding[] } {
  const findings: Finding[] = [];
  const configuration = store.list<AnyObject>('KubeProxyConfiguration')[0] ?? fromConfigMap(store);
  const node = store.list<Node>('Node')[0];
  if (configuration === undefined || node === undefined) return { configuration, findings };
  try {
    for (const family of [4, 6] as const) proxyConfigOf(configuration, node, family, [parsePrefix('10.244.0.0/16')]);
    return { configuration, findings };
  } catch (error) {
    if (!(error instanceof ProxyConfigError)) throw error;
    const origin = configuration[ORIGIN];
    findings.push({
      severity: 'warning',
      code: 'proxy-config',
      message: error.message,
      suggestion: "kube-proxy's defaults are used in its place",
      ...(origin === undefined ? {} : { file: origin.file, ...origin.locate(error.path) }),
    });
    return { configuration: undefined, findings };
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

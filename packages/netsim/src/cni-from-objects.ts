import { type CniConfig, CniConfigError, conflistConfig, defaultCniConfig, flannelConfig } from '@netsim/cni';
import { type ConfigMap, type Finding, type ObjectStore, ORIGIN } from '@netsim/manifest';
import type { Prefix } from '@netsim/wire';

/**
 * The CNI plugin that the manifests configure: flannel's ConfigMap (`net-conf.json`), or a ConfigMap with a `.conflist` of the
 * bridge plugin. flannel in VXLAN mode where none does.
 */
export function cniFromObjects(
  store: ObjectStore,
  podCIDRs: readonly Prefix[],
): { config: CniConfig; findings: Finding[] } {
  const findings: Finding[] = [];
  for (const configMap of store.list<ConfigMap>('ConfigMap')) {
    try {
      const config = read(configMap, podCIDRs);
      if (config !== undefined) return { config, findings };
    } catch (error) {
      if (!(error instanceof CniConfigError)) throw error;
      const key = error.field.split(':')[0]!;
      const origin = configMap[ORIGIN];
      const { name, namespace } = configMap.metadata;
      findings.push({
        severity: 'warning',
        code: 'cni-config',
        message: `configmap "${namespace}/${name}": ${error.message}`,
        suggestion: 'flannel in VXLAN mode is used in its place',
        ...(origin === undefined ? {} : { file: origin.file, ...origin.locate(['data', key]) }),
      });
    }
  }
  return { config: defaultCniConfig(podCIDRs), findings };
}

function read(configMap: ConfigMap, podCIDRs: readonly Prefix[]): CniConfig | undefined {
  const flannel = flannelConfig(configMap);
  if (flannel !== undefined) return flannel;
  for (const [key, text] of Object.entries(configMap.data ?? {})) {
    if (key.endsWith('.conflist')) return conflistConfig(text, key, podCIDRs);
  }
  return undefined;
}

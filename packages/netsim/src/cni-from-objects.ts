import { type CniConfig, CniConfigError, conflistConfig, defaultCniConfig, flannelConfig } from '@netsim/cni';
import {
  type ConfigMap,
  type Finding,
  type KubeObject,
  type ObjectStore,
  ORIGIN,
  type PodTemplate,
} from '@netsim/manifest';
import type { Prefix } from '@netsim/wire';
import { findingOf } from './finding.ts';

/** Plugins that are not modelled, by the image of the DaemonSet that puts them on the nodes. */
const OTHER_PLUGINS: readonly (readonly [name: string, image: RegExp])[] = [
  ['Calico', /(^|\/)calico\/node\b/],
  ['Cilium', /(^|\/)cilium\/cilium\b/],
  ['Weave Net', /(^|\/)weave-?kube\b/],
  ['Romana', /(^|\/)romana\/agent\b/],
  ['kube-router', /(^|\/)kube-router\b/],
  ['Antrea', /(^|\/)antrea\b/],
  ['OVN-Kubernetes', /(^|\/)ovn-?kube/],
  ['the AWS VPC CNI', /(^|\/)amazon-k8s-cni\b/],
  ['kindnet', /(^|\/)kindnetd\b/],
];

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
  findings.push(...otherPlugins(store));
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

interface DaemonSet extends KubeObject {
  readonly spec: { readonly template: PodTemplate };
}

/** A plugin that the manifests put on the nodes, and that is not modelled: what stands in for it takes other ways. */
function otherPlugins(store: ObjectStore): Finding[] {
  return store.list<DaemonSet>('DaemonSet').flatMap((daemonSet) => {
    const images = daemonSet.spec.template.spec?.containers.map(({ image = '' }) => image) ?? [];
    const plugin = OTHER_PLUGINS.find(([, pattern]) => images.some((image) => pattern.test(image)));
    if (plugin === undefined) return [];
    const path = ['spec', 'template', 'spec', 'containers'];
    return findingOf(
      daemonSet,
      'cni-not-modelled',
      path,
      `netsim does not model ${plugin[0]}: flannel in VXLAN mode stands in for it`,
      'pods reach each other all the same, on another way; policies are not put in force',
    );
  });
}

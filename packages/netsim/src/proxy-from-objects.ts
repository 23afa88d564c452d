import type { ClusterConfig } from '@netsim/control';
import {
  type AnyObject,
  type ConfigMap,
  type Finding,
  loadManifests,
  type Node,
  type ObjectStore,
  ORIGIN,
  type Path,
} from '@netsim/manifest';
import {
  conntrackSysctls,
  kindProxyMode,
  ProxyConfigError,
  type ProxyMode,
  type ProxySurroundings,
  proxyConfigOf,
  unknownProxyFields,
} from '@netsim/proxy';
import type { Family } from '@netsim/wire';
import { schedulerOf } from './ipvs-rules.ts';

/** What the kube-proxies of a cluster are told. */
export interface ProxySettings {
  readonly configuration: AnyObject | undefined;
  readonly surroundings: ProxySurroundings;
}

const modes = ['iptables', 'nftables', 'ipvs'] as const;

/**
 * The KubeProxyConfiguration of the manifests: the object itself, or kubeadm's ConfigMap kube-system/kube-proxy; the mode also from
 * kind's `kubeProxyMode`. What kube-proxy would not start with is an error, what it passes over a warning; its defaults stand in
 * the place of a configuration that cannot be used.
 */
export function proxyFromObjects(
  store: ObjectStore,
  config: ClusterConfig,
): { settings: ProxySettings; findings: Finding[] } {
  const findings: Finding[] = [];
  const tell = (object: AnyObject, path: Path, finding: Omit<Finding, 'code'>): void => {
    const origin = object[ORIGIN];
    const place = origin === undefined ? {} : { file: origin.file, ...origin.locate(path) };
    findings.push({ ...finding, code: 'proxy-config', ...place });
  };
  /** Runs a check; false where it does not hold. */
  const holds = (object: AnyObject, check: () => unknown): boolean => {
    try {
      check();
      return true;
    } catch (error) {
      if (!(error instanceof ProxyConfigError)) throw error;
      const { message, path, notModelled } = error;
      if (findings.some((finding) => finding.message === message)) return false;
      const suggestion = "kube-proxy's default is used in its place";
      tell(object, path, notModelled ? { severity: 'warning', message, suggestion } : { severity: 'error', message });
      return false;
    }
  };
  const kind = store.list<AnyObject>('Cluster').find(({ apiVersion }) => apiVersion.startsWith('kind.x-k8s.io/'));
  let mode: ProxyMode | 'none' | undefined;
  if (kind !== undefined) {
    holds(kind, () => {
      mode = kindProxyMode(kind);
    });
  }
  const surroundings: ProxySurroundings = {
    serviceCIDRs: config.serviceCIDRs,
    modes,
    ...(mode === undefined || mode === 'none' ? {} : { mode }),
  };
  const configuration = store.list<AnyObject>('KubeProxyConfiguration')[0] ?? fromConfigMap(store);
  const node = store.list<Node>('Node')[0];
  if (configuration === undefined || node === undefined) return { settings: { configuration, surroundings }, findings };
  for (const { path, suggestion } of unknownProxyFields(configuration)) {
    const message = `KubeProxyConfiguration: unknown field "${path.join('.')}", which kube-proxy passes over`;
    const meant = suggestion === undefined ? {} : { suggestion: `did you mean "${suggestion}"?` };
    tell(configuration, path, { severity: 'warning', message, ...meant });
  }
  const settingsOf = (family: Family) => proxyConfigOf(configuration, node, family, config.podCIDRs, surroundings);
  const checks = [
    () => conntrackSysctls(configuration, node),
    () => settingsOf(6),
    () => settingsOf(4).mode === 'ipvs' && schedulerOf(configuration),
  ];
  const usable = checks.map((check) => holds(configuration, check)).every((each) => each);
  return { settings: { configuration: usable ? configuration : undefined, surroundings }, findings };
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

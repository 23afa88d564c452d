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
  addressAt,
  type Family,
  familyOf,
  formatIp,
  type Prefix,
  parsePrefix,
  tryParseIp,
  tryParsePrefix,
} from '@netsim/wire';
import type { ClusterConfig } from '../config.ts';
import { defaultClusterConfig, makeNode } from './default-cluster.ts';

export interface ConfigFromObjects {
  readonly config: ClusterConfig;
  /** The nodes that a kind `Cluster` makes; none without one. */
  readonly nodes: readonly Node[];
  /** What in the configuration cannot be used; the default stands there. */
  readonly findings: readonly Finding[];
}

/**
 * Reads the cluster's configuration from what users have: kind's `Cluster`, kubeadm's `ClusterConfiguration` (as an
 * object or in the ConfigMap kube-system/kubeadm-config). What none of them says stays as {@link defaultClusterConfig}.
 */
export function configFromObjects(store: ObjectStore): ConfigFromObjects {
  const reader = new Reader(defaultClusterConfig());
  const kind = store.list<AnyObject>('Cluster').find(({ apiVersion }) => apiVersion.startsWith('kind.x-k8s.io/'));
  if (kind !== undefined) reader.kind(kind);
  const kubeadm = [...store.list<AnyObject>('ClusterConfiguration'), ...kubeadmConfigMap(store)];
  for (const object of kubeadm) if (object.apiVersion.startsWith('kubeadm.k8s.io/')) reader.kubeadm(object);
  for (const object of store.list<AnyObject>('KubeletConfiguration')) {
    if (object.apiVersion.startsWith('kubelet.config.k8s.io/')) reader.kubelet(object);
  }
  const nodes = kind === undefined ? [] : kindNodes(kind, reader.config);
  return { config: reader.config, nodes, findings: reader.findings };
}

function kubeadmConfigMap(store: ObjectStore): AnyObject[] {
  const map = store.get<ConfigMap>('ConfigMap', 'kube-system', 'kubeadm-config');
  const text = map?.data?.ClusterConfiguration;
  if (map === undefined || text === undefined) return [];
  const { objects } = loadManifests([{ file: 'kubeadm-config', text }]);
  return objects.map((object) => {
    // The document inside the ConfigMap has no lines of its own; the ConfigMap's field stands for it.
    const { [ORIGIN]: _, ...rest } = object;
    const origin = map[ORIGIN];
    if (origin === undefined) return rest;
    const place = { file: origin.file, locate: () => origin.locate(['data', 'ClusterConfiguration']) };
    return { ...rest, [ORIGIN]: place };
  });
}

class Reader {
  config: ClusterConfig;
  readonly findings: Finding[] = [];

  constructor(config: ClusterConfig) {
    this.config = config;
  }

  kind(object: AnyObject): void {
    const networking = record(object.networking);
    const family = networking.ipFamily ?? 'ipv4';
    const defaults = kindDefaults[String(family)] ?? kindDefaults.ipv4!;
    this.config = { ...this.config, podCIDRs: defaults.pods.map(parsePrefix) };
    this.#services(defaults.services.map(parsePrefix));
    this.#networking(object, networking);
  }

  kubelet(object: AnyObject): void {
    const list = Array.isArray(object.clusterDNS) ? object.clusterDNS : [];
    const kubeletDNS = list.flatMap((text) => tryParseIp(String(text)) ?? []);
    if (kubeletDNS.length > 0) this.config = { ...this.config, kubeletDNS };
    const { clusterDomain } = object;
    if (typeof clusterDomain === 'string' && clusterDomain !== '') this.config = { ...this.config, clusterDomain };
  }

  kubeadm(object: AnyObject): void {
    this.#networking(object, record(object.networking));
    const manager = record(object.controllerManager).extraArgs;
    for (const [flag, four, six] of [
      ['node-cidr-mask-size', 4, 6],
      ['node-cidr-mask-size-ipv4', 4, undefined],
      ['node-cidr-mask-size-ipv6', 6, undefined],
    ] as const) {
      const size = Number(argument(manager, flag));
      if (!Number.isInteger(size) || size <= 0) continue;
      const { nodeMaskSize, podCIDRs } = this.config;
      // The flag without a family is for clusters of one family, whichever it is.
      const family = six !== undefined && familyOf(podCIDRs[0]!.address) === 6 ? six : four;
      this.config = { ...this.config, nodeMaskSize: { ...nodeMaskSize, [family]: size } };
    }
    const range = /^([0-9]+)-([0-9]+)$/.exec(
      argument(record(object.apiServer).extraArgs, 'service-node-port-range') ?? '',
    );
    if (range !== null) {
      this.config = { ...this.config, nodePortRange: { from: Number(range[1]), to: Number(range[2]) } };
    }
  }

  #networking(object: AnyObject, networking: Record<string, unknown>): void {
    const pods = this.#prefixes(object, networking, 'podSubnet');
    if (pods !== undefined) this.config = { ...this.config, podCIDRs: pods };
    const services = this.#prefixes(object, networking, 'serviceSubnet');
    if (services !== undefined) this.#services(services);
    const { dnsDomain } = networking;
    if (typeof dnsDomain === 'string' && dnsDomain !== '') this.config = { ...this.config, clusterDomain: dnsDomain };
  }

  /** The cluster's DNS service has the tenth address of the service CIDR, as kubeadm decides. */
  #services(serviceCIDRs: readonly Prefix[]): void {
    const clusterDNS = serviceCIDRs.slice(0, 1).map((prefix) => addressAt(prefix, 10));
    this.config = { ...this.config, serviceCIDRs, clusterDNS };
  }

  #prefixes(object: AnyObject, networking: Record<string, unknown>, field: string): Prefix[] | undefined {
    const text = networking[field];
    if (text === undefined || text === null || text === '') return undefined;
    const parts = typeof text === 'string' ? text.split(',').map((part) => part.trim()) : [];
    const prefixes = parts.map((part) => (part.includes('/') ? tryParsePrefix(part) : undefined));
    const found = prefixes.filter((prefix) => prefix !== undefined);
    const families = new Set(found.map(({ address }) => familyOf(address)));
    if (found.length > 0 && found.length === parts.length && families.size === found.length) return found;
    const path: Path = ['networking', field];
    const { kind, metadata } = object;
    this.findings.push({
      severity: 'error',
      code: 'invalid-cidr',
      message: `${kind}: networking.${field} ${JSON.stringify(text)} is not one CIDR, or one of each family`,
      path,
      object: { kind, name: metadata?.name ?? '' },
      ...(object[ORIGIN] === undefined ? {} : { file: object[ORIGIN].file, ...object[ORIGIN].locate(path) }),
    });
    return undefined;
  }
}

const kindDefaults: Readonly<Record<string, { pods: string[]; services: string[] }>> = {
  ipv4: { pods: ['10.244.0.0/16'], services: ['10.96.0.0/16'] },
  ipv6: { pods: ['fd00:10:244::/56'], services: ['fd00:10:96::/112'] },
  dual: { pods: ['10.244.0.0/16', 'fd00:10:244::/56'], services: ['10.96.0.0/16', 'fd00:10:96::/112'] },
};

/** The docker network that kind puts its nodes on, from the second address. */
const kindNetwork: Readonly<Record<Family, Prefix>> = {
  4: parsePrefix('172.18.0.0/16'),
  6: parsePrefix('fc00:f853:ccd:e793::/64'),
};

function kindNodes(object: AnyObject, config: ClusterConfig): Node[] {
  const given = Array.isArray(object.nodes) ? object.nodes.map(record) : [];
  const roles = given.length === 0 ? [{ role: 'control-plane' }] : given;
  const name = typeof object.name === 'string' && object.name !== '' ? object.name : 'kind';
  const counts = new Map<string, number>();
  const families = config.podCIDRs.map(({ address }) => familyOf(address));
  const alone = roles.length === 1;
  return roles.map((node, i) => {
    const role = node.role === 'worker' ? 'worker' : 'control-plane';
    const count = (counts.get(role) ?? 0) + 1;
    counts.set(role, count);
    const addresses = families.map((family) => formatIp(addressAt(kindNetwork[family], 2 + i)));
    const made = makeNode(`${name}-${role}${count === 1 ? '' : count}`, addresses, role);
    const labels: Record<string, string> = { ...made.metadata.labels };
    for (const [key, value] of Object.entries(record(node.labels))) labels[key] = String(value);
    // kind takes the taint off the only node, or nothing could run.
    const spec = alone ? {} : made.spec;
    return { ...made, metadata: { ...made.metadata, labels }, ...(spec === undefined ? {} : { spec }) };
  });
}

/** An argument of kubeadm's extraArgs: a map before v1beta4, a list of names and values since. */
function argument(args: unknown, name: string): string | undefined {
  const value = Array.isArray(args) ? args.map(record).find((each) => each.name === name)?.value : record(args)[name];
  return value === undefined ? undefined : String(value);
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

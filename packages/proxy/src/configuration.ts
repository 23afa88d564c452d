import type { AnyObject, Node } from '@netsim/manifest';
import type { Family, Ip, Prefix } from '@netsim/wire';
import { familyOf, parseIp, parsePrefix, prefixContains, tryParseIp, tryParsePrefix } from '@netsim/wire';
import type { LocalDetector, NodeProxyConfig } from './config.ts';
import { nodeProxyConfig } from './config.ts';

/** Thrown where a KubeProxyConfiguration cannot be used; `path` is the field. */
export class ProxyConfigError extends Error {
  override readonly name = 'ProxyConfigError';
  readonly path: readonly string[];
  constructor(path: readonly string[], message: string) {
    super(`KubeProxyConfiguration: ${path.join('.')}: ${message}`);
    this.path = path;
  }
}

const LOOPBACK = parsePrefix('127.0.0.0/8');
const localhost: Record<Family, Ip> = { 4: parseIp('127.0.0.1'), 6: parseIp('::1') };

/**
 * What the kube-proxy of a node does with a `KubeProxyConfiguration` (kubeproxy.config.k8s.io/v1alpha1). What it leaves out
 * is kube-proxy's default; for `clusterCIDR` the pod network that kubeadm would have filled in may be given.
 */
export function proxyConfigOf(
  configuration: AnyObject | undefined,
  node: Node,
  family: Family,
  podNetworks: readonly Prefix[] = [],
): NodeProxyConfig {
  const read = new Reader(configuration ?? {});
  const mode = read.text('mode') ?? '';
  if (mode !== '' && mode !== 'iptables') {
    throw new ProxyConfigError(['mode'], `${JSON.stringify(mode)} is not modelled; iptables is`);
  }
  const addresses = (node.status?.addresses ?? [])
    .filter((entry) => entry.type === 'InternalIP')
    .map((entry) => tryParseIp(entry.address))
    .filter((ip) => ip !== undefined);
  const nodeIP = addresses.find((ip) => familyOf(ip) === family);
  const zone = node.metadata.labels?.['topology.kubernetes.io/zone'];
  const nodePortAddresses = read.texts('nodePortAddresses').map((text) => {
    const prefix = tryParsePrefix(text);
    if (prefix === undefined)
      throw new ProxyConfigError(['nodePortAddresses'], `${JSON.stringify(text)} is not a CIDR`);
    return prefix;
  });
  const ours = nodePortAddresses.filter((prefix) => familyOf(prefix.address) === family);
  const loopbackToo =
    ours.length === 0 || ours.some((prefix) => prefix.length === 0 || prefixContains(LOOPBACK, prefix.address));
  const bit = read.number('iptables', 'masqueradeBit') ?? 14;
  if (bit < 0 || bit > 31)
    throw new ProxyConfigError(['iptables', 'masqueradeBit'], 'must be within the range [0, 31]');
  return nodeProxyConfig({
    family,
    nodeName: read.text('hostnameOverride') ?? node.metadata.name,
    nodeAddresses: [...addresses, localhost[family]],
    ...(nodeIP !== undefined && { nodeIP }),
    ...(zone !== undefined && { zone }),
    masqueradeAll: read.boolean('iptables', 'masqueradeAll') ?? false,
    masqueradeBit: bit,
    localhostNodePorts: family === 4 && loopbackToo && (read.boolean('iptables', 'localhostNodePorts') ?? true),
    nodePortAddresses,
    conntrackTCPLiberal: read.boolean('conntrack', 'tcpBeLiberal') ?? false,
    detectLocal: detectorOf(read, node, family, podNetworks),
  });
}

function detectorOf(read: Reader, node: Node, family: Family, podNetworks: readonly Prefix[]): LocalDetector {
  const mode = read.text('detectLocalMode') ?? 'ClusterCIDR';
  switch (mode) {
    case 'ClusterCIDR': {
      const text = read.text('clusterCIDR');
      const blocks = text === undefined ? podNetworks : text.split(',').map((part) => parseBlock(part.trim()));
      const prefix = blocks.find((block) => familyOf(block.address) === family);
      return prefix === undefined ? { kind: 'none' } : { kind: 'cidr', prefix };
    }
    case 'NodeCIDR': {
      const texts = node.spec?.podCIDRs ?? (node.spec?.podCIDR === undefined ? [] : [node.spec.podCIDR]);
      const prefix = texts
        .map(tryParsePrefix)
        .find((block) => block !== undefined && familyOf(block.address) === family);
      return prefix === undefined ? { kind: 'none' } : { kind: 'cidr', prefix };
    }
    case 'BridgeInterface': {
      const name = read.text('detectLocal', 'bridgeInterface');
      if (name === undefined) throw new ProxyConfigError(['detectLocal', 'bridgeInterface'], 'is needed by this mode');
      return { kind: 'interface', name };
    }
    case 'InterfaceNamePrefix': {
      const prefix = read.text('detectLocal', 'interfaceNamePrefix');
      if (prefix === undefined)
        throw new ProxyConfigError(['detectLocal', 'interfaceNamePrefix'], 'is needed by this mode');
      return { kind: 'interface', name: `${prefix}+` };
    }
    default:
      throw new ProxyConfigError(
        ['detectLocalMode'],
        `${JSON.stringify(mode)} is none of ClusterCIDR, NodeCIDR, BridgeInterface, InterfaceNamePrefix`,
      );
  }
}

function parseBlock(text: string): Prefix {
  const prefix = tryParsePrefix(text);
  if (prefix === undefined) throw new ProxyConfigError(['clusterCIDR'], `${JSON.stringify(text)} is not a CIDR`);
  return prefix;
}

/** What kube-proxy sets in its node: without it the kernel drops what goes from 127.0.0.1 to another machine. */
export function proxySysctls(config: Pick<NodeProxyConfig, 'family' | 'localhostNodePorts'>): Record<string, number> {
  return config.family === 4 && config.localhostNodePorts ? { 'net.ipv4.conf.all.route_localnet': 1 } : {};
}

/** Fields of an object that was not checked: absent and null are one, a wrong type is an error. */
class Reader {
  readonly #object: Readonly<Record<string, unknown>>;
  constructor(object: Readonly<Record<string, unknown>>) {
    this.#object = object;
  }

  text(...path: string[]): string | undefined {
    const value = this.#at(path);
    if (value === undefined || value === '') return undefined;
    if (typeof value !== 'string') throw new ProxyConfigError(path, 'is not a text');
    return value;
  }

  number(...path: string[]): number | undefined {
    const value = this.#at(path);
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !Number.isInteger(value))
      throw new ProxyConfigError(path, 'is not a whole number');
    return value;
  }

  boolean(...path: string[]): boolean | undefined {
    const value = this.#at(path);
    if (value === undefined) return undefined;
    if (typeof value !== 'boolean') throw new ProxyConfigError(path, 'is not true or false');
    return value;
  }

  texts(...path: string[]): string[] {
    const value = this.#at(path);
    if (value === undefined) return [];
    if (!Array.isArray(value) || !value.every((entry) => typeof entry === 'string')) {
      throw new ProxyConfigError(path, 'is not a list of texts');
    }
    return value;
  }

  #at(path: readonly string[]): unknown {
    let value: unknown = this.#object;
    for (const [depth, field] of path.entries()) {
      if (value === undefined || value === null) return undefined;
      if (typeof value !== 'object') throw new ProxyConfigError(path.slice(0, depth), 'is not an object');
      value = (value as Readonly<Record<string, unknown>>)[field];
    }
    return value ?? undefined;
  }
}

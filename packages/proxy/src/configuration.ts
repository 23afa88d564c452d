import { type AnyObject, type Node, type Path, quantityValue } from '@netsim/manifest';
import type { Family, Ip, Prefix } from '@netsim/wire';
import {
  familyBits,
  familyOf,
  parseIp,
  parsePrefix,
  prefixContains,
  prefixOf,
  tryParseIp,
  tryParsePrefix,
} from '@netsim/wire';
import type { LocalDetector, NodeProxyConfig, ProxyMode } from './config.ts';
import { nodeProxyConfig } from './config.ts';

/**
 * Thrown where a KubeProxyConfiguration (or kind's Cluster) cannot be used; `path` is the field. With it kube-proxy would not
 * start, unless it is `notModelled`.
 */
export class ProxyConfigError extends Error {
  override readonly name = 'ProxyConfigError';
  readonly path: Path;
  readonly notModelled: boolean;
  constructor(path: Path, message: string, { kind = 'KubeProxyConfiguration', notModelled = false } = {}) {
    const field = path
      .map((part, at) => (typeof part === 'number' ? `[${part}]` : at === 0 ? part : `.${part}`))
      .join('');
    super(`${kind}: ${field}: ${message}`);
    this.path = path;
    this.notModelled = notModelled;
  }
}

const LOOPBACK = parsePrefix('127.0.0.0/8');
const localhost: Record<Family, Ip> = { 4: parseIp('127.0.0.1'), 6: parseIp('::1') };

/** What a kube-proxy is told by others than its configuration. */
export interface ProxySurroundings {
  /** Where cluster IPs come from. */
  readonly serviceCIDRs?: readonly Prefix[];
  readonly kubernetesVersion?: string;
  /** Mode where the configuration has none, as kind's `kubeProxyMode` decides. */
  readonly mode?: ProxyMode;
  /** Modes that the caller can carry out; others are refused. */
  readonly modes?: readonly ProxyMode[];
}

const allModes: readonly ProxyMode[] = ['iptables', 'nftables', 'ipvs'];

/**
 * What the kube-proxy of a node does with a `KubeProxyConfiguration` (kubeproxy.config.k8s.io/v1alpha1). What it leaves out
 * is kube-proxy's default; for `clusterCIDR` the pod network that kubeadm would have filled in may be given.
 *
 * @throws ProxyConfigError for what kube-proxy would refuse, and for a mode that the caller does not have
 */
export function proxyConfigOf(
  configuration: AnyObject | undefined,
  node: Node,
  family: Family,
  podNetworks: readonly Prefix[] = [],
  surroundings: ProxySurroundings = {},
): NodeProxyConfig {
  const read = new Reader(configuration ?? {});
  const written = read.text('mode');
  const mode = written === undefined ? (surroundings.mode ?? 'iptables') : checkedMode(written, ['mode']);
  const modes = surroundings.modes ?? ['iptables'];
  if (!modes.includes(mode)) {
    const message = `${JSON.stringify(mode)} is not modelled; ${modes.join(' and ')} is`;
    throw new ProxyConfigError(['mode'], message, { notModelled: true });
  }
  // IPVS mode takes its marks from the section for iptables too.
  const section = mode === 'nftables' ? 'nftables' : 'iptables';
  const addresses = (node.status?.addresses ?? [])
    .filter((entry) => entry.type === 'InternalIP')
    .map((entry) => tryParseIp(entry.address))
    .filter((ip) => ip !== undefined);
  const nodeIP = addresses.find((ip) => familyOf(ip) === family);
  const zone = node.metadata.labels?.['topology.kubernetes.io/zone'];
  const nodePortAddresses = nodePortBlocks(read.texts('nodePortAddresses'), mode, addresses);
  const ours = nodePortAddresses.filter((prefix) => familyOf(prefix.address) === family);
  const loopbackToo =
    ours.length === 0 || ours.some((prefix) => prefix.length === 0 || prefixContains(LOOPBACK, prefix.address));
  const bit = read.number(section, 'masqueradeBit') ?? 14;
  if (bit < 0 || bit > 31) throw new ProxyConfigError([section, 'masqueradeBit'], 'must be within the range [0, 31]');
  const { kubernetesVersion } = surroundings;
  return nodeProxyConfig({
    mode,
    ...(kubernetesVersion !== undefined && { kubernetesVersion }),
    family,
    serviceCIDRs: surroundings.serviceCIDRs ?? [],
    nodeName: read.text('hostnameOverride') ?? node.metadata.name,
    nodeAddresses: [...addresses, localhost[family]],
    ...(nodeIP !== undefined && { nodeIP }),
    ...(zone !== undefined && { zone }),
    masqueradeAll: read.boolean(section, 'masqueradeAll') ?? false,
    masqueradeBit: bit,
    localhostNodePorts:
      mode === 'iptables' && family === 4 && loopbackToo && (read.boolean('iptables', 'localhostNodePorts') ?? true),
    nodePortAddresses,
    conntrackTCPLiberal: read.boolean('conntrack', 'tcpBeLiberal') ?? false,
    detectLocal: detectorOf(read, node, family, podNetworks),
  });
}

function checkedMode(text: string, path: readonly string[], kind = 'KubeProxyConfiguration'): ProxyMode {
  const mode = allModes.find((name) => name === text);
  if (mode !== undefined) return mode;
  if (text === 'userspace') {
    const instead = 'iptables (the default) does the same in the kernel, and nftables is what follows it';
    throw new ProxyConfigError(
      path,
      `"userspace" is no mode of kube-proxy any more since Kubernetes 1.26; ${instead}`,
      { kind },
    );
  }
  throw new ProxyConfigError(path, `${JSON.stringify(text)} is none of ${allModes.join(', ')}`, { kind });
}

/**
 * What kind's `Cluster` says of kube-proxy: `none` is a cluster without one, undefined a Cluster that leaves it to kind.
 *
 * @throws ProxyConfigError for a mode that kind does not know
 */
export function kindProxyMode(cluster: AnyObject): ProxyMode | 'none' | undefined {
  const text = new Reader(cluster).text('networking', 'kubeProxyMode');
  if (text === undefined || text === 'none') return text;
  return checkedMode(text, ['networking', 'kubeProxyMode'], 'Cluster');
}

/** Blocks of addresses that take NodePort traffic. `primary` is the node's own addresses, and in nftables mode the default. */
function nodePortBlocks(texts: readonly string[], mode: ProxyMode, addresses: readonly Ip[]): Prefix[] {
  const [only] = texts;
  if ((only === undefined && mode === 'nftables') || (texts.length === 1 && only === 'primary')) {
    return addresses.map((ip) => prefixOf(ip, familyBits(familyOf(ip))));
  }
  return texts.map((text, index) => {
    const path = ['nodePortAddresses', index];
    if (text === 'primary') throw new ProxyConfigError(path, '"primary" stands alone, without CIDRs beside it');
    return cidr(text, path);
  });
}

function cidr(text: string, path: Path): Prefix {
  const prefix = text.includes('/') ? tryParsePrefix(text) : undefined;
  if (prefix !== undefined) return prefix;
  throw new ProxyConfigError(path, `${JSON.stringify(text)} is not a CIDR (e.g. 10.9.8.0/24 or 2001:db8::/64)`);
}

function detectorOf(read: Reader, node: Node, family: Family, podNetworks: readonly Prefix[]): LocalDetector {
  const mode = read.text('detectLocalMode') ?? 'ClusterCIDR';
  switch (mode) {
    case 'ClusterCIDR': {
      const text = read.text('clusterCIDR');
      const blocks =
        text === undefined ? podNetworks : text.split(',').map((part) => cidr(part.trim(), ['clusterCIDR']));
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

/** The section `ipvs` of a KubeProxyConfiguration. */
export interface IpvsConfig {
  readonly scheduler: string;
  /** The node answers ARP for an address only on the device that has it; load balancers in layer 2 need that. */
  readonly strictARP: boolean;
  /** Virtual servers within these are not kube-proxy's, and it leaves them alone. */
  readonly excludeCIDRs: readonly Prefix[];
  /** Seconds without a packet after which a connection is forgotten; 0: as the kernel has it. */
  readonly timeouts: { readonly tcp: number; readonly tcpFin: number; readonly udp: number };
}

/** @throws ProxyConfigError for what kube-proxy would refuse */
export function ipvsConfigOf(configuration: AnyObject | undefined): IpvsConfig {
  const read = new Reader(configuration ?? {});
  return {
    scheduler: read.text('ipvs', 'scheduler') ?? 'rr',
    strictARP: read.boolean('ipvs', 'strictARP') ?? false,
    excludeCIDRs: read.texts('ipvs', 'excludeCIDRs').map((text, index) => cidr(text, ['ipvs', 'excludeCIDRs', index])),
    timeouts: {
      tcp: wholeSeconds(read, 'ipvs', 'tcpTimeout') ?? 0,
      tcpFin: wholeSeconds(read, 'ipvs', 'tcpFinTimeout') ?? 0,
      udp: wholeSeconds(read, 'ipvs', 'udpTimeout') ?? 0,
    },
  };
}

/** Cores of a node that does not tell how many it has: with kube-proxy's defaults, any number up to four makes no difference. */
const DEFAULT_CORES = 1;

/**
 * The sysctls of connection tracking that kube-proxy sets when it starts, in every mode (section `conntrack`). Source: setupConntrack
 * of cmd/kube-proxy/app/server_linux.go.
 *
 * @throws ProxyConfigError for what kube-proxy would refuse
 */
export function conntrackSysctls(configuration: AnyObject | undefined, node: Node): Record<string, number> {
  const read = new Reader(configuration ?? {});
  const maxPerCore = notNegative(read, 'maxPerCore') ?? 32 * 1024;
  const min = notNegative(read, 'min') ?? 128 * 1024;
  const cores = Math.ceil(quantityValue(String(node.status?.capacity?.cpu ?? DEFAULT_CORES)) ?? DEFAULT_CORES);
  const timeout = (field: string, standard: number): number => wholeSeconds(read, 'conntrack', field) ?? standard;
  const values = {
    max: maxPerCore === 0 ? 0 : conntrackMax(maxPerCore * cores, min),
    tcp_timeout_established: timeout('tcpEstablishedTimeout', 24 * 3600),
    tcp_timeout_close_wait: timeout('tcpCloseWaitTimeout', 3600),
    tcp_be_liberal: read.boolean('conntrack', 'tcpBeLiberal') === true ? 1 : 0,
    udp_timeout: timeout('udpTimeout', 0),
    udp_timeout_stream: timeout('udpStreamTimeout', 0),
  };
  // What is 0 is left as the kernel has it.
  const set = Object.entries(values).filter(([, value]) => value > 0);
  return Object.fromEntries(set.map(([name, value]) => [`net.netfilter.nf_conntrack_${name}`, value]));
}

/** What kube-proxy 1.36 scales to the cores and finds above this is cut to it, whatever `min` says. */
const MOST_CONNECTIONS = 1_048_576;

function conntrackMax(scaled: number, min: number): number {
  return scaled > MOST_CONNECTIONS ? MOST_CONNECTIONS : Math.max(min, scaled);
}

function notNegative(read: Reader, field: string): number | undefined {
  const value = read.number('conntrack', field);
  if (value === undefined || value >= 0) return value;
  throw new ProxyConfigError(['conntrack', field], 'must be greater than or equal to 0');
}

/** A duration of Go (`15m0s`), in whole seconds as kube-proxy hands it to the kernel. */
function wholeSeconds(read: Reader, section: string, field: string): number | undefined {
  const text = read.text(section, field);
  if (text === undefined) return undefined;
  const parts = /^(?:0|(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)(?:\.\d+)?s)?)$/.exec(text);
  if (parts === null) {
    throw new ProxyConfigError([section, field], `${JSON.stringify(text)} is no duration such as 900s or 15m0s`);
  }
  const [, hours = 0, minutes = 0, seconds = 0] = parts;
  return Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
}

/** What kube-proxy in IPVS mode sets in its node. */
export function ipvsSysctls({ strictARP }: Pick<IpvsConfig, 'strictARP'>): Record<string, number> {
  return {
    'net.ipv4.vs.conntrack': 1,
    'net.ipv4.vs.expire_nodest_conn': 1,
    'net.ipv4.vs.expire_quiescent_template': 1,
    'net.ipv4.ip_forward': 1,
    ...(strictARP && { 'net.ipv4.conf.all.arp_ignore': 1, 'net.ipv4.conf.all.arp_announce': 2 }),
  };
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

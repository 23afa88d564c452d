import type { Finding, Pod } from '@netsim/manifest';
import { formatIp, tryParseIp } from '@netsim/wire';
import { podFinding } from './pod-finding.ts';

/** What the kubelet of a pod's node is configured with. */
export interface KubeletDns {
  /** `clusterDNS`. Empty: pods fall back to the node's own file. */
  readonly clusterDNS: readonly string[];
  /** `clusterDomain`; `cluster.local` in almost every cluster. */
  readonly clusterDomain: string;
  /** Text of the file that `resolvConf` of the kubelet names; undefined where that setting is empty. */
  readonly nodeResolvConf?: string;
  /** Addresses of the node, for its families. */
  readonly nodeIPs?: readonly string[];
}

/** `/etc/resolv.conf` of a pod. */
export interface PodResolvConf {
  readonly text: string;
  readonly nameservers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
  readonly findings: readonly Finding[];
}

const MAX_NAMESERVERS = 3;
const MAX_SEARCHES = 32;
const MAX_SEARCH_CHARACTERS = 2048;
const MAX_SEARCH_LENGTH = 253;

interface DnsConfig {
  nameservers: readonly string[];
  searches: readonly string[];
  options: readonly string[];
}

/**
 * The file as the kubelet decides it (`pkg/kubelet/network/dns/dns.go` of 1.36) and containerd writes it. Limits cut the
 * lists and are told as findings, with the words of the kubelet's event.
 *
 * Options of `dnsConfig` are merged through a Go map there, so their order changes from pod to pod; here they keep the
 * order of writing.
 */
export function resolvConf(pod: Pod, kubelet: KubeletDns): PodResolvConf {
  const findings: Finding[] = [];
  const base = baseConfig(pod, kubelet, findings);
  const merged = pod.spec.dnsConfig === undefined ? base : append(base, pod.spec.dnsConfig);
  const nameservers = fitNameservers(merged.nameservers, pod, findings);
  const searches = fitSearches(merged.searches, pod, findings);
  const { options } = merged;
  let text = '';
  if (searches.length > 0) text += `search ${searches.join(' ')}\n`;
  for (const nameserver of nameservers) text += `nameserver ${nameserver}\n`;
  if (options.length > 0) text += `options ${options.join(' ')}\n`;
  // With nothing to write, containerd copies the node's file.
  if (text === '') text = kubelet.nodeResolvConf ?? '';
  return { text, nameservers, searches, options, findings };
}

/** What the policy alone gives. A policy that does not exist counts as ClusterFirst. */
function baseConfig(pod: Pod, kubelet: KubeletDns, findings: Finding[]): DnsConfig {
  const policy = pod.spec.dnsPolicy ?? 'ClusterFirst';
  if (policy === 'None') return { nameservers: [], searches: [], options: [] };
  const host = kubelet.nodeResolvConf === undefined ? undefined : parseNodeResolvConf(kubelet.nodeResolvConf);
  if (policy !== 'Default' && !(policy === 'ClusterFirst' && pod.spec.hostNetwork === true)) {
    if (kubelet.clusterDNS.length > 0) {
      return {
        nameservers: kubelet.clusterDNS.map(canonicalAddress),
        searches: clusterSearches(pod, kubelet.clusterDomain, host?.searches ?? []),
        options: ['ndots:5'],
      };
    }
    findings.push(
      podFinding(
        pod,
        'warning',
        'missing-cluster-dns',
        'kubelet does not have ClusterDNS IP configured and cannot create Pod using "ClusterFirst" policy. Falling back to "Default" policy.',
        ['spec', 'dnsPolicy'],
      ),
    );
  }
  if (host !== undefined) return host;
  const loopbacks = (kubelet.nodeIPs ?? []).map((ip) => (ip.includes(':') ? '::1' : '127.0.0.1'));
  return { nameservers: loopbacks.length === 0 ? ['127.0.0.1'] : loopbacks, searches: ['.'], options: [] };
}

function clusterSearches(pod: Pod, domain: string, host: readonly string[]): readonly string[] {
  if (domain === '') return host;
  return distinct([`${pod.metadata.namespace ?? 'default'}.svc.${domain}`, `svc.${domain}`, domain, ...host]);
}

/** As the kubelet reads the node's file: other rules than a libc's. The last `search` and the last `options` win. */
function parseNodeResolvConf(text: string): DnsConfig {
  const nameservers: string[] = [];
  let searches: string[] = [];
  let options: string[] = [];
  for (const line of text.split('\n')) {
    const [keyword, ...rest] = line.trim().split(/\s+/);
    if (keyword === undefined || keyword.startsWith('#')) continue;
    if (keyword === 'nameserver' && rest[0] !== undefined) nameservers.push(rest[0]);
    else if (keyword === 'search')
      searches = rest.map((domain) => (domain.endsWith('.') ? domain.slice(0, -1) : domain));
    else if (keyword === 'options') options = rest;
  }
  return { nameservers, searches, options };
}

function append(base: DnsConfig, config: NonNullable<Pod['spec']['dnsConfig']>): DnsConfig {
  const options = new Map<string, string>();
  for (const option of base.options) {
    const colon = option.indexOf(':');
    if (colon < 0) options.set(option, '');
    else options.set(option.slice(0, colon), option.slice(colon + 1));
  }
  for (const { name, value } of config.options ?? []) options.set(name, value ?? '');
  return {
    nameservers: distinct([...base.nameservers, ...(config.nameservers ?? [])]),
    searches: distinct([...base.searches, ...(config.searches ?? [])]),
    options: [...options].map(([name, value]) => (value === '' ? name : `${name}:${value}`)),
  };
}

function fitNameservers(nameservers: readonly string[], pod: Pod, findings: Finding[]): readonly string[] {
  if (nameservers.length <= MAX_NAMESERVERS) return nameservers;
  const kept = nameservers.slice(0, MAX_NAMESERVERS);
  findings.push(
    podFinding(
      pod,
      'warning',
      'dns-nameserver-limit',
      `Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: ${kept.join(' ')}`,
      ['spec', 'dnsConfig', 'nameservers'],
    ),
  );
  return kept;
}

function fitSearches(searches: readonly string[], pod: Pod, findings: Finding[]): readonly string[] {
  const kept = searches.slice(0, MAX_SEARCHES).filter((domain) => domain.length <= MAX_SEARCH_LENGTH);
  while (kept.join(' ').length > MAX_SEARCH_CHARACTERS) kept.pop();
  if (kept.length < searches.length) {
    findings.push(
      podFinding(
        pod,
        'warning',
        'dns-search-limit',
        `Search Line limits were exceeded, some search paths have been omitted, the applied search line is: ${kept.join(' ')}`,
        ['spec', 'dnsConfig', 'searches'],
      ),
    );
  }
  return kept;
}

function canonicalAddress(text: string): string {
  const ip = tryParseIp(text);
  return ip === undefined ? text : formatIp(ip);
}

function distinct(words: readonly string[]): string[] {
  return [...new Set(words)];
}

import type { NftBase, NftChain, NftDataType, NftHook } from '@netsim/kernel';
import type { Family, Ip } from '@netsim/wire';
import { familyOf, formatIp, parseIp, parsePrefix, prefixContains } from '@netsim/wire';
import type { NodeProxyConfig } from '../config.ts';
import { matchesAllAddresses } from '../node-port-addresses.ts';
import type { ElementSet } from './elements.ts';
import { nftForm } from './form.ts';
import { MARK_CHAIN, REJECT_CHAIN } from './names.ts';
import type { RulePart } from './rule-parts.ts';
import {
  among,
  clearMark,
  ctStateNew,
  ctStatusDnat,
  drop,
  fibLocal,
  from,
  fromLocal,
  hairpin,
  inSet,
  jump,
  type MasqueradeMark,
  marked,
  masquerade,
  nodePortVmap,
  ProxyRule,
  reject,
  returns,
  serviceVmap,
  setMark,
} from './rule-parts.ts';

const PROXY = 'kube-proxy';
export const TABLE_COMMENT = 'rules for kube-proxy';
const LOOPBACK4 = parsePrefix('127.0.0.0/8');
const LOOPBACK6 = parseIp('::1');

/** An address in nodeport-ips. */
export interface FixedElement {
  readonly key: readonly [Ip];
  readonly text: string;
}

/** A set or map that every kube-proxy has. */
export interface FixedSet {
  readonly name: ElementSet | 'hairpin-connections' | 'nodeport-ips';
  readonly type: readonly NftDataType[];
  readonly data?: 'verdict';
  readonly comment: string;
  /** Elements that do not come from services. */
  readonly elements: readonly FixedElement[];
}

/** What every kube-proxy's table has, before there is any service; all in the order in which kube-proxy makes it. */
export interface FixedTable {
  readonly sets: readonly FixedSet[];
  readonly chains: readonly NftChain[];
}

export function setTypes(family: Family): Readonly<Record<FixedSet['name'], readonly NftDataType[]>> {
  const address: NftDataType = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
  const service: readonly NftDataType[] = [address, 'inet_proto', 'inet_service'];
  const nodePort: readonly NftDataType[] = ['inet_proto', 'inet_service'];
  return {
    'hairpin-connections': [address, address, 'inet_proto', 'inet_service'],
    'cluster-ips': [address],
    'nodeport-ips': [address],
    'no-endpoint-services': service,
    'no-endpoint-nodeports': nodePort,
    'firewall-ips': service,
    'service-ips': service,
    'service-nodeports': nodePort,
  };
}

export function fixedTable(config: NodeProxyConfig): FixedTable {
  return { sets: fixedSets(config), chains: fixedChains(config) };
}

function fixedSets(config: NodeProxyConfig): FixedSet[] {
  const types = setTypes(config.family);
  const set = (name: FixedSet['name'], comment: string, elements: readonly FixedElement[] = []): FixedSet => ({
    name,
    type: types[name],
    comment,
    elements,
  });
  const map = (name: FixedSet['name'], comment: string): FixedSet => ({ ...set(name, comment), data: 'verdict' });
  const addresses = nodePortIps(config);
  return [
    ...(nftForm(config.kubernetesVersion).masquerade === 'at entry'
      ? [set('hairpin-connections', 'service hairpin connections')]
      : []),
    set('cluster-ips', 'Active ClusterIPs'),
    ...(addresses === undefined
      ? []
      : [
          set(
            'nodeport-ips',
            'IPs that accept NodePort traffic',
            addresses.map((ip) => ({ key: [ip], text: formatIp(ip) })),
          ),
        ]),
    map('no-endpoint-services', 'vmap to drop or reject packets to services with no endpoints'),
    map('no-endpoint-nodeports', 'vmap to drop or reject packets to service nodeports with no endpoints'),
    map('firewall-ips', 'destinations that are subject to LoadBalancerSourceRanges'),
    map('service-ips', 'ClusterIP, ExternalIP and LoadBalancer IP traffic'),
    map('service-nodeports', 'NodePort traffic'),
  ];
}

/** Addresses that take NodePort traffic; undefined: every local one. Never loopback, in this mode. */
export function nodePortIps(config: NodeProxyConfig): Ip[] | undefined {
  if (matchesAllAddresses(config)) return undefined;
  const { family, nodeAddresses, nodePortAddresses } = config;
  const loopback = (ip: Ip) => (typeof ip === 'number' ? prefixContains(LOOPBACK4, ip) : ip === LOOPBACK6);
  return nodeAddresses.filter(
    (ip, i) =>
      familyOf(ip) === family &&
      !loopback(ip) &&
      nodePortAddresses.some((prefix) => prefixContains(prefix, ip)) &&
      nodeAddresses.indexOf(ip) === i,
  );
}

/** kube-proxy's mark; written with eight digits. */
export function masqueradeMark({ masqueradeBit }: Pick<NodeProxyConfig, 'masqueradeBit'>): MasqueradeMark {
  const value = (1 << masqueradeBit) >>> 0;
  return { value, text: `0x${value.toString(16).padStart(8, '0')}` };
}

function rule(parts: readonly RulePart[], comment?: string): ProxyRule {
  return new ProxyRule(parts, PROXY, comment);
}

function base(
  name: string,
  type: NftBase['type'],
  hook: NftHook,
  priority: number,
  chains: readonly string[],
): NftChain {
  const onlyNew = type === 'filter' ? [ctStateNew] : [];
  const rules = chains.map((chain) => rule([...onlyNew, jump(chain)]));
  return { name, base: { type, hook, priority, policy: 'accept' }, rules };
}

function baseChains(config: NodeProxyConfig): NftChain[] {
  const nat = [
    base('nat-prerouting', 'nat', 'prerouting', -100, ['services']),
    base('nat-output', 'nat', 'output', -100, ['services']),
    base('nat-postrouting', 'nat', 'postrouting', 100, ['masquerading']),
  ];
  const input = ['nodeport-endpoints-check', 'service-endpoints-check'];
  const forward = ['service-endpoints-check', 'cluster-ips-check'];
  if (nftForm(config.kubernetesVersion).filter === 'before dnat') {
    return [
      base('filter-prerouting', 'filter', 'prerouting', -110, ['firewall-check']),
      base('filter-input', 'filter', 'input', -110, input),
      base('filter-forward', 'filter', 'forward', -110, forward),
      base('filter-output', 'filter', 'output', -110, ['service-endpoints-check', 'firewall-check']),
      base('filter-output-post-dnat', 'filter', 'output', -90, ['cluster-ips-check']),
      ...nat,
    ];
  }
  return [
    base('filter-prerouting-pre-dnat', 'filter', 'prerouting', -110, ['firewall-check']),
    base('filter-output-pre-dnat', 'filter', 'output', -110, ['firewall-check']),
    base('filter-input', 'filter', 'input', 0, input),
    base('filter-forward', 'filter', 'forward', 0, forward),
    base('filter-output', 'filter', 'output', 0, forward),
    ...nat,
  ];
}

function fixedChains(config: NodeProxyConfig): NftChain[] {
  const { family } = config;
  const { masquerade: where } = nftForm(config.kubernetesVersion);
  const mark = masqueradeMark(config);
  const all = matchesAllAddresses(config);
  const notLoopback = from(family, 'daddr', family === 4 ? LOOPBACK4 : LOOPBACK6, true);
  const nodePortIp = inSet(family, 'daddr', 'nodeport-ips');
  const cidrs = config.serviceCIDRs.filter((prefix) => familyOf(prefix.address) === family);
  return [
    ...baseChains(config),
    {
      name: 'nodeport-endpoints-check',
      rules: [rule([all ? notLoopback : nodePortIp, nodePortVmap('no-endpoint-nodeports')])],
    },
    { name: 'service-endpoints-check', rules: [rule([serviceVmap(family, 'no-endpoint-services')])] },
    { name: 'firewall-check', rules: [rule([serviceVmap(family, 'firewall-ips')])] },
    {
      name: 'services',
      rules: [
        ...(where === 'at entry' ? entryMasquerade(config, mark) : []),
        rule([serviceVmap(family, 'service-ips')]),
        rule([...(all ? [fibLocal('daddr'), notLoopback] : [nodePortIp]), nodePortVmap('service-nodeports')]),
      ],
    },
    {
      name: 'masquerading',
      rules:
        where === 'at entry'
          ? [
              rule([marked(mark), clearMark(mark), masquerade]),
              rule([ctStatusDnat, hairpin(family, 'hairpin-connections'), masquerade]),
            ]
          : [rule([marked(mark, true), returns]), rule([clearMark(mark)]), rule([masquerade])],
    },
    {
      name: 'cluster-ips-check',
      rules: [
        rule([inSet(family, 'daddr', 'cluster-ips'), reject], 'Reject traffic to invalid ports of ClusterIPs'),
        ...(cidrs.length === 0
          ? []
          : [rule([among(family, 'daddr', cidrs, ','), drop], 'Drop traffic to unallocated ClusterIPs')]),
      ],
    },
    ...(where === 'by service' ? [{ name: MARK_CHAIN, rules: [rule([setMark(mark)])] }] : []),
    {
      name: REJECT_CHAIN,
      comment: 'helper for @no-endpoint-services / @no-endpoint-nodeports',
      rules: [rule([reject])],
    },
  ];
}

/** Traffic to cluster IPs that does not come from a pod has to come back by this node. */
function entryMasquerade(config: NodeProxyConfig, mark: MasqueradeMark): ProxyRule[] {
  const { family, masqueradeAll, detectLocal } = config;
  const toService = inSet(family, 'daddr', 'cluster-ips');
  if (masqueradeAll) return [rule([toService, setMark(mark)], 'masquerade all clusterIP traffic')];
  const others = fromLocal(detectLocal, family, true);
  if (others.length === 0) return [];
  return [rule([toService, ...others, setMark(mark)], 'masquerade clusterIP traffic from outside cluster')];
}

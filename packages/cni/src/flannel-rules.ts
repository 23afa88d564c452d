import type { Chain, Rule, Ruleset, Table, TableName } from '@netsim/kernel';
import type { Family, Prefix } from '@netsim/wire';
import { familyOf, parsePrefix } from '@netsim/wire';
import type { FlannelConfig } from './config.ts';
import type { NodeInfo } from './machine.ts';
import { prefixOfFamily } from './machine.ts';

const ORIGIN = 'flannel';
/** kube-proxy's mark, which flannel leaves alone lest a packet be translated twice. */
const KUBE_PROXY_MARK = 0x4000;
const multicast = { 4: parsePrefix('224.0.0.0/4'), 6: parsePrefix('ff00::/8') };

/**
 * The iptables rules of flanneld on a node, one ruleset for each family of its networks, holding only flannel's own.
 * Source: flannel v0.26, pkg/trafficmngr/iptables (masqRules, forwardRules). flanneld appends its jumps to POSTROUTING and
 * FORWARD, so they come after kube-proxy's, which are always put first.
 */
export function flannelRulesets(node: NodeInfo, config: FlannelConfig): Ruleset[] {
  const rulesets: Ruleset[] = [];
  for (const network of config.networks) {
    const family = familyOf(network.address);
    const subnet = prefixOfFamily(node.podCIDRs, family);
    if (subnet === undefined) continue;
    const tables = new Map<TableName, Table>();
    if (config.forwardRules) tables.set('filter', forwardTable(network));
    if (config.ipMasq) tables.set('nat', masqueradeTable(family, network, subnet));
    rulesets.push({ family, tables });
  }
  return rulesets;
}

function forwardTable(network: Prefix): Table {
  const matches = [{ kind: 'comment', text: 'flanneld forward' }] as const;
  const accept = { kind: 'ACCEPT' } as const;
  return table('filter', [
    { name: 'INPUT', policy: 'ACCEPT', rules: [] },
    {
      name: 'FORWARD',
      policy: 'ACCEPT',
      rules: [{ matches, target: { kind: 'jump', chain: 'FLANNEL-FWD' }, origin: ORIGIN }],
    },
    { name: 'OUTPUT', policy: 'ACCEPT', rules: [] },
    {
      name: 'FLANNEL-FWD',
      rules: [
        { source: { value: network }, matches, target: accept, origin: ORIGIN },
        { destination: { value: network }, matches, target: accept, origin: ORIGIN },
      ],
    },
  ]);
}

function masqueradeTable(family: Family, network: Prefix, subnet: Prefix): Table {
  const comment = { kind: 'comment', text: 'flanneld masq' } as const;
  const matches = [comment];
  const back = { kind: 'RETURN' } as const;
  const masquerade = { kind: 'MASQUERADE', range: { randomFully: true } } as const;
  const rules: Rule[] = [
    {
      matches: [{ kind: 'mark', mark: KUBE_PROXY_MARK, mask: KUBE_PROXY_MARK }, comment],
      target: back,
      origin: ORIGIN,
    },
    { source: { value: subnet }, destination: { value: network }, matches, target: back, origin: ORIGIN },
    { source: { value: network }, destination: { value: subnet }, matches, target: back, origin: ORIGIN },
    { source: { value: network, not: true }, destination: { value: subnet }, matches, target: back, origin: ORIGIN },
    {
      source: { value: network },
      destination: { value: multicast[family], not: true },
      matches,
      target: masquerade,
      origin: ORIGIN,
    },
    {
      source: { value: network, not: true },
      destination: { value: network },
      matches,
      target: masquerade,
      origin: ORIGIN,
    },
  ];
  return table('nat', [
    { name: 'PREROUTING', policy: 'ACCEPT', rules: [] },
    { name: 'INPUT', policy: 'ACCEPT', rules: [] },
    { name: 'OUTPUT', policy: 'ACCEPT', rules: [] },
    {
      name: 'POSTROUTING',
      policy: 'ACCEPT',
      rules: [{ matches, target: { kind: 'jump', chain: 'FLANNEL-POSTRTG' }, origin: ORIGIN }],
    },
    { name: 'FLANNEL-POSTRTG', rules },
  ]);
}

function table(name: TableName, chains: readonly Chain[]): Table {
  return { name, chains: new Map(chains.map((chain) => [chain.name, chain])) };
}

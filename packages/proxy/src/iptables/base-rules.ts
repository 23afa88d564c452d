import type { Chain, Match, Rule, Ruleset, Table, TableName } from '@netsim/kernel';
import type { Family } from '@netsim/wire';
import { familyOf, parsePrefix, prefixContains } from '@netsim/wire';
import type { NodeProxyConfig } from '../config.ts';
import { matchesAllAddresses } from '../node-port-addresses.ts';
import { comment, host, jump, MARK_MASQ_CHAIN } from './rule-parts.ts';

const PROXY = 'kube-proxy';
const KUBELET = 'kubelet';
const LOOPBACK4 = parsePrefix('127.0.0.0/8');
const LOOPBACK6 = parsePrefix('::1/128');
const NEW: Match = { kind: 'conntrack', states: { value: ['NEW'] } };

/** A rule that jumps from a built-in chain. */
function portal(chain: string, text: string | undefined, onlyNew: boolean): Rule {
  const matches = [...(onlyNew ? [NEW] : []), ...(text === undefined ? [] : [comment(text)])];
  return { matches, target: jump(chain), origin: PROXY };
}

const external = portal('KUBE-EXTERNAL-SERVICES', 'kubernetes externally-visible service portals', true);
const services = portal('KUBE-SERVICES', 'kubernetes service portals', true);
const firewall = portal('KUBE-PROXY-FIREWALL', 'kubernetes load balancer firewall', true);
const health = portal('KUBE-NODEPORTS', 'kubernetes health check service ports', false);
const forwarding = portal('KUBE-FORWARD', 'kubernetes forwarding rules', false);
const natServices = portal('KUBE-SERVICES', 'kubernetes service portals', false);
const postrouting = portal('KUBE-POSTROUTING', 'kubernetes postrouting rules', false);
const localnet: Rule = { matches: [], target: jump('KUBE-FIREWALL'), origin: PROXY };

function builtin(name: string, rules: readonly Rule[]): Chain {
  return { name, policy: 'ACCEPT', rules };
}

/**
 * kube-proxy's jumps from the built-in chains of filter. It puts each one first, so they stand in reverse order of its list.
 * KUBE-FIREWALL is there in both families; its rule only where NodePorts are served on localhost.
 */
export const filterBuiltins: readonly Chain[] = [
  builtin('INPUT', [localnet, firewall, health, external]),
  builtin('FORWARD', [firewall, forwarding, services, external]),
  builtin('OUTPUT', [localnet, firewall, services]),
];

export const natBuiltins: readonly Chain[] = [
  builtin('PREROUTING', [natServices]),
  builtin('INPUT', []),
  builtin('OUTPUT', [natServices]),
  builtin('POSTROUTING', [postrouting]),
];

/** The mark that asks for masquerade. */
export function masqueradeMark(config: Pick<NodeProxyConfig, 'masqueradeBit'>): number {
  return (1 << config.masqueradeBit) >>> 0;
}

/** Drops what pretends to come to 127.0.0.0/8 from elsewhere, which route_localnet would let through. */
export const localnetRule: Rule = {
  source: { value: LOOPBACK4, not: true },
  destination: { value: LOOPBACK4 },
  matches: [
    comment('block incoming localnet connections'),
    { kind: 'conntrack', states: { value: ['RELATED', 'ESTABLISHED', 'DNAT'], not: true } },
  ],
  target: { kind: 'DROP' },
  origin: PROXY,
};

export function forwardRules(config: NodeProxyConfig): Rule[] {
  const mark = masqueradeMark(config);
  const rules: Rule[] = [];
  if (!config.conntrackTCPLiberal) {
    const counter = 'ct_state_invalid_dropped_pkts';
    const counting: Match[] = config.nfacctCounters.includes(counter) ? [{ kind: 'nfacct', name: counter }] : [];
    const invalid: Match = { kind: 'conntrack', states: { value: ['INVALID'] } };
    rules.push({ matches: [invalid, ...counting], target: { kind: 'DROP' }, origin: PROXY });
  }
  rules.push(
    {
      matches: [comment('kubernetes forwarding rules'), { kind: 'mark', mark, mask: mark }],
      target: { kind: 'ACCEPT' },
      origin: PROXY,
    },
    {
      matches: [
        comment('kubernetes forwarding conntrack rule'),
        { kind: 'conntrack', states: { value: ['RELATED', 'ESTABLISHED'] } },
      ],
      target: { kind: 'ACCEPT' },
      origin: PROXY,
    },
  );
  return rules;
}

/** KUBE-POSTROUTING: masquerades what is marked, and clears the mark so that nobody does it twice. */
export function postroutingRules(config: NodeProxyConfig): Rule[] {
  const mark = masqueradeMark(config);
  return [
    { matches: [{ kind: 'mark', mark, mask: mark, not: true }], target: { kind: 'RETURN' }, origin: PROXY },
    { matches: [], target: { kind: 'MARK', value: mark, mask: 0 }, origin: PROXY },
    {
      matches: [comment('kubernetes service traffic requiring SNAT')],
      target: config.randomFully ? { kind: 'MASQUERADE', range: { randomFully: true } } : { kind: 'MASQUERADE' },
      origin: PROXY,
    },
  ];
}

export function markMasqChain(config: NodeProxyConfig): Chain {
  const mark = masqueradeMark(config);
  return {
    name: MARK_MASQ_CHAIN,
    rules: [{ matches: [], target: { kind: 'MARK', value: mark, mask: mark }, origin: PROXY }],
  };
}

/** The last rules of nat KUBE-SERVICES: what goes to the node itself may be for a NodePort. */
export function nodePortTail(config: NodeProxyConfig): Rule[] {
  const text = comment('kubernetes service nodeports; NOTE: this must be the last rule in this chain');
  const target = jump('KUBE-NODEPORTS');
  if (matchesAllAddresses(config)) {
    const local: Match = { kind: 'addrtype', dstType: { value: ['LOCAL'] } };
    const except = config.family === 6 ? LOOPBACK6 : config.localhostNodePorts ? undefined : LOOPBACK4;
    const destination = except === undefined ? {} : { destination: { value: except, not: true } };
    return [{ ...destination, matches: [text, local], target, origin: PROXY }];
  }
  const addresses = config.nodeAddresses.filter(
    (ip) =>
      familyOf(ip) === config.family &&
      config.nodePortAddresses.some((prefix) => prefixContains(prefix, ip)) &&
      !(prefixContains(config.family === 4 ? LOOPBACK4 : LOOPBACK6, ip) && !config.localhostNodePorts),
  );
  return addresses.map((ip) => ({ destination: { value: host(ip) }, matches: [text], target, origin: PROXY }));
}

/** Empty chains that kube-proxy and kubelet watch: when one is gone, somebody flushed the rules. */
export function canaryRuleset(family: Family, name: string): Ruleset {
  return rulesetOf(
    family,
    (['mangle', 'nat', 'filter'] as const).map((table) => ({ table, chains: [{ name, rules: [] }] })),
  );
}

/**
 * What kubelet 1.36 writes: the hint by which others tell iptables-legacy from -nft, its canaries, and for IPv4 the guard
 * of localhost, whose jumps it appends. Source: pkg/kubelet/kubelet_network_linux.go.
 */
export function kubeletRuleset(family: Family): Ruleset {
  const canary: Chain = { name: 'KUBE-KUBELET-CANARY', rules: [] };
  const guard: Rule = { ...localnet, origin: KUBELET };
  const filter: Chain[] =
    family === 6
      ? [canary]
      : [
          builtin('INPUT', [guard]),
          builtin('FORWARD', []),
          builtin('OUTPUT', [guard]),
          { name: 'KUBE-FIREWALL', rules: [{ ...localnetRule, origin: KUBELET }] },
          canary,
        ];
  return rulesetOf(family, [
    { table: 'mangle', chains: [{ name: 'KUBE-IPTABLES-HINT', rules: [] }, canary] },
    { table: 'nat', chains: [canary] },
    { table: 'filter', chains: filter },
  ]);
}

function rulesetOf(family: Family, parts: readonly { table: TableName; chains: readonly Chain[] }[]): Ruleset {
  const tables = new Map<TableName, Table>();
  for (const { table, chains } of parts) {
    const all = new Map<string, Chain>(builtinNames[table].map((name) => [name, builtin(name, [])]));
    for (const chain of chains) all.set(chain.name, chain);
    tables.set(table, { name: table, chains: all });
  }
  return { family, tables };
}

const builtinNames: Record<TableName, readonly string[]> = {
  raw: ['PREROUTING', 'OUTPUT'],
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
  security: ['INPUT', 'FORWARD', 'OUTPUT'],
};

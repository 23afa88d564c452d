import type { Chain, Match, Rule, Ruleset, Table, TableName, Target } from '@netsim/kernel';
import { familyBits, familyOf, type Ip, IpProto, parsePrefix, prefixOf } from '@netsim/wire';
import type { NodeProxyConfig } from '../config.ts';
import { markMasqChain, masqueradeMark, postroutingRules } from '../iptables/base-rules.ts';
import { comment, fromLocal, jump, MARK_MASQ_CHAIN } from '../iptables/rule-parts.ts';
import type { IpvsSet, IpvsSetName } from './sets.ts';

const PROXY = 'kube-proxy';
const RETURN: Target = { kind: 'RETURN' };
const ACCEPT: Target = { kind: 'ACCEPT' };
const DROP: Target = { kind: 'DROP' };
type Sets = ReadonlyMap<IpvsSetName, IpvsSet>;
type Flags = readonly ('src' | 'dst')[];
const DST: Flags = ['dst'];
const DST_PORT: Flags = ['dst', 'dst'];
const DST_PORT_SRC: Flags = ['dst', 'dst', 'src'];

/** What a virtual server stands for. */
export interface VirtualPort {
  readonly address: Ip;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly port: number;
}

/**
 * The iptables rules of IPVS mode: a fixed number, whatever the number of services, and one for each load-balancer address that
 * the node itself may not reach.
 */
export function ipvsRuleset(sets: Sets, nodeRefused: readonly VirtualPort[], config: NodeProxyConfig): Ruleset {
  const tables = new Map<TableName, Table>();
  tables.set('filter', table('filter', filterChains(sets, nodeRefused, config)));
  tables.set('nat', table('nat', natChains(sets, config)));
  return { family: config.family, tables };
}

function table(name: TableName, chains: readonly Chain[]): Table {
  return { name, chains: new Map(chains.map((chain) => [chain.name, chain])) };
}

function rule(matches: readonly Match[], target: Target, more: Partial<Rule> = {}): Rule {
  return { ...more, matches, target, origin: PROXY };
}

function portal(chain: string, text: string): Rule {
  return rule([comment(text)], jump(chain));
}

function builtin(name: string, rules: readonly Rule[]): Chain {
  return { name, policy: 'ACCEPT', rules };
}

function inSet(sets: Sets, name: IpvsSetName, flags: Flags, commented = true): Match[] {
  const set = sets.get(name)!;
  const match: Match = { kind: 'set', name: set.name, flags };
  return commented ? [comment(set.comment), match] : [match];
}

/** A rule about a set; none while the set is empty. */
function about(sets: Sets, name: IpvsSetName, flags: Flags, target: Target, more: Partial<Rule> = {}): Rule[] {
  return sets.get(name)!.entries.length === 0 ? [] : [rule(inSet(sets, name, flags), target, more)];
}

function natChains(sets: Sets, config: NodeProxyConfig): Chain[] {
  const mark = jump(MARK_MASQ_CHAIN);
  const services = portal('KUBE-SERVICES', 'kubernetes service portals');
  const loopback = parsePrefix(config.family === 4 ? '127.0.0.0/8' : '::1/128');
  const nodePorts = (['tcp', 'udp', 'sctp'] as const).flatMap((protocol) => {
    const suffix = protocol === 'tcp' ? 'TCP' : protocol === 'udp' ? 'UDP' : 'SCTP-HASH';
    const flags = protocol === 'sctp' ? DST_PORT : DST;
    const more = { protocol: { value: protocolNumbers[protocol] } };
    return [
      ...about(sets, `NODE-PORT-LOCAL-${suffix}`, flags, RETURN, more),
      ...about(sets, `NODE-PORT-${suffix}`, flags, mark, more),
    ];
  });
  return [
    builtin('PREROUTING', [services]),
    builtin('INPUT', []),
    builtin('OUTPUT', [services]),
    builtin('POSTROUTING', [portal('KUBE-POSTROUTING', 'kubernetes postrouting rules')]),
    {
      name: 'KUBE-LOAD-BALANCER',
      rules: [...about(sets, 'LOAD-BALANCER-LOCAL', DST_PORT, RETURN), rule([], mark)],
    },
    markMasqChain(config),
    { name: 'KUBE-NODE-PORT', rules: nodePorts },
    {
      name: 'KUBE-POSTROUTING',
      rules: [...about(sets, 'LOOP-BACK', DST_PORT_SRC, { kind: 'MASQUERADE' }), ...postroutingRules(config)],
    },
    {
      name: 'KUBE-SERVICES',
      rules: [
        rule([], RETURN, { source: { value: loopback } }),
        ...about(sets, 'LOAD-BALANCER', DST_PORT, jump('KUBE-LOAD-BALANCER')),
        ...clusterIpRules(sets, config),
        ...externalIpRules(sets, 'EXTERNAL-IP', true),
        ...externalIpRules(sets, 'EXTERNAL-IP-LOCAL', false),
        rule([{ kind: 'addrtype', dstType: { value: ['LOCAL'] } }], jump('KUBE-NODE-PORT')),
        ...(['CLUSTER-IP', 'LOAD-BALANCER'] as const)
          .filter((name) => sets.get(name)!.entries.length > 0)
          .map((name) => rule(inSet(sets, name, DST_PORT, false), ACCEPT)),
      ],
    },
  ];
}

const protocolNumbers = { tcp: IpProto.TCP, udp: IpProto.UDP, sctp: IpProto.SCTP };

function clusterIpRules(sets: Sets, { masqueradeAll, detectLocal }: NodeProxyConfig): Rule[] {
  const mark = jump(MARK_MASQ_CHAIN);
  if (masqueradeAll) return about(sets, 'CLUSTER-IP', DST_PORT, mark);
  if (detectLocal.kind !== 'none') return about(sets, 'CLUSTER-IP', DST_PORT, mark, fromLocal(detectLocal, true));
  // The node takes a cluster IP on its dummy device as its own address when it sends to one.
  return about(sets, 'CLUSTER-IP', ['src', 'dst'], mark);
}

function externalIpRules(sets: Sets, name: 'EXTERNAL-IP' | 'EXTERNAL-IP-LOCAL', masquerade: boolean): Rule[] {
  if (sets.get(name)!.entries.length === 0) return [];
  const matches = inSet(sets, name, DST_PORT);
  const fromOutside: Match[] = [
    ...matches,
    { kind: 'physdev', isIn: { value: true, not: true } },
    { kind: 'addrtype', srcType: { value: ['LOCAL'], not: true } },
  ];
  return [
    ...(masquerade ? [rule(matches, jump(MARK_MASQ_CHAIN))] : []),
    rule(fromOutside, ACCEPT),
    rule([...matches, { kind: 'addrtype', dstType: { value: ['LOCAL'] } }], ACCEPT),
  ];
}

/** The node has the address on its dummy device, and takes it for its own when it sends to it. */
function refuseNode({ address, protocol, port }: VirtualPort): Rule {
  const host = { value: prefixOf(address, familyBits(familyOf(address))) };
  const match: Match = {
    kind: 'ipvs',
    protocol: { value: protocolNumbers[protocol] },
    address: host,
    port: { value: port },
  };
  return rule([match], DROP, { source: host });
}

function filterChains(sets: Sets, nodeRefused: readonly VirtualPort[], config: NodeProxyConfig): Chain[] {
  const mark = masqueradeMark(config);
  const firewall = portal('KUBE-PROXY-FIREWALL', 'kube-proxy firewall rules');
  const passing: [IpvsSetName, Flags][] = [
    ['LOAD-BALANCER', DST_PORT],
    ['CLUSTER-IP', DST_PORT],
    ['EXTERNAL-IP', DST_PORT],
    ['EXTERNAL-IP-LOCAL', DST_PORT],
    ['HEALTH-CHECK-NODE-PORT', DST],
  ];
  const isNew: Match = { kind: 'conntrack', states: { value: ['NEW'] } };
  return [
    builtin('INPUT', [
      portal('KUBE-IPVS-FILTER', 'kubernetes ipvs access filter'),
      firewall,
      portal('KUBE-NODE-PORT', 'kubernetes health check rules'),
    ]),
    builtin('FORWARD', [firewall, portal('KUBE-FORWARD', 'kubernetes forwarding rules')]),
    builtin('OUTPUT', [portal('KUBE-IPVS-OUT-FILTER', 'kubernetes ipvs access filter')]),
    {
      name: 'KUBE-FORWARD',
      rules: [
        rule([comment('kubernetes forwarding rules'), { kind: 'mark', mark, mask: mark }], ACCEPT),
        rule(
          [
            comment('kubernetes forwarding conntrack rule'),
            { kind: 'conntrack', states: { value: ['RELATED', 'ESTABLISHED'] } },
          ],
          ACCEPT,
        ),
      ],
    },
    // What is sent to a service's address but to none of its ports must not reach the node's own programs.
    {
      name: 'KUBE-IPVS-FILTER',
      rules: [
        ...passing.map(([name, flags]) => rule(inSet(sets, name, flags, false), RETURN)),
        rule([isNew, ...inSet(sets, 'IPVS-IPS', DST, false)], {
          kind: 'REJECT',
          with: config.family === 4 ? 'icmp-port-unreachable' : 'icmp6-port-unreachable',
        }),
      ],
    },
    { name: 'KUBE-IPVS-OUT-FILTER', rules: nodeRefused.map(refuseNode) },
    { name: 'KUBE-NODE-PORT', rules: [rule(inSet(sets, 'HEALTH-CHECK-NODE-PORT', DST), ACCEPT)] },
    {
      name: 'KUBE-PROXY-FIREWALL',
      rules: about(sets, 'LOAD-BALANCER-FW', DST_PORT, jump('KUBE-SOURCE-RANGES-FIREWALL')),
    },
    {
      name: 'KUBE-SOURCE-RANGES-FIREWALL',
      rules: [
        ...about(sets, 'LOAD-BALANCER-SOURCE-CIDR', DST_PORT_SRC, RETURN),
        ...about(sets, 'LOAD-BALANCER-SOURCE-IP', DST_PORT_SRC, RETURN),
        rule([], DROP),
      ],
    },
  ];
}

import { hash } from 'node:crypto';
import type { Chain, Match, Rule, Ruleset, Table, Target } from '@netsim/kernel';
import type { Family, Ip, Prefix } from '@netsim/wire';
import { familyOf, IpProto, parsePrefix, prefixOf } from '@netsim/wire';
import type { PortmapConfig } from './config.ts';
import { type HostPort, ofFamily, type PodInfo } from './machine.ts';

const ORIGIN = 'portmap';
const DNAT_CHAIN = 'CNI-HOSTPORT-DNAT';
const SETMARK_CHAIN = 'CNI-HOSTPORT-SETMARK';
const MASQ_CHAIN = 'CNI-HOSTPORT-MASQ';
/** `-m multiport` takes no more. */
const PORTS_A_RULE = 15;
/** Longest name of a chain that the CNI plugins make. */
const CHAIN_NAME = 28;
const LOOPBACK = parsePrefix('127.0.0.1/32');
const protocols = { tcp: IpProto.TCP, udp: IpProto.UDP, sctp: IpProto.SCTP };

/** A pod with host ports, and its address with the prefix length of its subnet. */
export interface MappedPod {
  readonly info: PodInfo;
  readonly addresses: readonly { readonly ip: Ip; readonly subnet: Prefix }[];
}

/** portmap's rules of one family. */
export interface PortmapRules {
  /** Jumps that it appends to PREROUTING and OUTPUT, and all its chains. */
  readonly appended: Ruleset;
  /** Its jump in POSTROUTING, which it puts before those that are there. */
  readonly prepended: Ruleset;
}

/** Name of a pod's own chain: by the network's name and the ID of its sandbox. */
function chainName(network: string, sandbox: string): string {
  return `CNI-DN-${hash('sha512', network + sandbox)}`.slice(0, CHAIN_NAME);
}

/** The runtime draws the ID of a sandbox; here it follows from the pod's place, so that one seed gives one history. */
function sandboxId({ namespace, name, node, ips }: PodInfo): string {
  return hash('sha256', [node, namespace, name, ...ips].join('/'));
}

/**
 * The iptables rules of the portmap plugin on a node, for its pods with host ports: by one chain for each of these the
 * destination is rewritten; what comes from the pod's own subnet or from localhost is marked and masqueraded, else the answer
 * would not come back this way.
 * Source: containernetworking/plugins 1.x, plugins/meta/portmap/portmap_iptables.go.
 */
export function portmapRules(
  family: Family,
  pods: readonly MappedPod[],
  config: PortmapConfig,
): PortmapRules | undefined {
  const entries: Rule[] = [];
  const chains: Chain[] = [];
  for (const { info, addresses } of pods) {
    const address = addresses.find(({ ip }) => familyOf(ip) === family);
    const ports = info.hostPorts.filter(({ hostIP }) => hostIP === undefined || familyOf(hostIP) === family);
    if (address === undefined || ports.length === 0) continue;
    const id = sandboxId(info);
    const name = chainName(config.network, id);
    const origin = `Pod/${info.namespace}/${info.name}`;
    entries.push(...entryRules(info.hostPorts, `dnat name: "${config.network}" id: "${id}"`, name, origin));
    chains.push({ name, rules: ports.flatMap((port) => podRules(port, address, config.snat, origin)) });
  }
  if (chains.length === 0) return undefined;
  const mark = 2 ** config.markMasqBit;
  const local: Match[] = [{ kind: 'addrtype', dstType: { value: ['LOCAL'] } }];
  const toDnat = [rule(local, { kind: 'jump', chain: DNAT_CHAIN })];
  const marked = [rule([comment('CNI portfwd masquerade mark')], { kind: 'MARK', value: mark, mask: mark })];
  const masqueraded = [rule([{ kind: 'mark', mark, mask: mark }], { kind: 'MASQUERADE' })];
  const appended = nat([
    { name: 'PREROUTING', policy: 'ACCEPT', rules: toDnat },
    { name: 'INPUT', policy: 'ACCEPT', rules: [] },
    { name: 'OUTPUT', policy: 'ACCEPT', rules: toDnat },
    { name: 'POSTROUTING', policy: 'ACCEPT', rules: [] },
    { name: DNAT_CHAIN, rules: entries },
    ...(config.snat
      ? [
          { name: MASQ_CHAIN, rules: masqueraded },
          { name: SETMARK_CHAIN, rules: marked },
        ]
      : []),
    ...chains,
  ]);
  const toMasquerade = rule([comment('CNI portfwd requiring masquerade')], { kind: 'jump', chain: MASQ_CHAIN });
  const first = nat([{ name: 'POSTROUTING', policy: 'ACCEPT', rules: config.snat ? [toMasquerade] : [] }]);
  return { appended: { family, tables: appended }, prepended: { family, tables: first } };
}

/** By protocol, in the order of its name; as many ports in one rule as it takes. */
function entryRules(ports: readonly HostPort[], text: string, chain: string, origin: string): Rule[] {
  const rules: Rule[] = [];
  for (const protocol of ['sctp', 'tcp', 'udp'] as const) {
    const numbers = ports.filter((each) => each.protocol === protocol).map(({ hostPort }) => hostPort);
    for (let i = 0; i < numbers.length; i += PORTS_A_RULE) {
      const part = numbers.slice(i, i + PORTS_A_RULE).map((port) => ({ from: port, to: port }));
      rules.push({
        protocol: { value: protocols[protocol] },
        matches: [comment(text), { kind: 'multiport', which: 'destination', ports: part }],
        target: { kind: 'jump', chain },
        origin,
      });
    }
  }
  return rules;
}

function podRules(
  { protocol, hostPort, containerPort, hostIP }: HostPort,
  { ip, subnet }: MappedPod['addresses'][number],
  snat: boolean,
  origin: string,
): Rule[] {
  const base = {
    // An unspecified address is every address.
    ...(hostIP !== undefined && BigInt(hostIP) !== 0n && { destination: { value: prefixOf(hostIP, hostBits(ip)) } }),
    protocol: { value: protocols[protocol] },
    matches: [{ kind: protocol, dport: { value: { from: hostPort, to: hostPort } } }] satisfies Match[],
    origin,
  };
  const sources = snat ? [subnet, ...(familyOf(ip) === 4 ? [LOOPBACK] : [])] : [];
  const range = { minAddress: ip, maxAddress: ip, minPort: containerPort, maxPort: containerPort };
  return [
    ...sources.map(
      (source): Rule => ({ source: { value: source }, ...base, target: { kind: 'jump', chain: SETMARK_CHAIN } }),
    ),
    { ...base, target: { kind: 'DNAT', range } },
  ];
}

function hostBits(ip: Ip): number {
  return familyOf(ip) === 4 ? 32 : 128;
}

function comment(text: string): Match {
  return { kind: 'comment', text };
}

function rule(matches: readonly Match[], target: Target): Rule {
  return { matches, target, origin: ORIGIN };
}

function nat(chains: readonly Chain[]): Map<'nat', Table> {
  return new Map([['nat', { name: 'nat', chains: new Map(chains.map((chain) => [chain.name, chain])) }]]);
}

/** Pods of a node for which portmap has something to do. */
export function mappedPods(pods: Iterable<PodInfo>, podCIDRs: readonly Prefix[]): MappedPod[] {
  const mapped: MappedPod[] = [];
  for (const info of pods) {
    if (info.hostPorts.length === 0) continue;
    const addresses = ([4, 6] as const).flatMap((family) => {
      const ip = ofFamily(info.ips, family);
      if (ip === undefined) return [];
      const cidr = podCIDRs.find((prefix) => familyOf(prefix.address) === family);
      return [{ ip, subnet: cidr ?? prefixOf(ip, hostBits(ip)) }];
    });
    mapped.push({ info, addresses });
  }
  return mapped;
}

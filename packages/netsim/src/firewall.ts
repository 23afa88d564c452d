import type { Chain, Match, Negatable, PortRange, Rule, Ruleset, Table, TableName } from '@netsim/kernel';
import { type AnyObject, type Finding, type ObjectStore, ORIGIN, type Path } from '@netsim/manifest';
import { type Family, familyOf, IpProto, type Prefix, tryParsePrefix } from '@netsim/wire';

/** Chain that stands for a firewall in front of a node: a cloud's, or one on the machine. */
export const FIREWALL_CHAIN = 'NETSIM-FIREWALL';

interface Allow {
  readonly protocol?: 'tcp' | 'udp' | 'sctp' | 'icmp';
  readonly ports: readonly PortRange[];
  readonly sources: readonly Prefix[];
}

/** `kind: Firewall` of `netsim.dev/v1`: what may come to the nodes from outside the cluster. Where there is none, everything may. */
export interface Firewall {
  readonly name: string;
  readonly allow: readonly Allow[];
}

const protocols = { tcp: IpProto.TCP, udp: IpProto.UDP, sctp: IpProto.SCTP } as const;

/** Reads the Firewall objects; what cannot be read is a finding, and that entry allows nothing. */
export function firewallsOf(store: ObjectStore): { firewalls: Firewall[]; findings: Finding[] } {
  const findings: Finding[] = [];
  const firewalls = store
    .list<AnyObject>('Firewall')
    .filter(({ apiVersion }) => apiVersion.startsWith('netsim.dev/'))
    .map((object) => readFirewall(object, findings));
  return { firewalls, findings };
}

function readFirewall(object: AnyObject, findings: Finding[]): Firewall {
  const { name } = object.metadata;
  const wrong = (path: Path, message: string): void => {
    const origin = object[ORIGIN];
    findings.push({
      severity: 'warning',
      code: 'firewall',
      message: `firewall "${name}": ${path.join('.')}: ${message}`,
      path,
      ...(origin === undefined ? {} : { file: origin.file, ...origin.locate(path) }),
    });
  };
  const spec = record(object.spec);
  for (const field of Object.keys(spec)) if (field !== 'allow') wrong(['spec', field], 'unknown field (known: allow)');
  const list = Array.isArray(spec.allow) ? spec.allow : [];
  if (spec.allow !== undefined && !Array.isArray(spec.allow)) wrong(['spec', 'allow'], 'is no list');
  const allow = list.flatMap((entry, index) => readAllow(record(entry), ['spec', 'allow', index], wrong));
  return { name, allow };
}

function readAllow(entry: Record<string, unknown>, at: Path, wrong: (path: Path, message: string) => void): Allow[] {
  let usable = true;
  const refuse = (field: string, message: string): void => {
    usable = false;
    wrong([...at, field], message);
  };
  for (const field of Object.keys(entry)) {
    if (!['protocol', 'ports', 'sources'].includes(field))
      refuse(field, 'unknown field (known: protocol, ports, sources)');
  }
  const protocol = entry.protocol === undefined ? undefined : String(entry.protocol).toLowerCase();
  if (protocol !== undefined && !['tcp', 'udp', 'sctp', 'icmp'].includes(protocol)) {
    refuse('protocol', `${JSON.stringify(entry.protocol)} is none of tcp, udp, sctp, icmp`);
  }
  const ports = asList(entry.ports).map((port) => {
    const range = /^([0-9]{1,5})(?:-([0-9]{1,5}))?$/.exec(String(port));
    const from = Number(range?.[1]);
    const to = Number(range?.[2] ?? range?.[1]);
    if (range === null || from > to || to > 65535)
      refuse('ports', `${JSON.stringify(port)} is no port and no range such as 30000-32767`);
    return { from, to };
  });
  const sources = asList(entry.sources).flatMap((source) => {
    const prefix = tryParsePrefix(String(source));
    if (prefix === undefined) refuse('sources', `${JSON.stringify(source)} is no CIDR`);
    return prefix === undefined ? [] : [prefix];
  });
  if (!usable) return [];
  return [{ ...(protocol === undefined ? {} : { protocol: protocol as 'tcp' }), ports, sources }];
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function asList(value: unknown): readonly unknown[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value];
}

/**
 * The firewall as rules at a node's uplink: answers and traffic between the cluster's own machines and pods pass, then what is
 * allowed; the rest is dropped.
 */
export function firewallRuleset(
  firewalls: readonly Firewall[],
  options: { family: Family; uplink: string; inside: readonly Prefix[] },
): Ruleset {
  const { family, uplink, inside } = options;
  const rules: Rule[] = [
    { matches: [{ kind: 'conntrack', states: { value: ['RELATED', 'ESTABLISHED'] } }], target: { kind: 'RETURN' } },
    ...inside
      .filter((prefix) => familyOf(prefix.address) === family)
      .map((prefix): Rule => ({ source: { value: prefix }, matches: [], target: { kind: 'RETURN' } })),
    ...firewalls.flatMap((firewall) => firewall.allow.flatMap((entry) => allowRules(firewall.name, entry, family))),
    {
      matches: [
        { kind: 'comment', text: `firewall ${firewalls.map(({ name }) => name).join(', ')}: nothing else comes in` },
      ],
      target: { kind: 'DROP' },
      origin: `Firewall//${firewalls[0]!.name}`,
    },
  ];
  const entry: Rule = { inInterface: { value: uplink }, matches: [], target: { kind: 'jump', chain: FIREWALL_CHAIN } };
  const chains: Chain[] = [
    { name: 'PREROUTING', policy: 'ACCEPT', rules: [entry] },
    ...['INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'].map((name): Chain => ({ name, policy: 'ACCEPT', rules: [] })),
    { name: FIREWALL_CHAIN, rules },
  ];
  const table: Table = { name: 'mangle', chains: new Map(chains.map((chain) => [chain.name, chain])) };
  return { family, tables: new Map<TableName, Table>([['mangle', table]]) };
}

function allowRules(name: string, { protocol, ports, sources }: Allow, family: Family): Rule[] {
  const from: (Negatable<Prefix> | undefined)[] =
    sources.length === 0
      ? [undefined]
      : sources.filter((prefix) => familyOf(prefix.address) === family).map((value) => ({ value }));
  const comment: Match = { kind: 'comment', text: `firewall ${name}` };
  const number = protocol === 'icmp' ? (family === 4 ? IpProto.ICMP : IpProto.ICMPV6) : protocol && protocols[protocol];
  const tests: (Match | undefined)[] =
    ports.length === 0 || protocol === undefined || protocol === 'icmp'
      ? [undefined]
      : ports.map((value) => ({ kind: protocol, dport: { value } }));
  return from.flatMap((source) =>
    tests.map((test) => ({
      ...(source === undefined ? {} : { source }),
      ...(number === undefined ? {} : { protocol: { value: number } }),
      matches: test === undefined ? [comment] : [comment, test],
      target: { kind: 'RETURN' },
    })),
  );
}

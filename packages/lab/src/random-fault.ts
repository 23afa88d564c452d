import type {
  Chain,
  NetnsConfig,
  RejectWith,
  Rule,
  Ruleset,
  Table,
  TableName,
  Target,
  WorldPlan,
} from '@netsim/kernel';
import { familyBits, familyOf, IpProto, prefixOf } from '@netsim/wire';
import type { Dice } from './dice.ts';

/** A plan with something spoilt in it, and what. */
export interface SpoiltPlan {
  readonly plan: WorldPlan;
  readonly fault?: string;
}

/** Now and then a rule that drops or rejects, or a route that is gone: a cluster as it is after somebody "fixed" it. */
export function randomFault(plan: WorldPlan, dice: Dice): SpoiltPlan {
  switch (dice.weighted({ none: 40, rule: 38, oddRule: 14, route: 8 })) {
    case 'none':
      return { plan };
    case 'route':
      return dropRoute(plan, dice);
    case 'oddRule':
      return plan.rulesets.length === 0 ? { plan } : oddRule(plan, dice);
    case 'rule':
      return plan.rulesets.length === 0 ? { plan } : badRule(plan, dice);
  }
}

function dropRoute(plan: WorldPlan, dice: Dice): SpoiltPlan {
  const nodes = plan.netns.filter((netns) => netns.routes.some((route) => route.destination !== undefined));
  if (nodes.length === 0) return { plan };
  const node = dice.pick(nodes);
  const gone = dice.pick(node.routes.filter((route) => route.destination !== undefined));
  const changed: NetnsConfig = { ...node, routes: node.routes.filter((route) => route !== gone) };
  return {
    plan: { ...plan, netns: plan.netns.map((netns) => (netns === node ? changed : netns)) },
    fault: `a route of ${node.name} is gone`,
  };
}

function badRule(plan: WorldPlan, dice: Dice): SpoiltPlan {
  const entry = dice.pick(plan.rulesets.filter(({ ruleset }) => ruleset.tables.has('filter')));
  const chain = dice.pick(['INPUT', 'FORWARD', 'OUTPUT']);
  const pods = plan.netns.filter((netns) => netns.label !== 'host').flatMap((netns) => netns.addresses);
  const { family } = entry.ruleset;
  const addresses = pods.map(({ address }) => address).filter((address) => familyOf(address) === family);
  const some = addresses.length > 0 ? dice.pick(addresses) : family === 4 ? 0 : 0n;
  const one = prefixOf(some, familyBits(family));
  const protocol = dice.pick([IpProto.TCP, IpProto.UDP]);
  const port = dice.pick([80, 53, 8080, 9000]);
  const ports = protocol === IpProto.TCP ? ('tcp' as const) : ('udp' as const);
  const match: Omit<Rule, 'matches'> & Partial<Pick<Rule, 'matches'>> = dice.pick([
    { destination: { value: one } },
    { source: { value: one, ...(dice.percent(30) ? { not: true } : {}) } },
    { protocol: { value: protocol }, matches: [{ kind: ports, dport: { value: { from: port, to: port } } }] },
    { inInterface: { value: dice.pick(['cni0', 'eth0', 'flannel.1', 'veth+']) } },
  ]);
  const rejections: readonly RejectWith[] =
    family === 4
      ? ['icmp-port-unreachable', 'icmp-admin-prohibited', 'icmp-host-unreachable']
      : ['icmp6-port-unreachable', 'icmp6-adm-prohibited', 'icmp6-addr-unreachable'];
  const target: Rule['target'] = dice.percent(40) ? { kind: 'DROP' } : { kind: 'REJECT', with: dice.pick(rejections) };
  // OUTPUT has no incoming device: iptables refuses to load such a rule.
  const usable = chain === 'OUTPUT' && 'inInterface' in match ? { destination: { value: one } } : match;
  // A rule that kept neighbour discovery from working would be seen only where nobody is known yet.
  const spared = family === 6 && usable.protocol === undefined ? { protocol: { value: protocol } } : {};
  const rule: Rule = { ...usable, ...spared, matches: usable.matches ?? [], target };
  return {
    plan: withRule(plan, entry.netns, entry.ruleset, 'filter', chain, rule, dice.percent(50)),
    fault: `${entry.netns} has another rule in filter ${chain}`,
  };
}

/** A rule in a table where few look for one: connections untracked, packets dropped early, traffic turned aside. */
function oddRule(plan: WorldPlan, dice: Dice): SpoiltPlan {
  const entry = dice.pick(plan.rulesets);
  const protocol = dice.pick([IpProto.TCP, IpProto.UDP]);
  const port = dice.pick([80, 53, 8080, 9000]);
  const ports = { from: port, to: port };
  const common = {
    protocol: { value: protocol },
    matches: [{ kind: protocol === IpProto.TCP ? ('tcp' as const) : ('udp' as const), dport: { value: ports } }],
  };
  const [table, chain, target] = dice.pick<readonly [TableName, string, Target]>([
    ['raw', 'PREROUTING', { kind: 'CT', notrack: true }],
    ['raw', 'OUTPUT', { kind: 'CT', notrack: true }],
    ['raw', 'PREROUTING', { kind: 'DROP' }],
    ['mangle', 'PREROUTING', { kind: 'DROP' }],
    ['mangle', 'FORWARD', { kind: 'DROP' }],
    ['mangle', 'POSTROUTING', { kind: 'DROP' }],
    ['mangle', 'FORWARD', { kind: 'MARK', value: 0x4000, mask: 0x4000 }],
    ['nat', 'PREROUTING', { kind: 'REDIRECT', range: { minPort: 9000, maxPort: 9000 } }],
    ['nat', 'POSTROUTING', { kind: 'MASQUERADE' }],
  ]);
  return {
    plan: withRule(plan, entry.netns, entry.ruleset, table, chain, { ...common, target }, dice.percent(70)),
    fault: `${entry.netns} has another rule in ${table} ${chain}: ${target.kind}`,
  };
}

/** The plan with one more rule, at the start or the end of a chain of one netns. */
function withRule(
  plan: WorldPlan,
  netns: string,
  ruleset: Ruleset,
  tableName: TableName,
  chainName: string,
  rule: Rule,
  first: boolean,
): WorldPlan {
  const table: Table = ruleset.tables.get(tableName) ?? { name: tableName, chains: new Map() };
  const chain: Chain = table.chains.get(chainName) ?? { name: chainName, policy: 'ACCEPT', rules: [] };
  const changed: Chain = { ...chain, rules: first ? [rule, ...chain.rules] : [...chain.rules, rule] };
  const tables = new Map(ruleset.tables).set(tableName, {
    ...table,
    chains: new Map(table.chains).set(chainName, changed),
  });
  const spoilt: Ruleset = { ...ruleset, tables };
  return {
    ...plan,
    rulesets: plan.rulesets.map((entry) =>
      entry.netns === netns && entry.ruleset === ruleset ? { netns, ruleset: spoilt } : entry,
    ),
  };
}

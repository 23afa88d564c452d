import type { NftElement, NftRule, NftValue, WorldPlan } from '@netsim/kernel';
import type { Probe } from './observation.ts';
import { KnownPorts } from './packet.ts';

/** What the comparison needs to know of a plan: both sides read it from here, so that they cannot disagree about it. */
export interface PlanFacts {
  /** UDP ports whose datagrams hold frames. */
  readonly vxlanPorts: ReadonlySet<number>;
  /** `netns device` of every end that is not a bridge port: there an arrival means something. */
  readonly ends: ReadonlySet<string>;
  ports(probe: Probe): KnownPorts;
}

export function planFacts(plan: WorldPlan): PlanFacts {
  const vxlanPorts = new Set<number>();
  const ends = new Set<string>();
  const known = new Set<number>();
  for (const { name, links } of plan.netns) {
    for (const link of links) {
      if (link.kind === 'vxlan') vxlanPorts.add(link.port ?? 8472);
      if (link.kind === 'physical' && link.master === undefined) ends.add(`${name} ${link.name}`);
      if (link.kind === 'veth') {
        if (link.master === undefined) ends.add(`${name} ${link.name}`);
        const peerMaster = plan.netns
          .find((netns) => netns.name === link.peer.netns)
          ?.links.find((other) => other.name === link.peer.name)?.master;
        if (peerMaster === undefined) ends.add(`${link.peer.netns} ${link.peer.name}`);
      }
    }
  }
  for (const port of vxlanPorts) known.add(port);
  for (const { port } of plan.listeners) known.add(port);
  for (const { ruleset } of plan.rulesets) {
    for (const table of ruleset.tables.values()) {
      for (const chain of table.chains.values()) {
        for (const { target } of chain.rules) {
          if (target?.kind === 'DNAT' && target.range.minPort !== undefined) known.add(target.range.minPort);
        }
      }
    }
  }
  for (const { tables } of (plan.nftRulesets ?? []).map(({ ruleset }) => ruleset)) {
    for (const { rules } of tables.flatMap((table) => [...table.chains.values()])) {
      for (const port of rules.flatMap(dnatPorts)) known.add(port);
    }
  }
  return {
    vxlanPorts,
    ends,
    ports: (probe) => new KnownPorts(probe.sourcePort, new Set([...known, probe.port])),
  };
}

/** Ports that an nft rule translates to, also where it takes one of several endpoints. */
function dnatPorts(rule: NftRule): number[] {
  return rule.statements.flatMap((statement) => {
    if (statement.kind !== 'dnat') return [];
    const { port, addressAndPort } = statement;
    const values: (NftValue | undefined)[] = [];
    if (port?.from.kind === 'value') values.push(port.from.value);
    if (addressAndPort?.kind === 'map' && addressAndPort.map.kind === 'elements') {
      for (const { data } of addressAndPort.map.elements) if (isValues(data)) values.push(data[1]);
    }
    return values.filter((value) => typeof value === 'number');
  });
}

function isValues(data: NftElement['data']): data is readonly NftValue[] {
  return Array.isArray(data);
}

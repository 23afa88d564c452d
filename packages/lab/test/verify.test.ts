import type { NftTable, Rule, Ruleset, WorldPlan } from '@netsim/kernel';
import type { Service } from '@netsim/manifest';
import { describe, expect, it } from 'vitest';
import { clusterOfSeed, missingForLab, renderDisagreement, reportLine, verify } from '../src/index.ts';

const missing = missingForLab();
if (missing.length > 0) console.log(`verify: skipped: needs ${missing.join(', ')}`);

describe('random clusters', () => {
  it('are the same for the same seed, plan and probes included', async () => {
    const [a, b] = [await clusterOfSeed(7, 3, 30), await clusterOfSeed(7, 3, 30)];
    expect(a.objects).toEqual(b.objects);
    expect(a.probes).toEqual(b.probes);
    expect(a.plan).toEqual(b.plan);
  });

  it('differ from one seed to the next', async () => {
    expect((await clusterOfSeed(7, 3, 30)).probes).not.toEqual((await clusterOfSeed(8, 3, 30)).probes);
  });

  it('hold one mode and one family where they are asked for, and the same pods in each', async () => {
    const podNames = new Set<string>();
    for (const proxyMode of ['iptables', 'nftables'] as const) {
      for (const ipFamily of ['ipv4', 'ipv6', 'dual'] as const) {
        const { objects, plan } = await clusterOfSeed(1, 4, 1, { proxyMode, ipFamily });
        const nodes = objects.filter(({ kind }) => kind === 'Node').length;
        const families = [4, 6].filter((family) => plan.rulesets.some(({ ruleset }) => ruleset.family === family));
        expect(families).toEqual({ ipv4: [4], ipv6: [6], dual: [4, 6] }[ipFamily]);
        expect(plan.nftRulesets?.length ?? 0).toBe(proxyMode === 'nftables' ? nodes : 0);
        podNames.add(objects.flatMap(({ kind, metadata }) => (kind === 'Pod' ? [metadata.name] : [])).join(' '));
      }
    }
    expect(podNames.size).toBe(1);
  });

  it('meet every mode and family, every type of service and way in, in forty clusters', async () => {
    const met = new Set<string>();
    const asked = new Set<string>();
    for (let number = 0; number < 40; number++) {
      const { objects, plan, probes } = await clusterOfSeed(1, number, 40);
      met.add(plan.nftRulesets === undefined ? 'iptables' : 'nftables');
      met.add([...new Set(plan.rulesets.map(({ ruleset }) => ruleset.family))].join(' and '));
      for (const object of objects)
        if (object.kind === 'Service') met.add((object as Service).spec.type ?? 'ClusterIP');
      for (const { from, port, destination } of probes) {
        const where =
          plan.netns.find((netns) => netns.name === from)!.label === 'host' ? from.replace(/\d/, '') : 'pod';
        if (port >= 30_000) asked.add(`a node port from ${where}`);
        if (/^(203\.0\.113\.|2001:db8:5::)/.test(destination)) asked.add(`an external address from ${where}`);
      }
    }
    expect([...met].sort()).toEqual(
      ['4', '4 and 6', '6', 'ClusterIP', 'LoadBalancer', 'NodePort', 'iptables', 'nftables'].sort(),
    );
    for (const what of ['a node port', 'an external address']) {
      for (const where of ['pod', 'w', 'external']) expect(asked).toContain(`${what} from ${where}`);
    }
  });

  it('ask by every protocol, from pods and machines, in twenty clusters', async () => {
    const asked = new Set<string>();
    for (let number = 0; number < 20; number++) {
      const { plan, probes } = await clusterOfSeed(1, number, 30);
      for (const { from, protocol } of probes) {
        const label = plan.netns.find((netns) => netns.name === from)!.label;
        asked.add(`${protocol} from a ${label === 'host' ? 'machine' : 'pod'}`);
      }
    }
    const expected = ['tcp', 'udp', 'icmp'].flatMap((protocol) =>
      ['machine', 'pod'].map((who) => `${protocol} from a ${who}`),
    );
    expect([...asked].sort()).toEqual(expected.sort());
  });
});

describe.skipIf(missing.length > 0)('verify', () => {
  it.each([
    ['iptables', 'ipv4'],
    ['iptables', 'ipv6'],
    ['nftables', 'ipv4'],
    ['nftables', 'dual'],
  ] as const)(
    'finds that the real kernel and ours agree in %s mode, %s',
    async (proxyMode, ipFamily) => {
      const report = await verify({ probes: 30, clusters: 3, seed: 20, proxyMode, ipFamily });
      expect(report.disagreements.map(renderDisagreement).join('\n')).toBe('');
      expect(reportLine(report)).toMatch(/^lab verify: seed 20, 3 clusters, 30 probes: 30 agree/);
    },
    120_000,
  );

  const noMark = { what: "kube-proxy's mark for masquerading", spoil: withoutMasqueradeMark, seed: 21, clusters: 3 };
  const noServiceRule = { what: 'a rule of kube-proxy', spoil: withoutFirstServiceRule, seed: 20, clusters: 2 };
  const noOutputRule = {
    what: 'the first rule of filter OUTPUT',
    spoil: withoutFirstOutputRule,
    seed: 20,
    clusters: 1,
  };
  it.each([
    { proxyMode: 'iptables', ipFamily: 'ipv4', ...noMark, shown: '-j KUBE-MARK-MASQ' },
    { proxyMode: 'iptables', ipFamily: 'ipv6', ...noMark, shown: '-j KUBE-MARK-MASQ' },
    {
      proxyMode: 'nftables',
      ipFamily: 'ipv4',
      ...noServiceRule,
      shown: 'ip kube-proxy services 2: ip daddr . meta l4',
    },
    { proxyMode: 'nftables', ipFamily: 'ipv6', ...noServiceRule, shown: 'ip6 kube-proxy services 2: ip6 daddr . meta' },
    { proxyMode: 'iptables', ipFamily: 'ipv4', ...noOutputRule, shown: 'filter OUTPUT 1: ' },
    { proxyMode: 'nftables', ipFamily: 'ipv4', ...noOutputRule, shown: 'filter OUTPUT 1: -j KUBE-FIREWALL' },
  ] as const)(
    'in $proxyMode mode, $ipFamily, finds that $what is gone, and shows it',
    async ({ clusters, shown, ...options }) => {
      const report = await verify({ ...options, clusters, probes: 10 * clusters });
      const text = report.disagreements.map(renderDisagreement).join('\n');
      expect(report.agreed).toBeLessThan(report.probes);
      expect(text).toContain(shown);
      expect(reportLine(report)).toContain('do not');
    },
    120_000,
  );
});

describe('without root', () => {
  it('says what is missing instead of passing in silence', () => {
    const nothing = { seed: 1, clusters: 0, probes: 0, agreed: 0, repeated: 0, disagreements: [] };
    expect(reportLine({ ...nothing, missing: ['root', 'nft (nftables)'] })).toBe(
      'lab verify: skipped: needs root, nft (nftables)',
    );
  });
});

/** A slip in kube-proxy: nothing is marked for masquerading any more. */
function withoutMasqueradeMark(plan: WorldPlan): WorldPlan {
  return withRules(plan, (rules) =>
    rules.filter(({ target }) => !(target?.kind === 'jump' && target.chain === 'KUBE-MARK-MASQ')),
  );
}

/** A slip of the kubelet: what nodes send meets a rule less. */
function withoutFirstOutputRule(plan: WorldPlan): WorldPlan {
  return withRules(plan, (rules, table, chain) => (table === 'filter' && chain === 'OUTPUT' ? rules.slice(1) : rules));
}

/** The plan with the rules of each chain of iptables replaced. */
function withRules(
  plan: WorldPlan,
  change: (rules: readonly Rule[], table: string, chain: string) => readonly Rule[],
): WorldPlan {
  const changed = ({ family, tables }: Ruleset): Ruleset => ({
    family,
    tables: new Map(
      [...tables].map(([table, { chains }]) => [
        table,
        {
          name: table,
          chains: new Map(
            [...chains].map(([name, chain]) => [name, { ...chain, name, rules: change(chain.rules, table, name) }]),
          ),
        },
      ]),
    ),
  });
  return { ...plan, rulesets: plan.rulesets.map(({ netns, ruleset }) => ({ netns, ruleset: changed(ruleset) })) };
}

/** A slip in kube-proxy: the rule that marks cluster traffic from outside for masquerading is gone, the others move up. */
function withoutFirstServiceRule(plan: WorldPlan): WorldPlan {
  const spoil = (table: NftTable): NftTable => {
    const services = table.chains.get('services')!;
    return { ...table, chains: new Map(table.chains).set('services', { ...services, rules: services.rules.slice(1) }) };
  };
  const nftRulesets = plan.nftRulesets?.map(({ netns, ruleset }) => ({
    netns,
    ruleset: { tables: ruleset.tables.map(spoil) },
  }));
  return nftRulesets === undefined ? plan : { ...plan, nftRulesets };
}

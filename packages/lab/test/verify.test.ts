import type { Ruleset, WorldPlan } from '@netsim/kernel';
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
  it('finds that the real kernel and ours agree', async () => {
    const report = await verify({ probes: 30, clusters: 3, seed: 20 });
    expect(report.disagreements.map(renderDisagreement).join('\n')).toBe('');
    expect(reportLine(report)).toMatch(/^lab verify: seed 20, 3 clusters, 30 probes: 30 agree/);
  }, 120_000);

  it('finds a rule that was broken on purpose, and shows it', async () => {
    const report = await verify({ probes: 30, clusters: 3, seed: 20, spoil: withoutMasqueradeMark });
    const text = report.disagreements.map(renderDisagreement).join('\n');
    expect(report.agreed).toBeLessThan(report.probes);
    expect(text).toContain('-j KUBE-MARK-MASQ');
    expect(reportLine(report)).toContain('do not');
  }, 120_000);
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
  const spoil = (ruleset: Ruleset): Ruleset => ({
    ...ruleset,
    tables: new Map(
      [...ruleset.tables].map(([name, table]) => [
        name,
        {
          ...table,
          chains: new Map(
            [...table.chains].map(([chainName, chain]) => [
              chainName,
              {
                ...chain,
                rules: chain.rules.filter(
                  ({ target }) => !(target?.kind === 'jump' && target.chain === 'KUBE-MARK-MASQ'),
                ),
              },
            ]),
          ),
        },
      ]),
    ),
  });
  return { ...plan, rulesets: plan.rulesets.map(({ netns, ruleset }) => ({ netns, ruleset: spoil(ruleset) })) };
}

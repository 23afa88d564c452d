import { parseIptablesSave, type Ruleset, SeededRandom, type WorldPlan } from '@netsim/kernel';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareObservations } from '../src/compare.ts';
import { emulateSeries } from '../src/emulated.ts';
import { buildLab, compareSeries, type Lab, missingForLab, type Probe, renderDifferences } from '../src/index.ts';
import { twoNodes } from './support/two-nodes.ts';

const missing = missingForLab();
if (missing.length > 0) console.log(`agreement: skipped: needs ${missing.join(', ')}`);

/** One service with a backend on each node, as kube-proxy writes it, and a few firewall rules. */
const rules = parseIptablesSave(
  `*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -d 10.244.2.3/32 -p tcp -j REJECT --reject-with icmp-admin-prohibited
-A FORWARD -d 10.244.2.3/32 -p udp -j DROP
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-SEP-A - [0:0]
:KUBE-SEP-B - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-WEB - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
-A KUBE-SEP-A -s 10.244.1.3/32 -j KUBE-MARK-MASQ
-A KUBE-SEP-A -p tcp -m tcp -j DNAT --to-destination 10.244.1.3:8080
-A KUBE-SEP-B -s 10.244.2.2/32 -j KUBE-MARK-MASQ
-A KUBE-SEP-B -p tcp -m tcp -j DNAT --to-destination 10.244.2.2:8080
-A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m comment --comment "default/web cluster IP" -m tcp --dport 80 -j KUBE-SVC-WEB
-A KUBE-SVC-WEB ! -s 10.244.0.0/16 -d 10.96.0.10/32 -p tcp -m tcp --dport 80 -j KUBE-MARK-MASQ
-A KUBE-SVC-WEB -m statistic --mode random --probability 0.5 -j KUBE-SEP-A
-A KUBE-SVC-WEB -j KUBE-SEP-B
COMMIT
`,
  4,
);
const plan: WorldPlan = {
  netns: twoNodes.netns,
  rulesets: ['w1', 'w2'].map((netns) => ({ netns, ruleset: rules })),
  listeners: [...twoNodes.listeners, { netns: 'w1/a1', protocol: 'tcp', port: 8080, program: 'a1' }],
};

describe.skipIf(missing.length > 0)('the real kernel and ours, on two nodes with a service', () => {
  let lab: Lab;
  let sourcePort = 61_000;
  beforeAll(async () => {
    lab = await buildLab(plan);
  });
  afterAll(() => lab.down());

  const compare = async (probes: Omit<Probe, 'sourcePort'>[], emulatedPlan = plan) =>
    (
      await compareSeries(
        lab,
        emulatedPlan,
        probes.map((probe) => ({ ...probe, sourcePort: sourcePort++ })),
      )
    ).differences;

  it('the rules that were loaded are those that iptables-save prints', () => {
    expect(lab.ruleDifferences).toEqual([]);
  });

  const destinations: [string, Pick<Probe, 'protocol' | 'destination' | 'port'>][] = [
    ['the service', { protocol: 'tcp', destination: '10.96.0.10', port: 80 }],
    ['another port of the service', { protocol: 'tcp', destination: '10.96.0.10', port: 81 }],
    ['the service by ping', { protocol: 'icmp', destination: '10.96.0.10', port: 0 }],
    ['a pod that serves', { protocol: 'udp', destination: '10.244.2.2', port: 8080 }],
    ['a closed port', { protocol: 'udp', destination: '10.244.2.2', port: 81 }],
    ['a pod by ping', { protocol: 'icmp', destination: '10.244.2.2', port: 0 }],
    ['what a rule rejects', { protocol: 'tcp', destination: '10.244.2.3', port: 80 }],
    ['what a rule drops', { protocol: 'udp', destination: '10.244.2.3', port: 80 }],
    ['a pod address that nobody has', { protocol: 'tcp', destination: '10.244.2.99', port: 80 }],
    ['a node', { protocol: 'tcp', destination: '192.168.1.102', port: 80 }],
    ['itself by loopback', { protocol: 'udp', destination: '127.0.0.1', port: 80 }],
  ];
  const sources = ['w1/a0', 'w1/a1', 'w2/b0', 'w1'];
  it.each(sources.flatMap((from) => destinations.map(([what, to]) => [from, what, to] as const)))(
    'agree on %s to %s',
    async (from, _what, to) => {
      expect(renderDifferences(await compare([{ from, ...to }]))).toBe('');
    },
  );

  it('agree on a connection that follows another with its state kept', async () => {
    const probe = { from: 'w1/a0', protocol: 'tcp', destination: '10.96.0.10', port: 80 } as const;
    expect(renderDifferences(await compare([probe, { ...probe, keepState: true }]))).toBe('');
  });

  it('disagree where one rule of ours is another than the one loaded there, and the case says which', async () => {
    const text = lab.plan.rulesets[0]!;
    const broken: WorldPlan = {
      ...plan,
      rulesets: plan.rulesets.map((entry) =>
        entry.netns === text.netns ? { netns: entry.netns, ruleset: withoutRule(entry.ruleset) } : entry,
      ),
    };
    const differences = await compare(
      [{ from: 'w1/a0', protocol: 'udp', destination: '10.244.2.3', port: 80 }],
      broken,
    );
    expect(renderDifferences(differences)).toContain('filter FORWARD 3: -d 10.244.2.3/32 -p udp -j DROP');
  });
});

describe.skipIf(missing.length > 0)('the real kernel and ours, where a node rejects what it sends', () => {
  const rejecting = (rule: string): Ruleset =>
    parseIptablesSave(`*filter\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT ${rule}\nCOMMIT\n`, 4);
  let sourcePort = 63_000;
  const admin = '-j REJECT --reject-with icmp-admin-prohibited';

  it.each([
    ['what it answers to its pods', `-d 10.244.1.0/24 ${admin}`],
    ['the datagrams of the overlay', `-p udp -m udp --dport 8472 ${admin}`],
  ])(
    '%s: agree on pings and connections to it, through it and from it',
    async (_what, rule) => {
      const spoilt: WorldPlan = { ...twoNodes, rulesets: [{ netns: 'w1', ruleset: rejecting(rule) }] };
      const lab = await buildLab(spoilt);
      const found: string[] = [];
      const broken: string[] = [];
      try {
        for (const [from, protocol, destination] of [
          ['w1/a0', 'icmp', '10.244.1.1'],
          ['w1/a0', 'icmp', '10.244.2.2'],
          ['w1/a0', 'udp', '192.168.1.101'],
          ['w2/b0', 'icmp', '192.168.1.101'],
          ['w2/b0', 'tcp', '10.244.1.2'],
          ['w1', 'icmp', '10.244.1.2'],
        ] as const) {
          const probe: Probe = {
            from,
            protocol,
            destination,
            port: protocol === 'icmp' ? 0 : 81,
            sourcePort: sourcePort++,
          };
          const series = [probe, { ...probe, sourcePort: sourcePort++, keepState: true }];
          const { differences, real } = await compareSeries(lab, spoilt, series);
          found.push(renderDifferences(differences));
          const unspoilt = emulateSeries(twoNodes, series, new SeededRandom(1));
          broken.push(...real.map((seen, i) => renderDifferences(compareObservations(seen, unspoilt[i]!))));
        }
      } finally {
        await lab.down();
      }
      expect(found.join('')).toBe('');
      expect(broken.join('')).toContain(`filter OUTPUT 1: ${rule}`);
    },
    60_000,
  );
});

/** As somebody's slip of the pen: the last rule of FORWARD is gone. */
function withoutRule(ruleset: typeof rules): typeof rules {
  const filter = ruleset.tables.get('filter')!;
  const forward = filter.chains.get('FORWARD')!;
  const chains = new Map(filter.chains).set('FORWARD', { ...forward, rules: forward.rules.slice(0, -1) });
  return { ...ruleset, tables: new Map(ruleset.tables).set('filter', { ...filter, chains }) };
}

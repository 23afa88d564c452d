import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { IptablesError } from '../../src/netfilter/iptables/error.ts';
import { printIptablesSave, printRule } from '../../src/netfilter/iptables/print.ts';
import { applyRestore, parseIptablesSave } from '../../src/netfilter/iptables/restore.ts';
import type { Ruleset } from '../../src/netfilter/iptables/rule.ts';

const fixture = (name: string): string => readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8');
const lines = (text: string): string[] => text.trim().split('\n').sort();

describe('every match and target that netsim knows', () => {
  for (const family of [4, 6] as const) {
    test(`what iptables-restore takes prints as iptables-save printed it (IPv${family})`, () => {
      const given = parseIptablesSave(fixture(`every-rule${family}.restore`), family);
      // The real tool lists tables in an order of its own.
      expect(lines(printIptablesSave(given))).toEqual(lines(fixture(`every-rule${family}.save`)));
    });
    test(`what iptables-save printed reads and prints byte for byte (IPv${family})`, () => {
      const text = fixture(`every-rule${family}.save`);
      expect(printIptablesSave(parseIptablesSave(text, family))).toBe(text);
    });
  }
});

describe('iptables-restore', () => {
  const base = parseIptablesSave(
    '*filter\n:INPUT DROP [0:0]\n:mine - [0:0]\n:yours - [0:0]\n-A INPUT -j mine\n-A mine -p tcp -j ACCEPT\n-A yours -j DROP\nCOMMIT\n',
    4,
  );
  const rulesOf = (ruleset: Ruleset, chain: string): string[] | undefined =>
    ruleset.tables
      .get('filter')
      ?.chains.get(chain)
      ?.rules.map((rule) => printRule(rule));

  test('with --noflush empties only the chains that are declared', () => {
    const after = applyRestore(base, '*filter\n:mine - [0:0]\n-A mine -p udp -j ACCEPT\nCOMMIT\n', { noflush: true });
    expect(rulesOf(after, 'mine')).toEqual(['-p udp -j ACCEPT']);
    expect(rulesOf(after, 'yours')).toEqual(['-j DROP']);
    expect(rulesOf(after, 'INPUT')).toEqual(['-j mine']);
    expect(rulesOf(base, 'mine')).toEqual(['-p tcp -j ACCEPT']);
  });

  test('with --noflush leaves untouched chains the very same objects', () => {
    const after = applyRestore(base, '*filter\n:mine - [0:0]\nCOMMIT\n', { noflush: true });
    expect(after.tables.get('filter')?.chains.get('yours')).toBe(base.tables.get('filter')?.chains.get('yours'));
  });

  test('without --noflush replaces the tables named and keeps the others and the policy', () => {
    const after = applyRestore(base, '*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n');
    expect(rulesOf(after, 'mine')).toEqual(['-p tcp -j ACCEPT']);
    const again = applyRestore(after, '*filter\nCOMMIT\n');
    expect(again.tables.get('filter')?.chains.has('mine')).toBe(false);
    expect(again.tables.get('filter')?.chains.get('INPUT')?.policy).toBe('DROP');
  });

  test('knows -I, -R, -D by number and by rule, -N, -F, -X and -P', () => {
    const after = applyRestore(
      base,
      `*filter
-P FORWARD DROP
-N extra
-A extra -s 1.2.3.4 -j ACCEPT
-A extra -s 1.2.3.5 -j ACCEPT
-A extra -s 1.2.3.6 -j ACCEPT
-I extra -j RETURN
-I extra 2 -j DROP
-D extra 1
-D extra -j ACCEPT -s 1.2.3.5/32
-R extra 3 -s 9.9.9.9 -j DROP
-F yours
-X yours
COMMIT
`,
      { noflush: true },
    );
    expect(rulesOf(after, 'extra')).toEqual(['-j DROP', '-s 1.2.3.4/32 -j ACCEPT', '-s 9.9.9.9/32 -j DROP']);
    expect(after.tables.get('filter')?.chains.get('FORWARD')?.policy).toBe('DROP');
    expect(after.tables.get('filter')?.chains.has('yours')).toBe(false);
  });

  test("kube-proxy's own way of writing becomes the way of iptables-save", () => {
    const text = `*nat
:KUBE-SERVICES - [0:0]
:KUBE-OLD - [0:0]
-A KUBE-SERVICES -m comment --comment "ns1/svc1:p80 cluster IP" -m tcp -p tcp -d 10.96.0.1 --dport 80 -j MARK --or-mark 0x00004000
-A KUBE-SERVICES -j MARK --xor-mark 0x00004000
-A KUBE-SERVICES -m statistic --mode random --probability 0.3333333333 -j RETURN
-A KUBE-SERVICES -m recent --name SEP --rcheck --seconds 10800 --reap -j RETURN
-X KUBE-OLD
COMMIT
`;
    expect(printIptablesSave(parseIptablesSave(text, 4))).toBe(`*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
-A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -m comment --comment "ns1/svc1:p80 cluster IP" -m tcp --dport 80 -j MARK --set-xmark 0x4000/0x4000
-A KUBE-SERVICES -j MARK --set-xmark 0x4000/0x0
-A KUBE-SERVICES -m statistic --mode random --probability 0.33333333349 -j RETURN
-A KUBE-SERVICES -m recent --rcheck --seconds 10800 --reap --name SEP --mask 255.255.255.255 --rsource -j RETURN
COMMIT
`);
  });

  test('counters are read over, and printed where asked for', () => {
    const ruleset = parseIptablesSave('*filter\n:INPUT ACCEPT [3:180]\n[3:180] -A INPUT -p tcp -j ACCEPT\nCOMMIT\n', 4);
    expect(printIptablesSave(ruleset, { counters: () => ({ packets: 3, bytes: 180 }) })).toContain(
      '[3:180] -A INPUT -p tcp -j ACCEPT\n',
    );
  });
});

describe('what is refused', () => {
  function problems(body: string, table = 'filter'): { line: number; message: string; suggestion?: string }[] {
    try {
      parseIptablesSave(`*${table}\n${body}\nCOMMIT\n`, 4);
      return [];
    } catch (error) {
      if (!(error instanceof IptablesError)) throw error;
      return [...error.problems];
    }
  }

  const long = (count: number): string =>
    Array.from({ length: count }, (_, i) => `:C${i} - [0:0]`).join('\n') +
    '\n-A INPUT -j C0\n' +
    Array.from({ length: count - 1 }, (_, i) => `-A C${i} -j C${i + 1}`).join('\n');

  const cases: [string, string, { line: number; message: RegExp; suggestion?: string }][] = [
    [
      'a jump to a chain that is not there',
      ':KUBE-FORWARD - [0:0]\n-A INPUT -j KUBE-FORWRAD',
      { line: 3, message: /Couldn't load target "KUBE-FORWRAD"/, suggestion: 'KUBE-FORWARD' },
    ],
    [
      'a jump loop',
      ':A - [0:0]\n:B - [0:0]\n-A INPUT -j A\n-A A -j B\n-A B -j A',
      { line: 6, message: /makes a loop/ },
    ],
    ['a chain that jumps to itself', ':A - [0:0]\n-A INPUT -j A\n-A A -g A', { line: 4, message: /makes a loop/ }],
    ['chains nested too deep', long(16), { line: 33, message: /Too many links/ }],
    ['a jump to a built-in chain', '-A INPUT -j FORWARD', { line: 2, message: /built-in chain "FORWARD"/ }],
    ['a chain name that is too long', ':THISNAMEISFARTOOLONGFORAACHAIN0 - [0:0]', { line: 2, message: /too long/ }],
    ['a chain named like a target', ':ACCEPT - [0:0]', { line: 2, message: /clashes/ }],
    [
      'a rule for a chain that is not there',
      '-A INPTU -j ACCEPT',
      { line: 2, message: /No chain by the name "INPTU"/, suggestion: 'INPUT' },
    ],
    [
      'a misspelt option',
      '-A INPUT -p tcp --dprot 80',
      { line: 2, message: /unknown option "--dprot"/, suggestion: '--dport' },
    ],
    ['ports without a protocol', '-A INPUT --dport 80', { line: 2, message: /unknown option "--dport"/ }],
    [
      'a misspelt match',
      '-A INPUT -m contrack --ctstate NEW',
      { line: 2, message: /Couldn't load match/, suggestion: 'conntrack' },
    ],
    [
      'a misspelt state',
      '-A INPUT -m conntrack --ctstate NEW,ESTABLISED',
      { line: 2, message: /Bad ctstate/, suggestion: 'ESTABLISHED' },
    ],
    ['a misspelt protocol', '-A INPUT -p tpc', { line: 2, message: /unknown protocol/, suggestion: 'tcp' }],
    ['an address out of range', '-A INPUT -s 10.0.0.256', { line: 2, message: /not an IPv4 address/ }],
    ['a prefix length out of range', '-A INPUT -s 10.0.0.0/33', { line: 2, message: /prefix length 33/ }],
    ['a port out of range', '-A INPUT -p tcp --dport 65536', { line: 2, message: /not a port/ }],
    ['an option without its argument', '-A INPUT -p', { line: 2, message: /requires an argument/ }],
    ['an unknown policy', '-P INPUT MAYBE', { line: 2, message: /Bad policy/ }],
    ['deleting a chain that is not there', '-X NOPE', { line: 2, message: /No chain by the name/ }],
    ['deleting a chain that is not empty', ':A - [0:0]\n-A A -j ACCEPT\n-X A', { line: 4, message: /not empty/ }],
    [
      'deleting a chain that is jumped to',
      ':A - [0:0]\n-A INPUT -j A\n-X A',
      { line: 3, message: /Couldn't load target "A"/ },
    ],
    [
      'DNAT outside the nat table',
      '-A INPUT -j DNAT --to-destination 1.2.3.4',
      { line: 2, message: /only valid in the "nat" table/ },
    ],
    ['-o in INPUT', '-A INPUT -o eth0 -j ACCEPT', { line: 2, message: /Can't use -o with INPUT/ }],
    [
      'two mistakes at once: the first',
      '-A INPUT -p tpc\n-A INPUT -j NOPE --x',
      { line: 2, message: /unknown protocol/ },
    ],
  ];
  test.each(cases)('%s', (_name, body, expected) => {
    const found = problems(body)[0];
    expect(found?.line).toBe(expected.line);
    expect(found?.message).toMatch(expected.message);
    if (expected.suggestion !== undefined) expect(found?.suggestion).toBe(expected.suggestion);
  });

  test('MASQUERADE in a chain that OUTPUT reaches', () => {
    expect(problems(':A - [0:0]\n-A OUTPUT -j A\n-A A -j MASQUERADE', 'nat')).toMatchObject([
      { line: 4, message: expect.stringMatching(/not valid in hook OUTPUT/) },
    ]);
  });

  test('all mistakes are told at once, by line', () => {
    expect(problems('-A INPUT -p tpc\n-A INPUT -s x\n-A NOPE -j ACCEPT').map(({ line }) => line)).toEqual([2, 3, 4]);
  });

  test('a missing COMMIT, an unknown table, a rule outside any table', () => {
    const text = '-A INPUT -j DROP\n*fliter\n*filter\n-A INPUT -j DROP\n';
    expect(() => parseIptablesSave(text, 4)).toThrow(
      /line 1: .*outside a table[\s\S]*line 2: .*did you mean filter[\s\S]*COMMIT expected/,
    );
  });

  test('a loop that no hook reaches is let be, as the kernel does', () => {
    expect(problems(':A - [0:0]\n:B - [0:0]\n-A A -j B\n-A B -j A')).toEqual([]);
  });

  test('chains nested as deep as the kernel allows', () => {
    expect(problems(long(15))).toEqual([]);
  });
});

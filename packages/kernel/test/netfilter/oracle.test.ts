import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { printIptablesSave } from '../../src/netfilter/iptables/print.ts';
import { parseIptablesSave } from '../../src/netfilter/iptables/restore.ts';

function works(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

const netns = `netsim-nf-${process.pid}`;
const missing =
  process.getuid?.() !== 0
    ? 'needs root'
    : !works('ip', '-V')
      ? 'needs iproute2'
      : !works('iptables-nft-restore', '--version')
        ? 'needs iptables'
        : !works('ip', 'netns', 'add', netns)
          ? 'needs network namespaces'
          : undefined;
if (missing !== undefined) console.log(`netfilter oracle: skipped: ${missing}`);

function run(args: readonly string[], input = ''): string {
  const { status, stdout, stderr } = spawnSync('ip', ['netns', 'exec', netns, ...args], { input, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${args.join(' ')}: ${stderr}`);
  return stdout;
}
function accepts(args: readonly string[], input: string): boolean {
  return spawnSync('ip', ['netns', 'exec', netns, ...args], { input }).status === 0;
}

afterAll(() => {
  if (missing === undefined) spawnSync('ip', ['netns', 'del', netns]);
});

describe.skipIf(missing !== undefined)('the real iptables', () => {
  let hasSets = false;
  beforeAll(() => {
    hasSets = accepts(['ipset', 'create', 'foo', 'hash:ip,port'], '');
  });

  for (const family of [4, 6] as const) {
    const prefix = family === 4 ? 'iptables-nft' : 'ip6tables-nft';
    test(`takes what we print, and prints it as we do (IPv${family})`, () => {
      const url = new URL(`./fixtures/every-rule${family}.restore`, import.meta.url);
      const text = readFileSync(url, 'utf8')
        .split('\n')
        .filter((line) => hasSets || !line.includes('--match-set'))
        .join('\n');
      const ours = printIptablesSave(parseIptablesSave(text, family));
      run([`${prefix}-restore`, '--test'], ours);
      run([`${prefix}-restore`], ours);
      const theirs = run([`${prefix}-save`]).replace(/^#.*\n/gm, '');
      expect(theirs.split('\n').sort()).toEqual(ours.split('\n').sort());
      expect(printIptablesSave(parseIptablesSave(theirs, family))).toBe(theirs);
    });
  }

  const verdicts: [string, string][] = [
    ['a jump to a chain that is not there', '-A INPUT -j NOPE'],
    ['a loop that a hook reaches', ':A - [0:0]\n:B - [0:0]\n-A INPUT -j A\n-A A -j B\n-A B -j A'],
    ['a loop that no hook reaches', ':A - [0:0]\n:B - [0:0]\n-A A -j B\n-A B -j A'],
    ['fifteen chains deep', deep(15)],
    ['sixteen chains deep', deep(16)],
    ['a chain name of 28 characters', `:${'A'.repeat(28)} - [0:0]`],
    ['a chain name of 29 characters', `:${'A'.repeat(29)} - [0:0]`],
    ['a chain named like a target', ':ACCEPT - [0:0]'],
    ['DNAT in the filter table', '-A OUTPUT -j DNAT --to-destination 1.2.3.4'],
    ['MARK in the filter table', '-A OUTPUT -j MARK --set-mark 1'],
    ['CT in the filter table', '-A OUTPUT -j CT --notrack'],
    ['TRACE in the filter table', '-A OUTPUT -j TRACE'],
    ['rpfilter in the filter table', '-A INPUT -m rpfilter'],
    ['a port without a protocol', '-A INPUT --dport 80'],
    ['multiport without a protocol', '-A INPUT -m multiport --dports 80'],
    ['tcp-reset without a protocol', '-A INPUT -j REJECT --reject-with tcp-reset'],
    ['a user chain with a policy', ':A ACCEPT [0:0]'],
    ['deleting a chain with rules', ':A - [0:0]\n-A A -j ACCEPT\n-X A'],
    ['deleting an empty chain', ':A - [0:0]\n-X A'],
    ['deleting a chain that is jumped to', ':A - [0:0]\n-A INPUT -j A\n-X A'],
    ['-i in a user chain that OUTPUT reaches', ':A - [0:0]\n-A OUTPUT -j A\n-A A -i eth0 -j ACCEPT'],
    ['-i in OUTPUT', '-A OUTPUT -i eth0 -j ACCEPT'],
    ['an unknown protocol', '-A INPUT -p tpc -j ACCEPT'],
    ['a probability over one', '-A INPUT -m statistic --mode random --probability 1.5'],
    ['options in any order', '-A INPUT -m tcp -j ACCEPT -p tcp --dport 80 -d 1.2.3.4'],
    ['the same option twice', '-A INPUT -s 1.2.3.4 -s 1.2.3.5 -j ACCEPT'],
    ['sixteen ports', `-A INPUT -p tcp -m multiport --dports ${Array.from({ length: 16 }, (_, i) => i + 1).join(',')}`],
    ['fifteen ports', `-A INPUT -p tcp -m multiport --dports ${Array.from({ length: 15 }, (_, i) => i + 1).join(',')}`],
  ];
  test.each(verdicts)('and netsim agree whether to take %s', (_name, body) => {
    const text = `*filter\n${body}\nCOMMIT\n`;
    run(['iptables-nft-restore'], '*filter\nCOMMIT\n');
    let ours = true;
    try {
      parseIptablesSave(text, 4);
    } catch {
      ours = false;
    }
    expect(ours).toBe(accepts(['iptables-nft-restore'], text));
  });
});

function deep(count: number): string {
  const names = Array.from({ length: count }, (_, i) => `:C${i} - [0:0]`);
  const jumps = names.slice(1).map((_, i) => `-A C${i} -j C${i + 1}`);
  return [...names, '-A INPUT -j C0', ...jumps].join('\n');
}

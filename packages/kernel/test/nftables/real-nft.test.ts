import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import {
  applyNft,
  emptyNftRuleset,
  NftError,
  parseNftRuleset,
  printNftRuleset,
} from '../../src/netfilter/nftables/index.ts';

function works(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

const netns = `netsim-nft-${process.pid}`;
const missing =
  process.getuid?.() !== 0
    ? 'needs root'
    : !works('ip', '-V')
      ? 'needs iproute2'
      : !works('nft', '--version')
        ? 'needs nftables'
        : !works('ip', 'netns', 'add', netns)
          ? 'needs network namespaces'
          : undefined;
if (missing !== undefined) console.log(`nftables oracle: skipped: ${missing}`);

function nft(args: readonly string[], input = ''): { readonly ok: boolean; readonly out: string } {
  const { status, stdout } = spawnSync('ip', ['netns', 'exec', netns, 'nft', ...args], { input, encoding: 'utf8' });
  return { ok: status === 0, out: stdout };
}

afterAll(() => {
  if (missing === undefined) spawnSync('ip', ['netns', 'del', netns]);
});

describe.skipIf(missing !== undefined)('the real nft', () => {
  test.each(['statements', 'types', 'canonical'])('takes what we print of %s, and lists it the same', (name) => {
    const text = readFileSync(new URL(`./fixtures/${name}.nft`, import.meta.url), 'utf8');
    const ours = printNftRuleset(parseNftRuleset(text));
    expect(nft(['-f', '-'], `flush ruleset\n${ours}`).ok).toBe(true);
    expect(nft(['-s', 'list', 'ruleset']).out).toBe(ours);
  });

  const base = `table ip t {
    set s { type ipv4_addr; elements = { 1.1.1.1 }; }
    set v { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 }; }
    map m { type inet_service : verdict; elements = { 1 : goto used }; }
    chain used { }
    chain free { accept; }
    chain base { type filter hook input priority 0; ip saddr @s jump used; }
  }\n`;
  const rows: [string, string][] = [
    ['adding a chain that is there', 'add chain ip t used'],
    ['creating a chain that is there', 'create chain ip t used'],
    ['adding a table that is there', 'add table ip t'],
    ['creating a table that is there', 'create table ip t'],
    ['deleting a chain that is jumped to', 'delete chain ip t used'],
    ['deleting a chain with rules', 'delete chain ip t free'],
    ['deleting a chain that is not there', 'delete chain ip t nope'],
    ['deleting a table with all in it', 'delete table ip t'],
    ['deleting a table that is not there', 'delete table ip6 t'],
    ['deleting a set in use', 'delete set ip t s'],
    ['deleting a set that is not in use', 'delete set ip t v'],
    ['flushing a chain that is not there', 'flush chain ip t nope'],
    ['a rule in a chain that is not there', 'add rule ip t nope accept'],
    ['a jump to a chain that comes in the next command', 'add rule ip t free jump later\nadd chain ip t later'],
    ['a jump to a chain that is not there', 'add rule ip t free jump nope'],
    ['a jump to itself', 'add rule ip t free jump free'],
    ['a loop of two', 'add rule ip t used jump free\nadd rule ip t free goto used'],
    ['a set that is not there', 'add rule ip t free ip saddr @nope accept'],
    ['adding an element that is there', 'add element ip t s { 1.1.1.1 }'],
    ['creating an element that is there', 'create element ip t s { 1.1.1.1 }'],
    ['deleting an element that is there', 'delete element ip t s { 1.1.1.1 }'],
    ['deleting an element that is not there', 'delete element ip t s { 2.2.2.2 }'],
    ['a prefix in a set without intervals', 'add element ip t s { 10.0.0.0/8 }'],
    ['an interval that overlaps', 'add element ip t v { 10.1.0.0/16 }'],
    ['an interval beside another', 'add element ip t v { 11.0.0.0/8 }'],
    ['an element of another type', 'add element ip t s { fd00::1 }'],
    ['a key with two verdicts', 'add element ip t m { 1 : drop }'],
    ['a verdict that leads nowhere', 'add element ip t m { 2 : goto nope }'],
    ['an element with a timeout in a set without', 'add element ip t s { 2.2.2.2 timeout 5s }'],
    ['a chain of type nat at forward', 'add chain ip t n { type nat hook forward priority 0; }'],
    ['a chain of type route at input', 'add chain ip t n { type route hook input priority 0; }'],
    ['a chain of type nat before conntrack', 'add chain ip t n { type nat hook output priority -200; }'],
    ['a base chain at another place', 'add chain ip t base { type filter hook input priority 5; }'],
    ['a new policy', 'add chain ip t base { type filter hook input priority 0; policy drop; }'],
    ['an address of the other family', 'add rule ip t free ip6 saddr ::1 accept'],
    ['an unknown state', 'add rule ip t free ct state nwe accept'],
    ['a port that is none', 'add rule ip t free tcp dport 65536 accept'],
    ['a backward range', 'add rule ip t free tcp dport 9-5 accept'],
    ['numgen modulo nothing', 'add rule ip t free numgen random mod 0 vmap { 0 : accept }'],
    ['redefining a set', 'add set ip t s { type ipv6_addr; }'],
    ['a rule after a comment', 'add rule ip t free accept comment "x" drop'],
    [
      'a set to be filled by rules that are not there yet',
      'add set ip t d { type ipv4_addr; flags dynamic; timeout 5s; }',
    ],
    [
      'a set that a rule fills',
      'add set ip t d { type ipv4_addr; flags dynamic; timeout 5s; }\nadd rule ip t free update @d { ip saddr }\nflush chain ip t free',
    ],
    ['two tables in one text', 'add table ip a\nadd table ip b; add chain ip b c'],
  ];
  test.each(rows)('and netsim agree whether to take %s', (_name, text) => {
    expect(nft(['-f', '-'], `flush ruleset\n${base}`).ok).toBe(true);
    const theirs = nft(['-f', '-'], `${text}\n`).ok;
    let ours: string | undefined;
    try {
      ours = printNftRuleset(applyNft(applyNft(emptyNftRuleset, base), text));
    } catch (error) {
      if (!(error instanceof NftError)) throw error;
    }
    expect(ours !== undefined).toBe(theirs);
    if (ours !== undefined) expect(nft(['-s', 'list', 'ruleset']).out).toBe(ours);
  });
});

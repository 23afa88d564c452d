import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  applyNft,
  emptyNftRuleset,
  NftError,
  parseNftRule,
  parseNftRuleset,
  printNftRule,
  printNftRuleset,
} from '../../src/netfilter/nftables/index.ts';

function fixture(name: string): string {
  return readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8');
}

function problemsOf(text: string, before = emptyNftRuleset): NftError['problems'] {
  try {
    applyNft(before, text);
  } catch (error) {
    if (error instanceof NftError) return error.problems;
    throw error;
  }
  return [];
}

describe.each(['statements', 'types', 'canonical'])('%s', (name) => {
  test('print as nft listed them', () => {
    expect(printNftRuleset(parseNftRuleset(fixture(`${name}.nft`)))).toBe(fixture(`${name}.listed`));
  });
  test('read back from that list are the same', () => {
    const listed = fixture(`${name}.listed`);
    expect(printNftRuleset(parseNftRuleset(listed))).toBe(listed);
  });
});

test('a rule by itself is read in the form in which it is listed', () => {
  expect(
    printNftRule(parseNftRule('mark and 0x4000 != 0 mark set mark xor 0x4000 masquerade fully-random', 'ip')),
  ).toBe('meta mark & 0x00004000 != 0x00000000 meta mark set meta mark ^ 0x00004000 masquerade fully-random');
});

test('a change shares all that it does not name', () => {
  const before = parseNftRuleset(fixture('statements.nft'));
  const after = applyNft(before, 'add element ip t a { 9.9.9.9 }\nflush chain ip t r');
  const [old] = before.tables;
  const [table] = after.tables;
  expect(table!.chains.get('x')).toBe(old!.chains.get('x'));
  expect(table!.sets.get('p')).toBe(old!.sets.get('p'));
  expect(after.tables[1]).toBe(before.tables[1]);
  expect([table!.sets.get('a')!.elements.size, old!.sets.get('a')!.elements.size]).toEqual([6, 5]);
  expect(table!.chains.get('r')!.rules).toEqual([]);
});

test('a transaction is done as a whole or not at all', () => {
  const before = parseNftRuleset('table ip t { chain c { } }');
  expect(() => applyNft(before, 'add chain ip t d\nadd rule ip t nope accept')).toThrow(NftError);
  expect([...before.tables[0]!.chains.keys()]).toEqual(['c']);
});

test('all problems come at once, with line, word and what was probably meant', () => {
  const text = `table ip t {
  set s { type ipv4_adr; }
  chain c {
    type filter hook inptu priority 0; policy accept;
    ip sadr 1.2.3.4 accept
    ip saddr 1.2.3.999 accept
    tcp dport 80 acept
    ct state nwe accept
  }
}
ad rule ip t c accept
add rule ip t d accept
flush chain ip tt c`;
  expect(problemsOf(text).map(({ line, token, suggestion }) => [line, token, suggestion])).toEqual([
    [2, 'ipv4_adr', 'ipv4_addr'],
    [4, 'inptu', 'input'],
    [5, 'sadr', 'saddr'],
    [6, '1.2.3.999', undefined],
    [7, 'acept', 'accept'],
    [8, 'nwe', 'new'],
    [11, 'ad', 'add'],
    [12, 'd', 'c'],
    [13, 'tt', 't'],
  ]);
});

test.each([
  ['a jump to a chain that is not there', 'table ip t { chain c { jump nope; }; }'],
  ['a set that is not there', 'table ip t { chain c { ip saddr @nope accept; }; }'],
  ['a verdict map that leads nowhere', 'table ip t { map m { type mark : verdict; elements = { 1 : goto nope }; }; }'],
  ['a loop', 'table ip t { chain a { type filter hook input priority 0; jump b; }; chain b { jump a; }; }'],
  [
    'a loop through a map',
    'table ip t { map m { type mark : verdict; }; chain a { type filter hook input priority 0; meta mark vmap @m; }; }\nadd element ip t m { 1 : goto a }',
  ],
  ['a block left open', 'table ip t { chain c { accept'],
  ['a brace too many', 'table ip t { }\n}'],
  [
    'overlapping intervals',
    'table ip t { set s { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 10.1.0.0/16 }; }; }',
  ],
  ['a prefix in a set without intervals', 'table ip t { set s { type ipv4_addr; elements = { 10.0.0.0/8 }; }; }'],
  [
    'the same element with another verdict',
    'table ip t { map m { type mark : verdict; elements = { 1 : drop }; }; }\nadd element ip t m { 1 : accept }',
  ],
  ['a queue, which is not modelled', 'table ip t { chain c { queue num 1; }; }'],
])('%s is refused', (_name, text) => {
  expect(problemsOf(text)).not.toEqual([]);
});

test('deleting what is named elsewhere is refused, deleting what is not is done', () => {
  const before = parseNftRuleset(
    'table ip t { chain a { }; chain b { jump a; }; set s { type mark; }; chain c { meta mark @s; }; }',
  );
  expect(problemsOf('delete chain ip t a', before)).toHaveLength(1);
  expect(problemsOf('delete set ip t s', before)).toHaveLength(1);
  expect(problemsOf('delete chain ip t b\ndelete chain ip t a\nflush chain ip t c\ndelete set ip t s', before)).toEqual(
    [],
  );
  expect(problemsOf('delete chain ip t nope', before)).toHaveLength(1);
  expect(problemsOf('destroy chain ip t nope', before)).toEqual([]);
});

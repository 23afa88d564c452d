import fc from 'fast-check';
import { expect, test } from 'vitest';
import { changedChains } from '../../src/netfilter/iptables/changed-chains.ts';
import { linksOfRules } from '../../src/netfilter/iptables/nesting.ts';
import type { Chain, ChainGroup, Rule, Ruleset, Table } from '../../src/netfilter/iptables/rule.ts';
import { verifyRuleset } from '../../src/netfilter/iptables/verify.ts';

const names = ['A', 'B', 'C', 'D', 'E', 'F'];
const target = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...names).map((chain) => ({ kind: 'jump' as const, chain })) },
  { weight: 1, arbitrary: fc.constant({ kind: 'DNAT' as const, range: { minAddress: 1 } }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'MASQUERADE' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'REJECT' as const, with: 'icmp-port-unreachable' as const }) },
  { weight: 3, arbitrary: fc.constant({ kind: 'ACCEPT' as const }) },
);
const rules = fc.array(
  target.map((of): Rule => ({ matches: [], target: of })),
  { maxLength: 3 },
);
const chainNamed = (name: string, list: readonly Rule[]): Chain =>
  name === 'PREROUTING' || name === 'POSTROUTING' ? { name, policy: 'ACCEPT', rules: list } : { name, rules: list };
const every = ['PREROUTING', 'POSTROUTING', ...names];

/** As proxies make them: what changed lies over what stays. */
function layered(layers: readonly ReadonlyMap<string, Chain>[]): ReadonlyMap<string, Chain> {
  const all = new Map<string, Chain>();
  for (const layer of layers.toReversed()) for (const [name, chain] of layer) all.set(name, chain);
  return Object.assign(all, { layers });
}
const nat = (chains: ReadonlyMap<string, Chain>): Table => ({ name: 'nat', chains });
const of = (table: Table): Ruleset => ({ family: 4, tables: new Map([['nat', table]]) });

function refused(ruleset: Ruleset, before?: Ruleset): boolean {
  try {
    verifyRuleset(ruleset, before);
    return false;
  } catch {
    return true;
  }
}

test('a changed ruleset is refused after a look at the change exactly where it is after a look at all of it', () => {
  let changes = 0;
  fc.assert(
    fc.property(
      fc.array(rules, { minLength: 8, maxLength: 8 }),
      fc.dictionary(fc.constantFrom(...every), rules),
      (lists, changed) => {
        const base = new Map(every.map((name, i) => [name, chainNamed(name, lists[i]!)]));
        const before = of(nat(layered([new Map(), base])));
        if (refused(before)) return;
        const overlay = new Map(Object.entries(changed).map(([name, list]) => [name, chainNamed(name, list)]));
        const after = nat(layered([overlay, base]));
        changes++;
        expect(refused(of(after), before)).toBe(refused(of(nat(new Map([...base, ...overlay])))));
      },
    ),
    { numRuns: 3_000 },
  );
  expect(changes).toBeGreaterThan(100);
});

test('layers that two tables share are not looked into', () => {
  const base = new Map(names.map((name) => [name, chainNamed(name, [])]));
  let looked = 0;
  base.keys = () => {
    looked++;
    return new Map<string, Chain>().keys();
  };
  const extra = chainNamed('G', []);
  const before = nat(layered([new Map([['B', chainNamed('B', [])]]), base]));
  const after = nat(
    layered([
      new Map([
        ['A', chainNamed('A', [])],
        ['G', extra],
      ]),
      base,
    ]),
  );
  expect(changedChains(before, after)?.toSorted()).toEqual(['A', 'B', 'G']);
  expect(looked).toBe(0);
  expect(changedChains(before, before)).toEqual([]);
  expect(changedChains(before, nat(new Map(base)))).toBeUndefined();
});

test('a hundred thousand chains in a row are refused, not walked to the end of the stack', () => {
  const row = new Map<string, Chain>();
  const jump = (chain: string): Rule[] => [{ matches: [], target: { kind: 'jump', chain } }];
  row.set('PREROUTING', chainNamed('PREROUTING', jump('C0')));
  for (let i = 0; i < 100_000; i++) row.set(`C${i}`, chainNamed(`C${i}`, i === 99_999 ? [] : jump(`C${i + 1}`)));
  expect(() => verifyRuleset(of(nat(row)))).toThrow(/nested more than 16 deep/);
});

test('chains that say themselves where they lead are refused exactly where those are that have to be read', () => {
  let refusals = 0;
  fc.assert(
    fc.property(fc.array(rules, { minLength: 8, maxLength: 8 }), fc.array(fc.boolean()), (lists, told) => {
      const read = new Map(every.map((name, i) => [name, chainNamed(name, lists[i]!)]));
      const saying = new Map(
        [...read].map(([name, chain], i) => {
          const says = chain.policy === undefined && told[i] === true;
          return [name, says ? { ...chain, links: linksOfRules(chain.rules) } : chain];
        }),
      );
      const wrong = refused(of(nat(read)));
      if (wrong) refusals++;
      expect(refused(of(nat(saying)))).toBe(wrong);
    }),
    { numRuns: 2_000 },
  );
  expect(refusals).toBeGreaterThan(100);
});

/** Chains that say as one where they lead; undefined where they go round. */
function grouped(chains: ReadonlyMap<string, Chain>): ChainGroup | undefined {
  const levels = (name: string, depth: number): number => {
    const chain = chains.get(name);
    if (chain === undefined) return 0;
    if (depth > chains.size) return Number.POSITIVE_INFINITY;
    return 1 + Math.max(0, ...linksOfRules(chain.rules).jumps.map((target) => levels(target, depth + 1)));
  };
  const links = [...chains.values()].map(({ rules: list }) => linksOfRules(list));
  const deepest = Math.max(0, ...[...chains.keys()].map((name) => levels(name, 1)));
  if (deepest === Number.POSITIVE_INFINITY) return undefined;
  const jumps = links.flatMap((one) => one.jumps).filter((name) => !chains.has(name));
  return Object.assign(new Map(chains), {
    links: { jumps, kinds: links.flatMap(({ kinds }) => kinds), levels: deepest },
  });
}

test('chains that say as one where they lead are refused exactly where those are that have to be read', () => {
  const seen = { refused: 0, taken: 0 };
  fc.assert(
    fc.property(fc.array(rules, { minLength: 8, maxLength: 8 }), fc.subarray(names), (lists, together) => {
      const all = every.map((name, i) => chainNamed(name, lists[i]!));
      const map = (chains: readonly Chain[]) => new Map(chains.map((chain) => [chain.name, chain]));
      const loose = map(all.filter(({ name }) => !together.includes(name)));
      const group = grouped(map(all.filter(({ name }) => together.includes(name))));
      if (group === undefined) return;
      const wrong = refused(of(nat(map(all))));
      seen[wrong ? 'refused' : 'taken']++;
      expect(refused(of(nat(layered([loose, group]))))).toBe(wrong);
    }),
    { numRuns: 2_000 },
  );
  expect(seen.refused).toBeGreaterThan(100);
  expect(seen.taken).toBeGreaterThan(100);
});

test('a chain that lies over one of a group is looked at, and so is the group', () => {
  const group = grouped(new Map([['A', chainNamed('A', [])]]))!;
  const jump = (chain: string): Rule[] => [{ matches: [], target: { kind: 'jump', chain } }];
  const hook = new Map([['PREROUTING', chainNamed('PREROUTING', jump('A'))]]);
  const over = new Map([['A', chainNamed('A', jump('nowhere'))]]);
  const before = of(nat(layered([hook, group])));
  expect(refused(before)).toBe(false);
  expect(refused(of(nat(layered([over, hook, group]))))).toBe(true);
  expect(refused(of(nat(layered([over, hook, group]))), before)).toBe(true);
});

test('the rules of a chain that says where it leads are not made to verify it', () => {
  const lazy: Chain = {
    name: 'A',
    links: { jumps: ['B'], kinds: ['DNAT'] },
    get rules(): Rule[] {
      throw new Error('made');
    },
  };
  const jump: Rule = { matches: [], target: { kind: 'jump', chain: 'A' } };
  const chains = (hook: string) =>
    new Map([chainNamed(hook, [jump]), lazy, chainNamed('B', [])].map((chain) => [chain.name, chain]));
  expect(() => verifyRuleset(of(nat(chains('PREROUTING'))))).not.toThrow();
  // Where something is wrong it is looked for in the rules.
  expect(() => verifyRuleset(of(nat(chains('POSTROUTING'))))).toThrow('made');
});

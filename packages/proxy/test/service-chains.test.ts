import type { Chain, ChainGroup, Ruleset } from '@netsim/kernel';
import type { EndpointSlice } from '@netsim/manifest';
import { parsePrefix } from '@netsim/wire';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { NodeProxyConfig } from '../src/index.ts';
import { IptablesGenerator, LayeredMap, nodeProxyConfig, ProxyState } from '../src/index.ts';
import { change, changeCluster } from './support/changes.ts';
import type { service } from './support/objects.ts';

const detectors = [
  { kind: 'none' },
  { kind: 'cidr', prefix: parsePrefix('10.244.0.0/16') },
  { kind: 'interface', name: 'cni+' },
] as const;

function groups(ruleset: Ruleset): ChainGroup[] {
  const { chains } = ruleset.tables.get('nat')!;
  expect(chains).toBeInstanceOf(LayeredMap);
  return (chains as LayeredMap<Chain>).layers.filter((layer) => 'links' in layer) as readonly ReadonlyMap<
    string,
    Chain
  >[] as ChainGroup[];
}

/** A random cluster, and what a node that saw it grow has in its nat table. */
const cases = fc.record({
  changes: fc.array(change, { minLength: 10, maxLength: 30 }),
  detectLocal: fc.constantFrom(...detectors),
  cleanup: fc.boolean(),
});

function build({ changes, detectLocal, cleanup }: typeof cases extends fc.Arbitrary<infer T> ? T : never): {
  config: NodeProxyConfig;
  state: ProxyState;
  grown: ChainGroup[];
} {
  const config = nodeProxyConfig({ family: 4, nodeName: 'w1', detectLocal });
  const state = new ProxyState(4);
  const generator = new IptablesGenerator(state);
  const services = new Map<number, ReturnType<typeof service>>();
  const slices = new Map<string, EndpointSlice>();
  for (const one of changes) {
    changeCluster(one, state, services, slices);
    generator.sync(config, { cleanup });
  }
  return { config, state, grown: groups(generator.sync(config, { cleanup }).ruleset) };
}

test('what the chains of services say as one of where they lead is so', () => {
  let chains = 0;
  fc.assert(
    fc.property(cases, (one) => {
      const { grown } = build(one);
      expect(grown).toHaveLength(2);
      for (const group of grown) {
        const deep = (chain: Chain): number => {
          chains++;
          expect(chain.name.length).toBeLessThanOrEqual(28);
          let below = 0;
          for (const { target, matches } of chain.rules) {
            expect(matches.map(({ kind }) => kind)).not.toContain('set');
            if (target?.kind === 'jump' && group.has(target.chain)) {
              below = Math.max(below, deep(group.get(target.chain)!));
            } else if (target?.kind === 'jump') expect(group.links.jumps).toContain(target.chain);
            else if (target !== undefined) expect(group.links.kinds).toContain(target.kind);
          }
          return below + 1;
        };
        for (const chain of group.values()) expect(deep(chain)).toBeLessThanOrEqual(group.links.levels!);
      }
    }),
    { numRuns: 200 },
  );
  expect(chains).toBeGreaterThan(1_000);
});

test('a chain is found by its name, whoever asks first, and no other is', () => {
  fc.assert(
    fc.property(cases, (one) => {
      const { config, state, grown } = build(one);
      const anew = groups(new IptablesGenerator(state).sync(config).ruleset);
      for (const [i, group] of grown.entries()) {
        const all = [...group];
        expect(group.size).toBe(all.length);
        expect(new Set(group.keys()).size).toBe(all.length);
        for (const [name, chain] of all) {
          expect(chain.name).toBe(name);
          expect(group.get(name)).toBe(chain);
        }
        const endpoints = all.map(([name]) => name).filter((name) => name.startsWith('KUBE-SEP-'));
        // Names out of the blue, of which nobody has come by.
        if (one.cleanup) for (const name of endpoints.reverse()) expect(anew[i]!.has(name), name).toBe(true);
        for (const name of ['KUBE-SEP-AAAAAAAAAAAAAAAA', 'KUBE-SERVICES', '']) expect(group.has(name)).toBe(false);
      }
    }),
    { numRuns: 200 },
  );
});

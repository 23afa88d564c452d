import { expect, test } from 'vitest';
import { readVectors, reportVectors } from '../../../../test/support/vectors.ts';
import { runTest } from './suite/run.ts';
import type { Suite, SuiteTest } from './suite/types.ts';

/** The kind of object that a test is about, as its name begins. */
function groupOf({ shortName }: SuiteTest): string {
  const groups = [
    'BackendTLSPolicy',
    'GatewayClass',
    'Gateway',
    'GRPC',
    'HTTPRoute',
    'ListenerSet',
    'TCPRoute',
    'TLSRoute',
    'UDPRoute',
    'Mesh',
  ];
  return groups.find((group) => shortName.startsWith(group)) ?? shortName;
}

test('requests of the Gateway API conformance suite', () => {
  const suite = readVectors<Suite>('gateway/conformance');
  if (suite === undefined) return;
  const failed: string[] = [];
  const groups = new Map<string, { passed: number; total: number }>();
  const computed: string[] = [];
  let total = 0;
  for (const one of suite.tests) {
    const group = groups.get(groupOf(one)) ?? { passed: 0, total: 0 };
    groups.set(groupOf(one), group);
    for (const result of runTest(one)) {
      if (result.computed) {
        computed.push(result.id);
        continue;
      }
      total++;
      group.total++;
      if (result.problem === undefined) group.passed++;
      else failed.push(`${result.id}: ${result.problem}`);
    }
  }
  for (const [group, { passed, total: all }] of groups) console.log(`  ${group}: ${passed}/${all}`);
  console.log(`  requests that only the suite's code knows: ${computed.join(', ') || 'none'}`);
  reportVectors('gateway/conformance', total, failed);
  expect(failed).toEqual([]);
  expect(total).toBeGreaterThan(0);
});

import { describe, expect, test } from 'vitest';
import { netsim } from './netsim.ts';

describe('netsim dns', () => {
  test('tells every query as JSON', async () => {
    const { code, stdout } = await netsim(['dns', 'pod-a', 'kubia', '-o', 'json']);
    expect(code).toBe(0);
    const { name, queries, answers } = JSON.parse(stdout);
    expect(name).toBe('kubia');
    expect(queries.map(({ type, rcode }: { type: string; rcode: string }) => [type, rcode])).toEqual([
      ['A', 'NOERROR'],
      ['AAAA', 'NOERROR'],
    ]);
    expect(answers).toHaveLength(1);
  });

  test('takes a type', async () => {
    const { code, stdout } = await netsim(['dns', 'pod-a', 'kubia', 'aaaa']);
    expect([code, stdout]).toEqual([1, expect.stringContaining('AAAA NOERROR\nkubia: not found')]);
  });

  test.each([
    [['node/w1-k8s', 'kubia'], /^error: node\/w1-k8s is no pod/m],
    [['pod-a', 'kubia', 'BOGUS'], /^error: unknown type "BOGUS"/m],
  ])('refuses %j', async (words, says) => {
    const { code, stderr } = await netsim(['dns', ...words]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(says)]);
  });
});

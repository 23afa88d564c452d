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
    ['node/w1-k8s', 1, 'NXDOMAIN'],
    ['external', 1, 'NXDOMAIN'],
    ['deploy/kubia', 0, 'NOERROR'],
  ])('asks from %s by its own resolv.conf', async (from, status, rcode) => {
    const { code, stdout } = await netsim(['dns', from, 'kubia', '-o', 'json']);
    expect([code, JSON.parse(stdout).queries[0].rcode]).toEqual([status, rcode]);
  });

  test.each([
    [['svc/kubia', 'kubia'], /^error: a service sends nothing: svc\/kubia/m],
    [['pod-a', ''], /^error: the name is empty/m],
    [['pod-a', 'a'.repeat(64)], /^error: the label "a+\.\.\." has 64 octets; a label has at most 63/m],
    [['pod-a', `${'abcd.'.repeat(51)}`], /^error: the name has 254 octets; a DNS name has at most 253/m],
    [['pod-a', 'kubia', 'BOGUS'], /^error: unknown type "BOGUS"/m],
  ])('refuses %j', async (words, says) => {
    const { code, stderr } = await netsim(['dns', ...words]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(says)]);
  });
});

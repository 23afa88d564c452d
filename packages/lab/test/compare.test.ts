import { describe, expect, it } from 'vitest';
import { compareObservations, renderDifferences } from '../src/compare.ts';
import type { Observation } from '../src/observation.ts';

const rule = { table: 'filter', chain: 'FORWARD', index: 1, text: '-j ACCEPT' };
const seen: Observation = {
  outcome: 'answered',
  answer: 'web',
  server: { netns: 'w2/web', program: 'web', peer: '10.244.1.2 client' },
  passages: [
    { netns: 'w1', packet: 'tcp a > b SYN', rules: [rule] },
    { netns: 'w1', packet: 'tcp a > b SYN', rules: [] },
  ],
  arrivals: [{ netns: 'w2/web', device: 'eth0', packet: 'tcp a > b SYN', ttl: 62 }],
  connections: [{ netns: 'w1', original: 'a > b', reply: 'b > a' }],
};

describe('two observations', () => {
  it('agree with themselves', () => {
    expect(compareObservations(seen, structuredClone(seen))).toEqual([]);
  });

  it('agree where only a retransmission walked differently', () => {
    expect(compareObservations(seen, { ...seen, passages: seen.passages.slice(0, 1) })).toEqual([]);
  });

  it.each<[string, Partial<Observation>]>([
    ['outcome', { outcome: 'timeout' }],
    ['outcome', { answer: 'api' }],
    ['icmp', { icmp: '3/3' }],
    ['server', { server: { netns: 'w2/web', program: 'web', peer: '192.168.1.101 *' } }],
    ['rules', { passages: [{ netns: 'w1', packet: 'tcp a > b SYN', rules: [] }] }],
    ['rules', { passages: [{ netns: 'w1', packet: 'tcp a > b SYN', rules: [{ ...rule, text: '-j DROP' }] }] }],
    ['rules', { passages: [] }],
    ['arrivals', { arrivals: [{ netns: 'w2/web', device: 'eth0', packet: 'tcp a > b SYN', ttl: 63 }] }],
    ['arrivals', { arrivals: [] }],
    ['connections', { connections: [] }],
  ])('differ in %s where one of them has %j', (what, change) => {
    expect(compareObservations(seen, { ...seen, ...change }).map((difference) => difference.what)).toContain(what);
  });

  it('are printed side by side', () => {
    const text = renderDifferences(compareObservations(seen, { ...seen, passages: [] }));
    expect(text).toBe(
      [
        '  rules differ at w1: tcp a > b SYN',
        '    real      filter FORWARD 1: -j ACCEPT',
        '    emulated  (met no rule)',
      ].join('\n'),
    );
  });
});

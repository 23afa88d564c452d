import { describe, expect, test } from 'vitest';
import { delivered } from '../../../trace/test/fixtures.ts';
import { chainPath, shortChain } from '../../src/trace/chain-path.ts';
import { causeText, destinationTitle, endpoint, flow, share, stableName } from '../../src/trace/names.ts';

test.each([
  ['kubia-7d4b9c6f5d-x2x4q', 'kubia-*'],
  ['kubia-x2x4q', 'kubia-*'],
  ['web-0', 'web-0'],
  ['pod-a', 'pod-a'],
  ['my-proxy', 'my-proxy'],
  ['kubia-7d4b9c6f5d', 'kubia-7d4b9c6f5d'],
])('the part of pod name %s that does not change is %s', (name, stable) => {
  expect(stableName(name)).toBe(stable);
});

test.each([
  [{ text: 'svc/kubia', ip: '10.0.0.1', port: 80 }, 'svc/kubia:80 (10.0.0.1, tcp)'],
  [{ text: 'svc/kubia:80', ip: '10.0.0.1', port: 80 }, 'svc/kubia:80 (10.0.0.1, tcp)'],
  [{ text: 'svc/kubia:http', ip: '10.0.0.1', port: 80 }, 'svc/kubia:http (10.0.0.1:80, tcp)'],
  [{ text: 'svc/kubia', ip: 'fd00::1', port: 80 }, 'svc/kubia:80 (fd00::1, tcp)'],
  [{ text: '10.0.0.1:80', ip: '10.0.0.1', port: 80 }, '10.0.0.1:80 (tcp)'],
  [{ text: '[fd00::1]:80', ip: 'fd00::1', port: 80 }, '[fd00::1]:80 (tcp)'],
  [{ text: 'http://kubia/x', ip: '10.0.0.1', port: 80 }, 'http://kubia/x (10.0.0.1:80, tcp)'],
  [{ text: 'nowhere', port: undefined }, 'nowhere (tcp)'],
])('a destination %j is shown as %s', (destination, title) => {
  const trace = { ...delivered, destination: { kind: 'Service', protocol: 'tcp', ...destination } };
  expect(destinationTitle(trace)).toBe(title);
});

test('endpoints have brackets for IPv6 and no port where there is none', () => {
  expect([
    endpoint('10.0.0.1', 80),
    endpoint('fd00::1', 80),
    endpoint('fd00::1', undefined),
    endpoint('w1', 80),
  ]).toEqual(['10.0.0.1:80', '[fd00::1]:80', 'fd00::1', 'w1:80']);
});

test('a packet is its ends and what it is', () => {
  const packet = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2, ttl: 64, length: 28 };
  expect(flow({ ...packet, protocol: 'tcp', info: 'SYN' })).toBe('10.0.0.1:1 > 10.0.0.2:2 SYN');
  expect(flow({ ...packet, protocol: 'udp' })).toBe('10.0.0.1:1 > 10.0.0.2:2 udp');
});

test.each([
  [{ file: 'a.yaml', line: 3, namespace: 'default' }, 'a.yaml:3 service/kubia: why'],
  [{ file: 'a.yaml', namespace: 'shop' }, 'a.yaml service/shop/kubia: why'],
  [{}, 'service/kubia: why'],
])('a cause %j is shown as %s', (where, text) => {
  expect(causeText({ kind: 'Service', name: 'kubia', text: 'why', ...where })).toBe(text);
});

test('shares are short', () => {
  expect([1, 1 / 3, 0.05, 2 / 3].map((value) => share(value))).toEqual(['1', '0.333', '0.05', '0.667']);
});

describe('the chains on the way to a rule', () => {
  const rule = (chain: string) =>
    ({ kind: 'rule', action: '', hook: 'PREROUTING', table: 'nat', chain, index: 1, text: '' }) as const;

  test('are those that led there, not those that returned', () => {
    const met = ['PREROUTING', 'KUBE-SERVICES', 'KUBE-SVC-A', 'KUBE-MARK-MASQ', 'KUBE-SVC-A', 'KUBE-SEP-B'].map(rule);
    expect(chainPath(met)).toEqual(['PREROUTING', 'KUBE-SERVICES', 'KUBE-SVC-A', 'KUBE-SEP-B']);
  });

  test('are none for no rule', () => {
    expect(chainPath([])).toEqual([]);
  });

  test.each([
    ['KUBE-SVC-L5EAUEZ74VZL5GSC', 'KUBE-SVC-…'],
    ['KUBE-SEP-6ZQBWMUCE2HLQOXC', 'KUBE-SEP-…'],
    ['KUBE-SERVICES', 'KUBE-SERVICES'],
    ['KUBE-MARK-MASQ', 'KUBE-MARK-MASQ'],
    ['FLANNEL-POSTRTG', 'FLANNEL-POSTRTG'],
  ])('%s is shown as %s', (chain, shown) => {
    expect(shortChain(chain)).toBe(shown);
  });
});

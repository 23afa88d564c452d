import { type Ip, parseIp, parsePrefix, prefixContains } from '@netsim/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeIntervals, parseNftRule, printNftRule } from '../../src/index.ts';

/** As nft 1.0.6 lists what it was given. */
describe('elements of an anonymous set that overlap or touch', () => {
  it.each([
    ['{ 10.244.0.0/16, 10.244.1.0/24, 11.0.0.1 }', '{ 10.244.0.0/16, 11.0.0.1 }'],
    ['{ 10.0.0.0/25, 10.0.0.128/25, 10.0.1.0/24, 10.9.0.0/16 }', '{ 10.0.0.0/23, 10.9.0.0/16 }'],
    ['{ 10.1.0.0/16, 10.0.0.0/16, 10.2.0.0/16, 1.1.1.1 }', '{ 1.1.1.1, 10.0.0.0-10.2.255.255 }'],
    ['{ 192.168.1.200, 192.168.1.0/24, 8.8.8.8 }', '{ 8.8.8.8, 192.168.1.0/24 }'],
    ['{ 192.168.1.200, 192.168.1.201 }', '{ 192.168.1.200, 192.168.1.201 }'],
  ])('%s are listed as %s', (written, listed) => {
    expect(printNftRule(parseNftRule(`ip saddr != ${written} drop`, 'ip'))).toBe(`ip saddr != ${listed} drop`);
  });

  it('of IPv6 as well', () => {
    const rule = parseNftRule('ip6 saddr { fd00::/64, fd00:0:0:1::/64, fd00::1/128, 2001:db8::/32 } drop', 'ip6');
    expect(printNftRule(rule)).toBe('ip6 saddr { 2001:db8::/32, fd00::/63 } drop');
  });

  it('hold exactly the addresses that they held before', () => {
    const block = fc
      .tuple(fc.integer({ min: 0, max: 15 }), fc.integer({ min: 24, max: 32 }))
      .map(([host, length]) => parsePrefix(`192.168.${host >> 2}.${(host & 3) << 6}/${length}`));
    const address = fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(block, { minLength: 1, maxLength: 8 }), address, (blocks, [third, fourth]) => {
        const ip = parseIp(`192.168.${third}.${fourth}`);
        const merged = mergeIntervals(
          ['ipv4_addr'],
          blocks.map((one) => ({ key: [one] })),
        );
        const held = merged.filter(({ key }) => holds(key[0]!, ip)).length;
        expect(held).toBe(blocks.some((one) => prefixContains(one, ip)) ? 1 : 0);
      }),
    );
  });
});

function holds(value: unknown, ip: Ip): boolean {
  if (typeof value === 'number') return value === ip;
  const range = value as { address: Ip; length: number } | { from: number; to: number };
  if ('address' in range) return prefixContains(range, ip);
  const number = (one: Ip): number => Number(one) >>> 0;
  return number(ip) >= number(range.from) && number(ip) <= number(range.to);
}

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addressAt,
  addressOffset,
  familyBits,
  familyOf,
  firstHost,
  formatIp,
  formatPrefix,
  lastAddress,
  lastHost,
  nextAddress,
  type Prefix,
  parseIp,
  parsePrefix,
  prefixContains,
  prefixCovers,
  prefixesOverlap,
  prefixHosts,
  prefixOf,
  prefixSize,
  splitPrefix,
  subnet,
  subnetCount,
} from '../src/index.ts';
import { ipv4, ipv6 } from './support.ts';

const prefix = fc.oneof(
  fc.tuple(ipv4, fc.integer({ min: 0, max: 32 })).map(([address, length]) => prefixOf(address, length)),
  fc.tuple(ipv6, fc.integer({ min: 0, max: 128 })).map(([address, length]) => prefixOf(address, length)),
);

describe.each([
  ['10.244.0.0/16', '10.244.0.1', '10.244.255.254', '10.244.255.255', 65536n],
  ['0.0.0.0/0', '0.0.0.1', '255.255.255.254', '255.255.255.255', 2n ** 32n],
  ['192.168.1.0/24', '192.168.1.1', '192.168.1.254', '192.168.1.255', 256n],
  ['10.0.0.4/30', '10.0.0.5', '10.0.0.6', '10.0.0.7', 4n],
  ['10.0.0.0/31', '10.0.0.0', '10.0.0.1', '10.0.0.1', 2n],
  ['10.0.0.1/32', '10.0.0.1', '10.0.0.1', '10.0.0.1', 1n],
  ['fd00::/64', 'fd00::1', 'fd00::ffff:ffff:ffff:ffff', 'fd00::ffff:ffff:ffff:ffff', 2n ** 64n],
  ['fd00::/127', 'fd00::', 'fd00::1', 'fd00::1', 2n],
  ['fd00::1/128', 'fd00::1', 'fd00::1', 'fd00::1', 1n],
])('%s', (text, first, last, end, size) => {
  const block = parsePrefix(text);
  test(`has hosts from ${first} to ${last}, ends at ${end}, holds ${size} addresses`, () => {
    expect([firstHost(block), lastHost(block), lastAddress(block)].map(formatIp)).toEqual([first, last, end]);
    expect(prefixSize(block)).toBe(size);
  });
});

test('the last address is inside, and the one after it is not', () => {
  fc.assert(
    fc.property(prefix, (block) => {
      const last = lastAddress(block);
      expect(prefixContains(block, last)).toBe(true);
      if (block.length > 0) expect(prefixContains(block, nextAddress(last))).toBe(false);
      expect(addressOffset(block, last)).toBe(prefixSize(block) - 1n);
    }),
  );
});

test('an offset is the inverse of addressAt', () => {
  fc.assert(
    fc.property(prefix, fc.nat(), (block, offset) => {
      fc.pre(BigInt(offset) < prefixSize(block));
      expect(addressOffset(block, addressAt(block, offset))).toBe(BigInt(offset));
    }),
  );
});

test('subnets follow each other without a gap and fill the prefix', () => {
  const small = fc.tuple(prefix, fc.integer({ min: 0, max: 8 })).map(([block, more]) => ({
    block,
    newLength: Math.min(block.length + more, familyBits(familyOf(block.address))),
  }));
  fc.assert(
    fc.property(small, ({ block, newLength }) => {
      const all = [...splitPrefix(block, newLength)];
      expect(BigInt(all.length)).toBe(subnetCount(block, newLength));
      all.forEach((part, index) => {
        expect(subnet(block, newLength, index)).toEqual(part);
        expect(prefixCovers(block, part)).toBe(true);
        if (index > 0) expect(part.address).toBe(nextAddress(lastAddress(all[index - 1])));
      });
      expect(all[0].address).toBe(block.address);
      expect(lastAddress(all.at(-1)!)).toBe(lastAddress(block));
    }),
  );
});

test('the node subnets of a cluster are those that kube-controller-manager gives', () => {
  const cluster = parsePrefix('10.244.0.0/16');
  expect([0, 1, 255].map((index) => formatPrefix(subnet(cluster, 24, index)))).toEqual([
    '10.244.0.0/24',
    '10.244.1.0/24',
    '10.244.255.0/24',
  ]);
  expect(formatPrefix(subnet(parsePrefix('fd00:10:244::/56'), 64, 2))).toBe('fd00:10:244:2::/64');
});

test.each([
  ['10.244.0.0/16', 24, 256],
  ['10.244.0.0/16', 24, -1],
  ['10.244.0.0/16', 24, 0.5],
  ['10.244.0.0/16', 15, 0],
  ['10.244.0.0/16', 33, 0],
  ['fd00::/127', 129, 0],
])('%s has no subnet of /%d with number %d', (text, newLength, index) => {
  expect(() => subnet(parsePrefix(text), newLength, index)).toThrow(RangeError);
});

test('hosts are those between network and broadcast address, in order', () => {
  expect([...prefixHosts(parsePrefix('10.0.0.0/29'))].map(formatIp)).toEqual(
    [1, 2, 3, 4, 5, 6].map((last) => `10.0.0.${last}`),
  );
  expect([...prefixHosts(parsePrefix('fd00::/126'))].map(formatIp)).toEqual(['fd00::1', 'fd00::2', 'fd00::3']);
  expect([...prefixHosts(parsePrefix('127.255.255.254/31'))].map(formatIp)).toEqual([
    '127.255.255.254',
    '127.255.255.255',
  ]);
});

test('the hosts of a huge prefix can be begun with', () => {
  const [first, second] = prefixHosts(parsePrefix('fd00::/8'));
  expect([first, second].map(formatIp)).toEqual(['fd00::1', 'fd00::2']);
});

test('prefixes overlap where one covers the other', () => {
  const [wide, narrow, other, six] = ['10.0.0.0/8', '10.1.0.0/16', '11.0.0.0/8', '::/0'].map(parsePrefix) as Prefix[];
  expect(prefixesOverlap(wide, narrow)).toBe(true);
  expect(prefixesOverlap(narrow, wide)).toBe(true);
  expect(prefixCovers(narrow, wide)).toBe(false);
  expect(prefixesOverlap(wide, other)).toBe(false);
  expect(prefixesOverlap(wide, six)).toBe(false);
});

test('the next address wraps at the end of the family', () => {
  expect(formatIp(nextAddress(parseIp('127.255.255.255')))).toBe('128.0.0.0');
  expect(formatIp(nextAddress(parseIp('255.255.255.255')))).toBe('0.0.0.0');
  expect(formatIp(nextAddress(parseIp('ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff')))).toBe('::');
});

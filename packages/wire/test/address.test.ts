import fc from 'fast-check';
import { Address4, Address6 } from 'ip-address';
import { describe, expect, test } from 'vitest';
import {
  AddressError,
  addressAt,
  formatEndpoint,
  formatIp,
  formatPrefix,
  isGroupMac,
  isMac,
  multicastMac,
  parseIp,
  parsePrefix,
  prefixContains,
  prefixMask,
  prefixOf,
  solicitedNode,
  tryParseIp,
  tryParsePrefix,
} from '../src/index.ts';
import { ipv4, ipv6, mac } from './support.ts';

const ip = fc.oneof(ipv4, ipv6);

describe('reading and writing addresses', () => {
  test('an address comes back from its text', () => {
    fc.assert(
      fc.property(ip, (address) => {
        expect(parseIp(formatIp(address))).toBe(address);
      }),
    );
  });

  test('text is that of the ip-address library', () => {
    fc.assert(
      fc.property(ipv4, (address) => {
        expect(formatIp(address)).toBe(Address4.fromInteger(address >>> 0).correctForm());
      }),
    );
    fc.assert(
      fc.property(ipv6, (address) => {
        fc.pre(address >> 32n !== 0xffffn);
        expect(formatIp(address)).toBe(Address6.fromBigInt(address).correctForm());
      }),
    );
  });

  test('every spelling of an IPv6 address is the same address', () => {
    fc.assert(
      fc.property(ipv6, (address) => {
        const library = Address6.fromBigInt(address);
        expect(parseIp(library.canonicalForm())).toBe(address);
        expect(parseIp(library.correctForm().toUpperCase())).toBe(address);
        expect(parseIp(library.to4in6())).toBe(address);
      }),
    );
  });

  test('an IPv4-mapped address is written as Linux writes it', () => {
    expect(formatIp(parseIp('::ffff:10.0.0.1'))).toBe('::ffff:10.0.0.1');
    expect(formatIp(parseIp('::FFFF:a00:1'))).toBe('::ffff:10.0.0.1');
  });

  test('IPv4 is a small integer, so that equal addresses are the same key', () => {
    expect(parseIp('255.255.255.255')).toBe(-1);
    expect(parseIp('128.0.0.0')).toBe(-(2 ** 31));
    expect(parseIp('10.0.0.1')).toBe(0x0a000001);
  });

  test.each([
    '',
    ' ',
    '1',
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
    '1.2.3.04',
    '256.0.0.1',
    '-1.2.3.4',
    '1.2.3.4 ',
    ' 1.2.3.4',
    '1.2.3.4\n',
    '0x1.2.3.4',
    '1..2.3',
    '1.2.3.',
    '.1.2.3.4',
    '1.2.3.4/24',
    '1e1.2.3.4',
    '1.2.3.٤',
    '127.1',
    'localhost',
    ':',
    ':::',
    '::1::',
    '1::2::3',
    '12345::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '::1.2.3',
    '::01.2.3.4',
    '::256.1.1.1',
    '[::1]',
    '::1%eth0',
    '::1/64',
    '::1\n',
    ' ::1',
    '::g',
    '1:2:3:4:5:6:7::8:9',
  ])('%j is not an address', (text) => {
    expect(tryParseIp(text)).toBeUndefined();
    expect(() => parseIp(text)).toThrow(new AddressError(text, 'an IP address'));
  });

  test('any text is undefined or an address that can be written and read again, never a crash', () => {
    const nearly = fc.string({ unit: fc.constantFrom(...'0123456789abcdef:./%x '), maxLength: 45 });
    fc.assert(
      fc.property(fc.oneof(fc.string(), nearly), (text) => {
        const address = tryParseIp(text);
        if (address !== undefined) expect(parseIp(formatIp(address))).toBe(address);
      }),
    );
  });

  test('an endpoint has brackets around an IPv6 address', () => {
    expect(formatEndpoint(parseIp('10.0.0.1'), 80)).toBe('10.0.0.1:80');
    expect(formatEndpoint(parseIp('fd00::1'), 80)).toBe('[fd00::1]:80');
  });
});

describe('prefixes', () => {
  const prefix = fc.oneof(
    fc.tuple(ipv4, fc.integer({ min: 0, max: 32 })).map(([address, length]) => prefixOf(address, length)),
    fc.tuple(ipv6, fc.integer({ min: 0, max: 128 })).map(([address, length]) => prefixOf(address, length)),
  );

  test('a prefix comes back from its text', () => {
    fc.assert(
      fc.property(prefix, (block) => {
        expect(parsePrefix(formatPrefix(block))).toEqual(block);
      }),
    );
  });

  test('a prefix holds what the ip-address library says it holds', () => {
    fc.assert(
      fc.property(ipv4, ipv4, fc.integer({ min: 0, max: 32 }), (a, b, length) => {
        const block = new Address4(`${formatIp(a)}/${length}`);
        expect(prefixContains(prefixOf(a, length), b)).toBe(new Address4(formatIp(b)).isInSubnet(block));
      }),
    );
    fc.assert(
      fc.property(ipv6, ipv6, fc.integer({ min: 0, max: 128 }), (a, b, length) => {
        const block = new Address6(`${Address6.fromBigInt(a).correctForm()}/${length}`);
        expect(prefixContains(prefixOf(a, length), b)).toBe(Address6.fromBigInt(b).isInSubnet(block));
      }),
    );
  });

  test('an address near the start is inside, whatever the length', () => {
    fc.assert(
      fc.property(
        prefix,
        (block) => prefixContains(block, block.address) && prefixContains(block, addressAt(block, 0)),
      ),
    );
  });

  test('no prefix holds an address of the other family', () => {
    expect(prefixContains(parsePrefix('0.0.0.0/0'), parseIp('::1'))).toBe(false);
    expect(prefixContains(parsePrefix('::/0'), parseIp('0.0.0.1'))).toBe(false);
  });

  test('a mask is ones and then zeros', () => {
    expect([0, 1, 8, 31, 32].map((length) => formatIp(prefixMask(4, length)))).toEqual([
      '0.0.0.0',
      '128.0.0.0',
      '255.0.0.0',
      '255.255.255.254',
      '255.255.255.255',
    ]);
    expect([0, 64, 128].map((length) => formatIp(prefixMask(6, length)))).toEqual([
      '::',
      'ffff:ffff:ffff:ffff::',
      'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
    ]);
  });

  test('host bits are cleared, and a bare address is a host', () => {
    expect(formatPrefix(parsePrefix('10.244.1.5/24'))).toBe('10.244.1.0/24');
    expect(formatPrefix(parsePrefix('10.244.1.5'))).toBe('10.244.1.5/32');
    expect(formatPrefix(parsePrefix('fd00::5/64'))).toBe('fd00::/64');
  });

  test.each([
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/',
    '10.0.0.0/08',
    '10.0.0.0/8/8',
    '/8',
    '::/129',
    '10.0.0.0/255.0.0.0',
    '10.0.0.0/ 8',
  ])('%j is not a prefix', (text) => {
    expect(tryParsePrefix(text)).toBeUndefined();
  });
});

describe('MAC addresses', () => {
  test('are known by their canonical text only', () => {
    fc.assert(fc.property(mac, (text) => isMac(text)));
    expect(['02:00:00:00:00', '02-00-00-00-00-01', '0A:58:0a:f4:01:05', '', 'gg:00:00:00:00:00'].filter(isMac)).toEqual(
      [],
    );
  });

  test('of a group have the group bit', () => {
    expect(
      ['ff:ff:ff:ff:ff:ff', '33:33:00:00:00:01', '01:00:5e:00:00:01', '0a:58:0a:f4:01:05'].map(isGroupMac),
    ).toEqual([true, true, true, false]);
  });

  test('of multicast follow from the IP address', () => {
    expect(multicastMac(parseIp('224.0.0.251'))).toBe('01:00:5e:00:00:fb');
    expect(multicastMac(parseIp('239.255.255.250'))).toBe('01:00:5e:7f:ff:fa');
    expect(multicastMac(parseIp('ff02::1:ff00:2'))).toBe('33:33:ff:00:00:02');
  });

  test('a solicited-node address keeps the last 24 bits', () => {
    expect(formatIp(solicitedNode(parseIp('fd09::12:3456') as bigint))).toBe('ff02::1:ff12:3456');
  });
});

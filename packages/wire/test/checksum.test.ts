import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32c, internetChecksum, pseudoHeaderSum } from '../src/index.ts';
import { bytes, ends, payload } from './support.ts';

describe('the internet checksum', () => {
  test('is that of the example in RFC 1071', () => {
    expect(internetChecksum(bytes('0001f203f4f5f6f7'))).toBe(~0xddf2 & 0xffff);
  });

  test('takes an odd last byte as the high half of a word', () => {
    expect(internetChecksum(bytes('12'))).toBe(internetChecksum(bytes('1200')));
  });

  test('of bytes that hold it is 0', () => {
    fc.assert(
      fc.property(payload, ends, (data, at) => {
        const sum = pseudoHeaderSum(at, 6, data.length);
        const checksum = internetChecksum(data, sum);
        const padding = data.length % 2 === 0 ? [] : [0];
        const withIt = Uint8Array.from([...data, ...padding, checksum >> 8, checksum & 255]);
        expect(internetChecksum(withIt, sum)).toBe(0);
      }),
    );
  });

  test('does not overflow over the longest packet there is', () => {
    expect(internetChecksum(new Uint8Array(65535).fill(0xff))).toBe(0x00ff);
  });
});

describe('CRC32c', () => {
  test.each([
    ['of the digits 1 to 9', Buffer.from('123456789'), 0xe3069283],
    ['of 32 zeros (RFC 3720, B.4)', new Uint8Array(32), 0x8a9136aa],
    ['of 32 ones (RFC 3720, B.4)', new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ['of nothing', new Uint8Array(0), 0],
  ])('%s', (_, data, crc) => {
    expect(crc32c(data)).toBe(crc);
  });
});

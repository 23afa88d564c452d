import fc from 'fast-check';
import type { Ends, Ipv4, Ipv6, Mac } from '../src/index.ts';

export const port = fc.integer({ min: 0, max: 0xffff });
export const byte = fc.integer({ min: 0, max: 0xff });
export const word = fc.integer({ min: 0, max: 0xffff_ffff });
export const ipv4: fc.Arbitrary<Ipv4> = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
export const ipv6: fc.Arbitrary<Ipv6> = fc.bigInt({ min: 0n, max: (1n << 128n) - 1n });
export const ends: fc.Arbitrary<Ends> = fc.oneof(
  fc.record({ src: ipv4, dst: ipv4 }),
  fc.record({ src: ipv6, dst: ipv6 }),
);
export const mac: fc.Arbitrary<Mac> = fc
  .uint8Array({ minLength: 6, maxLength: 6 })
  .map((bytes) => [...bytes].map((value) => value.toString(16).padStart(2, '0')).join(':'));
export const payload = fc.uint8Array({ maxLength: 200 });
/** IPv4 or TCP options: any bytes, a multiple of four. */
export const options = fc
  .uint8Array({ maxLength: 10 })
  .map((bytes) => new Uint8Array(bytes.length * 4).fill(bytes[0] ?? 0));

/** A buffer in which nothing is zero by accident: what a codec does not write stands out. */
export function dirty(length: number): Uint8Array {
  return new Uint8Array(length).fill(0xa5);
}

export function bytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replace(/\s+/g, ''), 'hex'));
}

export function hex(data: Uint8Array): string {
  return Buffer.from(data).toString('hex');
}

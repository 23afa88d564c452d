import type { EndpointSlice } from '@netsim/manifest';
import { formatIp } from '@netsim/wire';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { endpointsByPort } from '../src/index.ts';

const octet = fc.oneof(
  fc.constantFrom(0, 1, 2, 9, 10, 11, 19, 20, 25, 99, 100, 101, 199, 200, 250, 255),
  fc.nat({ max: 255 }),
);
const address4 = fc
  .tuple(fc.constantFrom(10, 192, 1), octet, octet, octet)
  .map(([a, b, c, d]) => formatIp((a << 24) | (b << 16) | (c << 8) | d));
const address6 = fc
  .tuple(fc.nat({ max: 40 }), fc.nat({ max: 300 }))
  .map(([a, b]) => formatIp((0xfdn << 120n) | (BigInt(a) << 64n) | BigInt(b)));

test.each([
  [4, 'IPv4', address4],
  [6, 'IPv6', address6],
] as const)('endpoints stand in the order of their texts, each once (family %i)', (family, addressType, address) => {
  const slice = fc.record({ addresses: fc.array(address, { maxLength: 8 }), port: fc.constantFrom(80, 443, 8080, 9) });
  fc.assert(
    fc.property(fc.array(slice, { maxLength: 4 }), (parts) => {
      const slices = parts.map(
        ({ addresses, port }, i): EndpointSlice => ({
          apiVersion: 'discovery.k8s.io/v1',
          kind: 'EndpointSlice',
          metadata: { name: `s-${i}` },
          addressType,
          ports: [{ name: '', port }],
          endpoints: addresses.map((one) => ({ addresses: [one] })),
        }),
      );
      const texts = parts.flatMap(({ addresses, port }) =>
        addresses.map((one) => (family === 4 ? `${one}:${port}` : `[${one}]:${port}`)),
      );
      const found = endpointsByPort(slices, family).get('/tcp') ?? [];
      expect(found.map(({ text }) => text)).toEqual([...new Set(texts)].sort());
    }),
    { numRuns: 500 },
  );
});

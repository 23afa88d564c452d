import fc from 'fast-check';
import { expect, test } from 'vitest';
import { editDistance, nearest } from '../src/index.ts';

test('the distance of two texts is that of the two the other way round, and zero only for equals', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 8 }), fc.string({ maxLength: 8 }), (a, b) => {
      expect(editDistance(a, b)).toBe(editDistance(b, a));
      expect(editDistance(a, b) === 0).toBe(a === b);
    }),
  );
});

test('a limit only cuts off what is above it', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 8 }), fc.string({ maxLength: 8 }), fc.nat(8), (a, b, limit) => {
      expect(editDistance(a, b, limit)).toBe(Math.min(editDistance(a, b), limit + 1));
    }),
  );
});

test.each([
  ['kubai', ['kubia', 'web'], 'kubia'],
  ['Kubia', ['kubia-x', 'kubia'], 'kubia'],
  ['slector', ['selector', 'sector'], 'selector'],
  ['x', ['abc'], undefined],
  ['', ['a'], undefined],
  ['unrelated', ['kubia'], undefined],
])('nearest to %j of %j is %j', (name, candidates, expected) => {
  expect(nearest(name, candidates)).toBe(expected);
});

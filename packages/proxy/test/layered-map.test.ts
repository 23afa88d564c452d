import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LayeredMap } from '../src/index.ts';

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const layer = fc
  .array(fc.tuple(key, fc.option(fc.nat({ max: 3 }))), { maxLength: 5 })
  .map((entries) => new Map(entries));

/** The same by the book: upper layers laid over lower ones. */
function flat(layers: readonly ReadonlyMap<string, number | null>[]): Map<string, number> {
  const all = new Map<string, number | null>();
  for (const one of [...layers].reverse()) for (const [name, value] of one) all.set(name, value);
  return new Map([...all].filter((entry): entry is [string, number] => entry[1] !== null));
}

test('a layered map holds what its layers laid one over the other hold', () => {
  fc.assert(
    fc.property(fc.array(layer, { maxLength: 4 }), (layers) => {
      const map = new LayeredMap<number>(layers);
      const expected = flat(layers);
      expect(new Map(map)).toEqual(expected);
      expect(map.size).toBe(expected.size);
      expect(map.roughSize).toBeGreaterThanOrEqual(map.size);
      for (const name of 'abcde') {
        expect(map.get(name)).toBe(expected.get(name));
        expect(map.has(name)).toBe(expected.has(name));
      }
    }),
  );
});

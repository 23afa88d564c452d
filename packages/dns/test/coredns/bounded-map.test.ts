import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BoundedMap } from '../../src/coredns/bounded-map.ts';

test('a bounded map holds what was set last, whatever is set and deleted', () => {
  const key = fc.nat(12);
  const step = fc.oneof(
    fc.record({ set: key, value: fc.nat() }),
    fc.record({ set: key, value: fc.nat() }),
    fc.record({ drop: key }),
  );
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 6 }), fc.array(step, { maxLength: 80 }), (capacity, steps) => {
      const map = new BoundedMap<number, number>(capacity);
      let plain: [number, number][] = [];
      for (const one of steps) {
        const changed = 'set' in one ? one.set : one.drop;
        plain = plain.filter(([known]) => known !== changed);
        if ('set' in one) {
          map.set(one.set, one.value);
          plain = capacity === 0 ? [] : [...plain, [one.set, one.value] as [number, number]].slice(-capacity);
        } else {
          map.delete(one.drop);
        }
        expect(map.size).toBe(plain.length);
        for (let each = 0; each <= 12; each++) expect(map.get(each)).toBe(new Map(plain).get(each));
      }
    }),
  );
});

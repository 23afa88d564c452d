import { parseIp } from '@netsim/wire';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DynamicElements } from '../../src/netfilter/nftables/dynamic-elements.ts';
import { holds } from '../../src/netfilter/nftables/elements.ts';
import { HashTrie } from '../../src/netfilter/nftables/hash-trie.ts';
import { type NftElement, NftElements, type NftScalar, PersistentMap } from '../../src/netfilter/nftables/index.ts';

const address4 = fc.integer({ min: -8, max: 8 });
const address6 = fc.bigInt({ min: 0n, max: 9n }).map((low) => (0xfd00n << 112n) | (low << 60n) | low);
const port = fc.integer({ min: 0, max: 6 });
const name = fc.constantFrom('eth0', 'eth1', 'lo');

/** The element that a plain walk over all of them finds. */
function walk(elements: readonly NftElement[], values: readonly NftScalar[]): NftElement | null {
  return elements.find(({ key }) => key.every((part, i) => holds(part, values[i]!))) ?? null;
}

describe('a hash lookup finds what a plain walk finds', () => {
  const key = fc.oneof(
    fc.tuple(address4, port, port),
    fc.tuple(address6, port, port),
    fc.tuple(name, port, port),
  ) as fc.Arbitrary<NftScalar[]>;

  test('in a set built at once, and in one built and cleared step by step', () => {
    fc.assert(
      fc.property(fc.array(key), fc.array(key), key, (added, removed, wanted) => {
        let elements = NftElements.empty(['ipv4_addr', 'inet_proto', 'inet_service']);
        let model: NftElement[] = [];
        for (const [i, value] of added.entries()) {
          const element = { key: value, comment: String(i) };
          elements = elements.with(element);
          model = [...model.filter((other) => other.key.join() !== value.join()), element];
        }
        for (const value of removed) {
          const before = elements;
          elements = elements.without(value);
          model = model.filter((other) => other.key.join() !== value.join());
          if (elements.size === before.size) expect(elements).toBe(before);
        }
        const atOnce = NftElements.of(elements.type, model);
        expect([elements.size, atOnce.size]).toEqual([model.length, model.length]);
        expect([...elements].map(({ key: k }) => k.join()).sort()).toEqual(model.map(({ key: k }) => k.join()).sort());
        // Asked twice: a set that is asked more often than it has elements answers from its flat form.
        const asked = [wanted, ...added, ...removed];
        for (const value of [...asked, ...asked]) {
          expect(elements.find(value)).toBe(walk(model, value));
          expect(atOnce.find(value)).toBe(walk(model, value));
        }
      }),
    );
  });

  test('and a small number is not the address that stands as such a number', () => {
    const elements = NftElements.of(['ipv6_addr'], [{ key: [0xfdn << 120n] }]);
    for (let i = 0; i < 4; i++) expect(elements.find([0])).toBeNull();
    expect(elements.find([0xfdn << 120n])).not.toBeNull();
  });

  test('and an old version stays as it was', () => {
    const type = ['inet_service'] as const;
    const versions = [NftElements.empty(type)];
    for (let i = 0; i < 2000; i++) versions.push(versions.at(-1)!.with({ key: [i] }));
    for (const size of [0, 1, 500, 1999]) {
      const version = versions[size]!;
      expect(version.size).toBe(size);
      expect(version.find([size])).toBeNull();
      if (size > 0) expect(version.find([size - 1])).not.toBeNull();
    }
  });
});

describe('an interval lookup finds what a plain walk finds', () => {
  test('in ranges and prefixes of both families, over the whole of the number range', () => {
    const edge = fc.oneof(fc.integer({ min: -2147483648, max: 2147483647 }), fc.integer({ min: -20, max: 20 }));
    const range = fc.tuple(edge, edge).map(([a, b]) => (a >>> 0 <= b >>> 0 ? { from: a, to: b } : { from: b, to: a }));
    fc.assert(
      fc.property(fc.array(range, { maxLength: 12 }), fc.array(edge), fc.boolean(), (ranges, values, wide) => {
        const widen = (value: number): NftScalar => (wide ? BigInt(value >>> 0) << 64n : value);
        let elements = NftElements.empty([wide ? 'ipv6_addr' : 'ipv4_addr'], true);
        const model: NftElement[] = [];
        for (const { from, to } of ranges) {
          const key = [{ from: widen(from), to: widen(to) }];
          const overlaps = model.some(({ key: [other] }) => {
            const o = other as { from: NftScalar; to: NftScalar };
            return holds(o, key[0]!.from) || holds(o, key[0]!.to) || holds(key[0]!, o.from);
          });
          expect(elements.conflict(key) !== undefined).toBe(overlaps);
          if (overlaps) continue;
          const element = { key };
          elements = elements.with(element);
          model.push(element);
        }
        const atOnce = NftElements.of(elements.type, model, true);
        for (const value of [...values, ...ranges.flatMap(({ from, to }) => [from, to, from - 1, to + 1])]) {
          const wanted = [widen(value | 0)];
          expect(elements.find(wanted)).toBe(walk(model, wanted));
          expect(atOnce.find(wanted)).toBe(walk(model, wanted));
        }
      }),
    );
  });

  test('in concatenations', () => {
    const part = fc.tuple(port, port).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) }));
    fc.assert(
      fc.property(fc.array(fc.tuple(part, part)), port, port, (keys, a, b) => {
        const model = keys.map((key) => ({ key }));
        expect(NftElements.of(['inet_service', 'mark'], model, true).find([a, b])).toBe(walk(model, [a, b]));
      }),
    );
  });

  test('and a prefix holds its own addresses only', () => {
    const elements = NftElements.of(['ipv4_addr'], [{ key: [{ address: parseIp('192.168.0.0'), length: 16 }] }], true);
    for (const [text, found] of [
      ['192.167.255.255', false],
      ['192.168.0.0', true],
      ['192.168.255.255', true],
      ['192.169.0.0', false],
      ['10.0.0.1', false],
    ] as const) {
      expect(elements.find([parseIp(text)]) !== null, text).toBe(found);
    }
  });
});

test('a map that is a value does as Map does', () => {
  const step = fc.tuple(fc.constantFrom('with', 'without'), fc.string({ maxLength: 2 }), fc.integer());
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      let map = PersistentMap.from<number>([]);
      const model = new Map<string, number>();
      for (const [what, key, value] of steps) {
        map = what === 'with' ? map.with(key, value) : map.without(key);
        if (what === 'with') model.set(key, value);
        else model.delete(key);
      }
      expect([...map]).toEqual([...model]);
      expect([...PersistentMap.from(model)]).toEqual([...model]);
      expect(map.size).toBe(model.size);
      for (const [, key] of steps) expect(map.get(key)).toBe(model.get(key));
    }),
  );
});

describe('elements that rules add', () => {
  test('are gone when their time is over, unless renewed', () => {
    const elements = new DynamicElements(10);
    elements.put({ key: [1] }, 1000, 0, true);
    elements.put({ key: [2] }, 1000, 0, true);
    elements.put({ key: [1] }, 1000, 500, true);
    elements.put({ key: [2] }, 1000, 500, false);
    expect([elements.find([1], 1000) !== null, elements.find([2], 1000) !== null]).toEqual([true, false]);
    expect(elements.list(1400).map(({ key }) => key)).toEqual([[1]]);
    expect(elements.list(1500)).toEqual([]);
  });

  test('find no place in a full set until one is gone', () => {
    const elements = new DynamicElements(2);
    expect([1, 2, 3].map((key) => elements.put({ key: [key] }, 1000, 0, true))).toEqual([true, true, false]);
    expect(elements.put({ key: [3] }, 1000, 1000, true)).toBe(true);
    elements.delete([3]);
    expect(elements.find([3], 1000)).toBeNull();
  });
});

test('entries whose hashes are the same, or differ in the last bits only, are kept apart', () => {
  class Leaf {
    readonly hash: number;
    readonly next: Leaf | null;
    constructor(hash: number, next: Leaf | null) {
      this.hash = hash;
      this.next = next;
    }
  }
  const hashes = [0, 1 << 30, 3 << 30, 1, 33, -1, 0x7fffffff];
  let trie = new HashTrie<Leaf>();
  for (const hash of hashes) trie = trie.with(hash, new Leaf(hash, new Leaf(hash, null)));
  expect([...trie]).toHaveLength(2 * hashes.length);
  for (const gone of hashes) {
    const smaller = trie.with(gone, null);
    for (const hash of hashes) expect(smaller.bucket(hash)?.hash).toBe(hash === gone ? undefined : hash);
    expect(trie.bucket(gone)?.next?.hash).toBe(gone);
  }
});

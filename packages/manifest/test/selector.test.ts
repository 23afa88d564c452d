import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatSelector,
  type LabelSelector,
  matchesLabels,
  matchesSelector,
  parseSelector,
  type Requirement,
  requirements,
  SelectorError,
} from '../src/index.ts';

const name = fc.stringMatching(/^[A-Za-z0-9]([-A-Za-z0-9_.]{0,10}[A-Za-z0-9])?$/);
const key = fc.oneof(
  name,
  fc.tuple(fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,5}[a-z0-9])?$/), name).map((parts) => parts.join('/')),
);
const value = fc.oneof(name, fc.constant(''));
const labels = fc.dictionary(key, value, { maxKeys: 5 });
const requirement: fc.Arbitrary<Requirement> = fc.oneof(
  fc.record({
    key,
    operator: fc.constantFrom('In' as const, 'NotIn' as const),
    values: fc.uniqueArray(value, { minLength: 1, maxLength: 3 }).map((list) => list.sort()),
  }),
  fc.record({ key, operator: fc.constantFrom('Exists' as const, 'DoesNotExist' as const), values: fc.constant([]) }),
  fc.record({
    key,
    operator: fc.constantFrom('Gt' as const, 'Lt' as const),
    values: fc.nat().map((n) => [String(n)]),
  }),
);
const selector = fc.uniqueArray(requirement, { maxLength: 4, selector: (each) => each.key }).map(sorted);

function sorted(list: readonly Requirement[]): Requirement[] {
  return [...list].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

describe('laws', () => {
  test('a selector written as text is read back the same', () => {
    fc.assert(
      fc.property(selector, (list) => {
        expect(parseSelector(formatSelector(list))).toEqual(list);
      }),
    );
  });

  test('a selector and its text select the same labels', () => {
    fc.assert(
      fc.property(selector, labels, (list, set) => {
        expect(matchesLabels(formatSelector(list), set)).toBe(matchesSelector(list, set));
      }),
    );
  });

  test('exactly one of a condition and its opposite holds', () => {
    const opposite = { In: 'NotIn', NotIn: 'In', Exists: 'DoesNotExist', DoesNotExist: 'Exists' } as const;
    fc.assert(
      fc.property(requirement, labels, (each, set) => {
        if (each.operator === 'Gt' || each.operator === 'Lt') return;
        const other = { ...each, operator: opposite[each.operator] };
        expect(matchesSelector([each], set)).toBe(!matchesSelector([other], set));
      }),
    );
  });

  test('labels are selected by themselves, as a map, as matchLabels and as text', () => {
    fc.assert(
      fc.property(labels, (set) => {
        expect(matchesLabels(set, set)).toBe(true);
        expect(matchesLabels({ matchLabels: set }, set)).toBe(true);
        expect(matchesLabels(formatSelector(requirements({ matchLabels: set })), set)).toBe(true);
      }),
    );
  });

  test('more labels never undo a match of pairs', () => {
    fc.assert(
      fc.property(labels, labels, (wanted, more) => {
        expect(matchesLabels(wanted, { ...more, ...wanted })).toBe(true);
      }),
    );
  });
});

const set = { app: 'pc', rel: 'stable', env: 'prod', size: '5' };

test.each<[string, boolean]>([
  ['', true],
  ['app=pc', true],
  ['app==pc', true],
  ['app = pc , rel = stable', true],
  ['app=pc,rel=beta', false],
  ['app=pc,rel!=beta', true],
  ['missing!=x', true],
  ['env in (prod,stage)', true],
  ['env in(dev, stage)', false],
  ['env notin (dev)', true],
  ['missing notin (dev)', true],
  ['missing in (dev)', false],
  ['app', true],
  ['!app', false],
  ['!missing', true],
  ['size>4,size<6', true],
  ['size>5', false],
  ['app>1', false],
  ['in=x', false],
  ['app=', false],
  ['missing=', false],
  ['missing in ()', false],
])('%j selects app=pc,rel=stable,env=prod,size=5: %s', (text, expected) => {
  expect(matchesLabels(text, set)).toBe(expected);
});

test.each([
  'app=pc,',
  ',app',
  'app=pc rel=beta',
  'app in prod',
  'app in (prod',
  'app in prod)',
  '!',
  '=',
  'app=(x)',
  'app>x',
  'app>',
  'a/b/c=d',
  '-a=b',
  'app=-b',
  `app=${'x'.repeat(64)}`,
  'app~b',
  '!app=b',
])('%j is no selector', (text) => {
  expect(() => parseSelector(text)).toThrow(SelectorError);
});

test('a LabelSelector: missing selects nothing, empty everything', () => {
  expect(matchesLabels(undefined, set)).toBe(false);
  expect(matchesLabels(null, set)).toBe(false);
  expect(matchesLabels({}, set)).toBe(true);
  expect(matchesLabels({ matchLabels: {} }, {})).toBe(true);
});

test('a LabelSelector: all of its expressions must hold', () => {
  const both: LabelSelector = {
    matchLabels: { app: 'pc' },
    matchExpressions: [
      { key: 'env', operator: 'In', values: ['prod'] },
      { key: 'old', operator: 'DoesNotExist' },
    ],
  };
  expect(matchesLabels(both, set)).toBe(true);
  expect(matchesLabels(both, { ...set, old: '' })).toBe(false);
  expect(matchesLabels(both, { ...set, app: 'x' })).toBe(false);
});

test.each<[string, string[] | undefined]>([
  ['in', ['a']],
  ['Equals', ['a']],
  ['In', []],
  ['In', undefined],
  ['Exists', ['a']],
])('matchExpressions with operator %s and values %j are refused', (operator, values) => {
  const expression = values === undefined ? { key: 'a', operator } : { key: 'a', operator, values };
  expect(() => matchesLabels({ matchExpressions: [expression] }, set)).toThrow(SelectorError);
});

test('labels inherited from a prototype are not there', () => {
  expect(matchesLabels('toString', {})).toBe(false);
  expect(matchesLabels('!constructor', {})).toBe(true);
});

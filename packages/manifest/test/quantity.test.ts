import { expect, test } from 'vitest';
import { canonicalQuantity } from '../src/validate/quantity.ts';

test.each([
  ['0', '0'],
  ['1', '1'],
  ['1000m', '1'],
  ['100m', '100m'],
  ['0.5', '500m'],
  ['1.5', '1500m'],
  ['.5', '500m'],
  ['1.', '1'],
  ['1500m', '1500m'],
  ['1024Mi', '1Gi'],
  ['1.5Gi', '1536Mi'],
  ['128Mi', '128Mi'],
  ['1000k', '1M'],
  ['1e3', '1e3'],
  ['-1', '-1'],
  ['1Ki', '1Ki'],
  ['0Mi', '0'],
  ['2000', '2k'],
])('%s is stored as %s', (text, stored) => {
  expect(canonicalQuantity(text)).toBe(stored);
});

test.each(['', 'x', '1x', '1 Gi', '1GiB', '--1', '1e', 'Mi'])('%j is no quantity', (text) => {
  expect(canonicalQuantity(text)).toBeUndefined();
});

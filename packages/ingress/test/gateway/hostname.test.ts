import { describe, expect, test } from 'vitest';
import { byHostSpecificity, hostIntersection, hostMatches } from '../../src/gateway/hostname.ts';

describe('host names of listeners and routes', () => {
  test.each<[string | undefined, string, boolean, string]>([
    ['*.example.com', 'a.example.com', true, 'one label'],
    ['*.example.com', 'a.b.example.com', true, 'several labels, unlike in an Ingress'],
    ['*.example.com', 'example.com', false, 'not the suffix itself'],
    ['*.example.com', 'aexample.com', false, 'not a longer label'],
    ['example.com', 'example.com', true, 'itself'],
    [undefined, 'example.com', true, 'no name stands for all'],
  ])('%s matches %s: %s, %s', (pattern, host, matches, _why) => {
    expect(hostMatches(pattern, host)).toBe(matches);
  });

  test.each([
    ['*.example.com', 'a.example.com', 'a.example.com'],
    ['*.b.example.com', '*.example.com', '*.b.example.com'],
    [undefined, '*.example.com', '*.example.com'],
    ['*.example.com', 'example.com', null],
    ['a.example.com', 'b.example.com', null],
  ])('%s and %s have %s in common', (a, b, common) => {
    expect(hostIntersection(a, b)).toBe(common);
    expect(hostIntersection(b, a)).toBe(common);
  });

  test('exact names come before longer wildcards, and those before no name', () => {
    const names = [undefined, '*.com', 'a.com', '*.example.com'];
    expect(names.toSorted(byHostSpecificity)).toEqual(['a.com', '*.example.com', '*.com', undefined]);
  });
});

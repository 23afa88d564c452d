import { expect, test } from 'vitest';
import { renderSpread, type SpreadRow } from '../src/index.ts';

function pod(name: string, ip: string, requests: number): SpreadRow {
  return { disposition: 'DELIVERED', backend: { kind: 'Pod', namespace: 'default', name, ip, port: 8080 }, requests };
}

test('a spread is a table of backends, the most used first', () => {
  const rows = [
    pod('kubia-1', '10.244.1.6', 320),
    pod('kubia-0', '10.244.2.7', 341),
    pod('kubia-2', '10.244.3.4', 320),
    { disposition: 'NO_LISTENER', requests: 19 } as const,
  ];
  expect(renderSpread(rows)).toBe(
    [
      'BACKEND   ADDRESS           RESULT        REQUESTS   PERCENT',
      'kubia-0   10.244.2.7:8080   DELIVERED     341        34.1%',
      'kubia-1   10.244.1.6:8080   DELIVERED     320        32.0%',
      'kubia-2   10.244.3.4:8080   DELIVERED     320        32.0%',
      '<none>    <none>            NO_LISTENER   19         1.9%',
      '',
    ].join('\n'),
  );
});

test('a spread over nothing is the heading alone', () => {
  expect(renderSpread([])).toBe('BACKEND   ADDRESS   RESULT   REQUESTS   PERCENT\n');
});

test('a pod of another namespace is named with it, an IPv6 address with brackets', () => {
  const backend = { kind: 'Pod', namespace: 'shop', name: 'api-0', ip: 'fd00::7', port: 80 };
  expect(renderSpread([{ disposition: 'DELIVERED', backend, requests: 1 }])).toContain('shop/api-0   [fd00::7]:80');
});

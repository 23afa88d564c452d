import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cookieTime, PeakEwma } from '../../src/ingress/balancer.ts';
import { RequestLimiter } from '../../src/ingress/limits.ts';

test.each([
  [Date.UTC(2010, 10, 18, 11, 27, 35), 'Thu, 18-Nov-10 11:27:35 GMT'],
  [Date.UTC(2037, 11, 31, 23, 59, 59), 'Thu, 31-Dec-37 23:59:59 GMT'],
  [Date.UTC(2038, 0, 1), 'Fri, 01-Jan-2038 00:00:00 GMT'],
])('nginx writes the time of a cookie %i as %s', (time, text) => {
  expect(cookieTime(time)).toBe(text);
});

const limits = (rates: readonly { perMinute: number; burst: number }[]) => ({
  zone: 'default/web',
  client: '192.0.2.1',
  rates,
  connections: 0,
  status: { rate: 503, connections: 503 },
});

/** When each request came in seconds, and what nginx 1.22 said: `+` passed, `-` refused. */
const recorded: [what: string, rates: { perMinute: number; burst: number }[], times: number[], said: string][] = [
  ['a burst at once', [{ perMinute: 60, burst: 5 }], [0, 0, 0, 0, 0, 0, 0, 0], '++++++--'],
  ['two seconds later', [{ perMinute: 60, burst: 5 }], [0, 0, 0, 0, 0, 0, 0, 2.1, 2.1, 2.1], '++++++-++-'],
  [
    'what the slower limit refuses is not counted by the quicker',
    [
      { perMinute: 60, burst: 5 },
      { perMinute: 1, burst: 1 },
    ],
    [0, 0, 0],
    '++-',
  ],
];
test.each(recorded)('limits as the real nginx: %s', (_what, rates, times, said) => {
  const limiter = new RequestLimiter();
  const ours = times.map((at) => (typeof limiter.admit(limits(rates), at * 1000) === 'number' ? '-' : '+'));
  expect(ours.join('')).toBe(said);
});

test('in any time no more pass than the burst, one, and the rate', () => {
  const moments = fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 200 });
  fc.assert(
    fc.property(
      moments,
      fc.integer({ min: 1, max: 600 }),
      fc.integer({ min: 0, max: 20 }),
      (gaps, perMinute, burst) => {
        const limiter = new RequestLimiter();
        let now = 0;
        let passed = 0;
        for (const gap of gaps) {
          now += gap;
          if (typeof limiter.admit(limits([{ perMinute, burst }]), now) !== 'number') passed++;
        }
        expect(passed).toBeLessThanOrEqual(burst + 1 + (perMinute * now) / 60_000 + 0.001);
      },
    ),
  );
});

test('ewma: of two the one that has answered faster, until it is forgotten', () => {
  const [slow, quick] = [10, 20].map((last) => ({ ip: last, port: 80, text: `10.0.0.${last}:80` })) as [
    { ip: number; port: number; text: string },
    { ip: number; port: number; text: string },
  ];
  for (const first of [0, 1]) {
    const random = { chance: () => false, choose: () => 0, below: (bound: number) => Math.min(first, bound - 1) };
    const ewma = new PeakEwma(random);
    ewma.answered(slow, 3000, 10_000);
    ewma.answered(quick, 10, 10_000);
    expect(ewma.pick([slow, quick], 10_000)).toBe(quick);
    const later = 10_000 + 1000 * 10_000;
    expect(ewma.pick([slow, quick], later), 'both are as good').toBe([slow, quick][first]);
  }
});

import { expect, test } from 'vitest';
import { type ColorChoice, wantsColor } from '../src/color.ts';
import { netsim } from './harness.ts';

test.each<[string, ColorChoice, Record<string, string>, boolean, boolean]>([
  ['a terminal', 'auto', {}, true, true],
  ['no terminal', 'auto', {}, false, false],
  ['a terminal that cannot', 'auto', { TERM: 'dumb' }, true, false],
  ['NO_COLOR', 'auto', { NO_COLOR: '1' }, true, false],
  ['an empty NO_COLOR', 'auto', { NO_COLOR: '' }, true, true],
  ['FORCE_COLOR', 'auto', { FORCE_COLOR: '1' }, false, true],
  ['FORCE_COLOR=0', 'auto', { FORCE_COLOR: '0' }, true, false],
  ['NO_COLOR before FORCE_COLOR', 'auto', { NO_COLOR: '1', FORCE_COLOR: '1' }, true, false],
  ['the flag before NO_COLOR', 'always', { NO_COLOR: '1' }, false, true],
  ['the flag before FORCE_COLOR', 'never', { FORCE_COLOR: '1' }, true, false],
  ['CI is ignored', 'auto', { CI: 'true' }, true, true],
])('%s', (_name, choice, env, isTTY, color) => {
  expect(wantsColor(choice, { env, isTTY })).toBe(color);
});

test('a trace is coloured on a terminal and plain in a pipe', async () => {
  const argv = ['trace', 'pod-a', 'svc/kubia'];
  expect((await netsim(argv, { isTTY: true })).stdout).toContain('\u001b[');
  expect((await netsim(argv)).stdout).not.toContain('\u001b[');
});

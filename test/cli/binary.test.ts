import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const cli = join(import.meta.dirname, '../../packages/cli');
const built = existsSync(join(cli, 'bundle/netsim.cjs.cache'));

/** A copy of the built command, whose cache may be spoilt. */
let copy: string;
beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'netsim-binary-'));
  if (!built) return;
  for (const part of ['bin', 'bundle', 'package.json']) cpSync(join(cli, part), join(copy, part), { recursive: true });
  mkdirSync(join(copy, 'node_modules/@netsim'), { recursive: true });
  symlinkSync(join(cli, '../../node_modules/pino'), join(copy, 'node_modules/pino'));
  symlinkSync(join(cli, '../lab'), join(copy, 'node_modules/@netsim/lab'));
});
afterAll(() => rmSync(copy, { recursive: true }));

function netsim(folder: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [join(folder, 'bin/netsim.js'), ...args], { encoding: 'utf8' });
}

describe.skipIf(!built)('the built command', () => {
  test('runs, and imports what stays outside the bundle', () => {
    const { status, stderr, stdout } = netsim(cli, '--log-level', 'debug', 'get', 'pods');
    expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringContaining('"msg":"cluster loaded"') });
    expect(stdout).toContain('pod-a');
  });

  test('completes', () => {
    const completed = spawnSync(process.execPath, [join(cli, 'bin/kubectl_complete-netsim.js'), 'tra'], {
      encoding: 'utf8',
    });
    expect(completed.stdout).toContain('trace');
  });

  test.each([
    { title: 'without the cache of compiled code', spoil: () => rmSync(join(copy, 'bundle/netsim.cjs.cache')) },
    {
      title: 'with one that V8 does not take',
      spoil: () => writeFileSync(join(copy, 'bundle/netsim.cjs.cache'), 'spoilt'),
    },
  ])('$title prints the same', ({ spoil }) => {
    spoil();
    const args = ['trace', 'pod-a', 'svc/kubia'];
    expect(netsim(copy, ...args)).toEqual({ ...netsim(cli, ...args), pid: expect.any(Number) });
  });
});

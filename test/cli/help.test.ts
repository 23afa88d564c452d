import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { netsim } from './netsim.ts';

const packages = join(import.meta.dirname, '../../packages');

/** Commands as the help lists them, with those of `lab`. */
async function commands(...parents: string[]): Promise<string[][]> {
  const { stdout } = await netsim([...parents, '--help']);
  const list = /\nCommands:\n([\s\S]*?)(\n\n|$)/.exec(stdout)?.[1] ?? '';
  const names = [...list.matchAll(/^ {2}(\w+)/gm)].map(([, name]) => name!).filter((name) => name !== 'help');
  const below = await Promise.all(names.map((name) => commands(...parents, name)));
  return names.flatMap((name, i) => [[...parents, name], ...below[i]!]);
}

test('every command says how it is used, and gives an example that begins with netsim', async () => {
  const all = await commands();
  expect(all.length).toBeGreaterThan(10);
  for (const command of all) {
    const { code, stdout, stderr } = await netsim([...command, '--help']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout, command.join(' ')).toMatch(new RegExp(`^Usage: netsim ${command.join(' ')}`));
    expect(stdout, command.join(' ')).toMatch(/\nExamples?:\n {2}.*\bnetsim /);
  }
});

describe('explain knows', () => {
  /** The texts of a union of literal types. */
  const members = (file: string, type: string) => {
    const text = readFileSync(join(packages, file), 'utf8');
    const from = text.indexOf(`export type ${type} =`);
    const union = text.slice(from, text.indexOf(';', from));
    return [...union.matchAll(/'([A-Z][A-Z0-9_]+)'/g)].map(([, name]) => name!);
  };
  test.each([
    ['every drop reason of the kernel', 'kernel/src/drop-reason.ts', 'DropReason'],
    ['every disposition', 'trace/src/model.ts', 'Disposition'],
  ])('%s', async (_what, file, type) => {
    const codes = members(file, type);
    expect(codes.length).toBeGreaterThan(5);
    for (const code of codes) expect((await netsim(['explain', code])).code, code).toBe(0);
  });
});

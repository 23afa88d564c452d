import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { missingForLab } from '../src/index.ts';

const missing = [...missingForLab()];
// A process of its own runs the built package: Node cannot run the sources.
if (!existsSync(fileURLToPath(new URL('../dist/lab.js', import.meta.url)))) missing.push('npm run build');
if (missing.length > 0) console.log(`interrupted lab: skipped: needs ${missing.join(', ')}`);

const program = `
import { buildLab } from ${JSON.stringify(new URL('../dist/lab.js', import.meta.url).href)};
const pod = { name: 'p', machine: 'p', label: 'host', links: [{ kind: 'bridge', name: 'br0' }], addresses: [], routes: [] };
const lab = await buildLab({ netns: [pod], rulesets: [], listeners: [] });
console.log(lab.prefix);
if (process.argv[1] === 'throw') throw new Error('as programs do');
setInterval(() => {}, 1000);
`;

async function run(how: 'SIGINT' | 'SIGTERM' | 'throw'): Promise<{ prefix: string; end: string | number }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, how], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = once(child, 'exit') as Promise<[number | null, string | null]>;
  let prefix = '';
  for await (const text of child.stdout.setEncoding('utf8')) {
    prefix += text;
    if (prefix.endsWith('\n') && how !== 'throw') child.kill(how);
  }
  const [status, signal] = await ended;
  return { prefix: prefix.trim(), end: signal ?? status ?? '' };
}

describe.skipIf(missing.length > 0)('a lab whose process ends early', () => {
  it.each([
    ['SIGINT', 'SIGINT'],
    ['SIGTERM', 'SIGTERM'],
    ['throw', 1],
  ] as const)('by %s leaves no namespace behind and ends as it would have', async (how, expected) => {
    const { prefix, end } = await run(how);
    expect(prefix).toMatch(/^nslab-\d+-0$/);
    expect(end).toBe(expected);
    expect(readdirSync('/run/netns').filter((name) => name.startsWith(prefix))).toEqual([]);
  });
});

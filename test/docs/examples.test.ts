import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { run } from '@netsim/cli';
import { afterAll, describe, expect, test } from 'vitest';
import { type ConsoleCommand, consoleCommands, shellWords, withOutputs } from './console.ts';

/**
 * The README, every page in docs/ and every example are executed: what a page shows is what the program prints.
 * `UPDATE_EXAMPLES=1 npx vitest run test/docs` writes the real output into the pages, to be read in review.
 */
const root = join(import.meta.dirname, '../..');
const update = process.env.UPDATE_EXAMPLES === '1';

const pages = [
  join(root, 'README.md'),
  ...(existsSync(join(root, 'docs')) ? readdirSync(join(root, 'docs')).map((name) => join(root, 'docs', name)) : []),
  ...readdirSync(join(root, 'examples')).map((name) => join(root, 'examples', name, 'README.md')),
].filter(
  (page) =>
    page.endsWith('.md') && existsSync(page) && (page.includes('/examples/') || consoleCommands(page).length > 0),
);

/** Commands of a page that set up a machine, not netsim: shown, not run here (the gate runs them). */
const notRun = /^(npm ci && npm test|npm (install|run|ci|test)\b|sudo |kubectl |git )/;

async function execute(command: string, folder: string): Promise<string> {
  const words = shellWords(command.replace(/^npm ci && /, '').replace(/^npx /, ''));
  let output = '';
  const write = (text: string): boolean => {
    output += text;
    return true;
  };
  const before = process.cwd();
  process.chdir(folder);
  try {
    let code = 0;
    if (words[0] === 'netsim') {
      code = await run(words.slice(1), { stdout: { write }, stderr: { write }, env: {}, isTTY: false });
    } else if (words[0] === 'node') {
      const log = console.log;
      console.log = (...values: unknown[]) => {
        write(`${values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value))).join(' ')}\n`);
      };
      try {
        await import(pathToFileURL(join(folder, words[1]!)).href);
      } finally {
        console.log = log;
      }
    } else {
      throw new Error(`no way to run ${JSON.stringify(command)}`);
    }
    return `${output}${code === 0 ? '' : `[exit ${code}]\n`}`.trimEnd();
  } finally {
    process.chdir(before);
  }
}

describe.each(pages.map((page) => [relative(root, page), page] as const))('%s', (_, page) => {
  const commands = consoleCommands(page).filter((command) => !notRun.test(command.command));
  const outputs = new Map<number, string>();
  const folder = page === join(root, 'README.md') || dirname(page) === join(root, 'docs') ? root : dirname(page);

  test.each(commands.map((command) => [command.command, command] as const))(
    'prints what it says: %s',
    async (_text, command: ConsoleCommand) => {
      const real = await execute(command.command, folder);
      outputs.set(command.line, real);
      if (!update) expect(real).toBe(command.expected.trimEnd());
    },
  );

  if (page.includes('/examples/')) {
    test('shows at least one command', () => expect(commands.length).toBeGreaterThan(0));
  }

  afterAll(() => {
    if (update) writeFileSync(page, withOutputs(readFileSync(page, 'utf8'), outputs));
  });
});

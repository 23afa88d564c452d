import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');

interface Row {
  readonly line: number;
  readonly behaviour: string;
  readonly fidelity: string;
  readonly shown: string;
}

/** The rows of the tables of FIDELITY.md that have a column for the test. */
function rows(): Row[] {
  const found: Row[] = [];
  let withTests = false;
  readFileSync(join(root, 'FIDELITY.md'), 'utf8')
    .split('\n')
    .forEach((text, at) => {
      const cells = text.split(/(?<!\\)\|/).map((cell) => cell.trim());
      if (cells.length !== 5) withTests = false;
      else if (cells[3] === 'test' || cells[3] === 'shown by') withTests = true;
      else if (withTests && !/^-+$/.test(cells[1]!)) {
        found.push({ line: at + 1, behaviour: cells[1]!, fidelity: cells[2]!, shown: cells[3]! });
      }
    });
  return found;
}

/** Whether `path` names a file or folder, or with `*` at least one file. */
function exists(path: string): boolean {
  if (!path.includes('*')) return existsSync(path);
  const [before = '', after = ''] = basename(path).split('*');
  const folder = dirname(path);
  return existsSync(folder) && readdirSync(folder).some((name) => name.startsWith(before) && name.endsWith(after));
}

/** A place that a row names: below `packages/`, or from the root. `vectors x/y` is a recording. */
function placesOf(text: string): { text: string; found: boolean }[] {
  return [...text.matchAll(/`([^`]+)`/g)].flatMap(([, code]) => {
    const words = code!.trim();
    if (words.startsWith('vectors ')) {
      const vectors = join(root, 'test/vectors', words.slice('vectors '.length));
      return [{ text: words, found: exists(vectors) || exists(`${vectors}.json`) || exists(`${vectors}*`) }];
    }
    if (/\s/.test(words) || !words.includes('/')) return [];
    return [{ text: words, found: exists(join(root, words)) || exists(join(root, 'packages', words)) }];
  });
}

describe('FIDELITY.md', () => {
  test('has rows to check', () => expect(rows().length).toBeGreaterThan(100));

  test('names only tests that are there', () => {
    const missing = rows().flatMap(({ line, shown }) =>
      placesOf(shown)
        .filter(({ found }) => !found)
        .map(({ text }) => `FIDELITY.md:${line}: ${text}`),
    );
    expect(missing).toEqual([]);
  });

  test('says of everything that is exact where this is shown', () => {
    const unshown = rows().filter(({ fidelity, shown }) => /^exact/.test(fidelity) && shown === '');
    expect(unshown.map(({ line, behaviour }) => `FIDELITY.md:${line}: ${behaviour}`)).toEqual([]);
  });
});

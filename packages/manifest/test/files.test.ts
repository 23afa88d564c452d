import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { formatFinding, readManifestFiles } from '../src/index.ts';

let root: string;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'netsim-manifest-'));
  mkdirSync(join(root, 'sub'));
  mkdirSync(join(root, 'none'));
  writeFileSync(join(root, 'b.yaml'), 'b: 1\n');
  writeFileSync(join(root, 'a.yml'), 'a: 1\n');
  writeFileSync(join(root, 'c.json'), '{}');
  writeFileSync(join(root, 'readme.md'), 'no manifest');
  writeFileSync(join(root, 'sub', 'd.yaml'), 'd: 1\n');
  writeFileSync(join(root, 'empty'), '  \n');
  writeFileSync(join(root, 'binary'), Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1, 2, 0xff]));
  writeFileSync(join(root, 'latin1'), Buffer.from([0x61, 0x3a, 0x20, 0xe9, 0x0a]));
  writeFileSync(join(root, 'utf16'), Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from('a: é\n', 'utf16le')]));
  writeFileSync(join(root, 'bom'), '\ufeffa: 1\n');
});
afterAll(() => rmSync(root, { recursive: true }));

const said = (path: string, options = {}) =>
  readManifestFiles([join(root, path)], options).findings.map((finding) => formatFinding(finding).replace(root, ''));

test('a directory gives its manifests, sorted, and not those below it', () => {
  const { sources, findings } = readManifestFiles([root]);
  expect(sources.map(({ file }) => file.replace(root, ''))).toEqual(['/a.yml', '/b.yaml', '/c.json']);
  expect(findings).toEqual([]);
});

test('a directory gives those below it where that is asked for', () => {
  const { sources } = readManifestFiles([root], { recursive: true });
  expect(sources.map(({ file }) => file.replace(root, ''))).toEqual(['/a.yml', '/b.yaml', '/c.json', '/sub/d.yaml']);
});

test('a file may have any name', () => {
  expect(readManifestFiles([join(root, 'readme.md')]).sources.length).toBe(1);
});

test('stdin is given by the caller', () => {
  expect(readManifestFiles(['-'], { stdin: 'a: 1\n' }).sources).toEqual([{ file: '-', text: 'a: 1\n' }]);
  expect(readManifestFiles(['-']).findings.map(formatFinding)).toEqual(['error: -: nothing came on standard input']);
});

test('text in UTF-16 with a byte order mark is read', () => {
  expect(readManifestFiles([join(root, 'utf16')]).sources[0]!.text).toBe('a: é\n');
  expect(readManifestFiles([join(root, 'bom')]).sources[0]!.text).toBe('a: 1\n');
});

test.each([
  ['missing', 'error: /missing: no such file or directory'],
  ['empty', 'error: /empty: the file is empty'],
  ['binary', 'error: /binary: not a text in UTF-8: is this a manifest?'],
  ['latin1', 'error: /latin1: not a text in UTF-8: is this a manifest?'],
  ['none', 'error: /none: no .yaml, .yml or .json file in this directory (its subdirectories are read with -R)'],
])('%s is an error that says why', (path, message) => {
  expect(said(path)).toEqual([message]);
});

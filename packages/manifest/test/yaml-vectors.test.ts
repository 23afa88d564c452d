import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import { readVectors, reportVectors } from '../../../test/support/vectors.ts';
import { loadManifests } from '../src/index.ts';

interface YamlCase {
  readonly name: string;
  readonly exit: number;
  readonly text?: string;
  /** `large` where the recording does not hold them. */
  readonly objects?: readonly Record<string, unknown>[] | 'large';
  readonly stderr: string;
}

const vectors = readVectors<{ cases: YamlCase[] }>('manifest/yaml-recorded');

test.skipIf(vectors === undefined)('reads YAML and JSON as kubectl does', () => {
  const failed: string[] = [];
  for (const { name, exit, text, objects } of vectors!.cases) {
    const { objects: got, findings } = loadManifests([{ file: '-', text: text ?? deep(name) }], { raw: true });
    const errors = findings.filter((finding) => finding.severity === 'error');
    const shown = `${name}: ${JSON.stringify(got)} ${JSON.stringify(errors)}`;
    if (errors.length > 0 ? exit === 0 : exit !== 0) failed.push(shown);
    else if (exit === 0 && objects !== 'large' && !isDeepStrictEqual(normal(got), normal(objects ?? [])))
      failed.push(shown);
  }
  reportVectors('manifest/yaml-recorded', vectors!.cases.length, failed);
  expect(failed).toEqual([]);
});

/** Plain JSON, without the empty labels that the recording's way of asking leaves behind. */
function normal(objects: readonly unknown[]): unknown[] {
  const plain = JSON.parse(JSON.stringify(objects)) as { metadata?: { labels?: object } }[];
  for (const { metadata } of plain) {
    if (metadata?.labels !== undefined && Object.keys(metadata.labels).length === 0) delete metadata.labels;
  }
  return plain;
}

/** Texts too large to be recorded are known by their name: `deep 20000` is a list nested so deep. */
function deep(name: string): string {
  const levels = Number(/^deep (\d+)$/.exec(name)?.[1]);
  return `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\nx: ${'['.repeat(levels)}${']'.repeat(levels)}\n`;
}

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findings } from '../src/explain/findings.ts';
import { allCodes } from '../src/explain/index.ts';
import { ingressFindings } from '../src/explain/ingress-findings.ts';
import { netsim } from './harness.ts';

test('explains a disposition, and takes it in any case', async () => {
  const { code, stdout } = await netsim(['explain', 'no-endpoints']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^NO_ENDPOINTS \(disposition\)\n {2}The service exists .*\n\n {2}To mend it: /);
});

test('takes a drop reason as the kernel prints it', async () => {
  expect((await netsim(['explain', 'SKB_DROP_REASON_NEIGH_FAILED'])).stdout).toMatch(/^NEIGH_FAILED \(drop reason\)/);
});

test('shows both where a code is of two types', async () => {
  expect((await netsim(['explain', 'TTL_EXPIRED'])).stdout).toMatch(
    /TTL_EXPIRED \(disposition\)[\s\S]*TTL_EXPIRED \(drop reason\)/,
  );
});

test('lists all codes without an argument', async () => {
  const { stdout } = await netsim(['explain']);
  expect(stdout.trimEnd().split('\n')).toHaveLength(allCodes().length);
});

/** Codes of findings as they stand in the sources: `code: 'x'`, and the argument of the helpers that make findings. */
function codesInSources(): Set<string> {
  const codes = new Set<string>();
  const packages = join(import.meta.dirname, '../..');
  for (const name of ['manifest', 'control', 'netsim']) {
    const folder = join(packages, name, 'src');
    for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      if (!entry.endsWith('.ts') || entry.startsWith('exec')) continue;
      const text = readFileSync(join(folder, entry), 'utf8');
      for (const [, code] of text.matchAll(/\bcode: '([a-z]+(?:-[a-z]+)*)'/g)) codes.add(code!);
      for (const [, code] of text.matchAll(/\b(?:finding|problem)\([^'()]*'([a-z]+-[a-z-]+)',/g)) codes.add(code!);
    }
  }
  return codes;
}

test('every code that a finding can have is explained', () => {
  const missing = [...codesInSources()].filter((code) => !Object.hasOwn(findings, code));
  expect(missing).toEqual([]);
});

test('every code that an ingress controller can tell is explained, and no other', () => {
  const folder = join(import.meta.dirname, '../../ingress/src/ingress');
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((entry) => entry.endsWith('.ts'));
  const texts = sources.map((entry) => readFileSync(join(folder, entry), 'utf8')).join('\n');
  const codes = new Set([...texts.matchAll(/'(ingress-[a-z-]+)'/g)].map((match) => match[1]!));
  codes.delete('ingress-nginx');
  expect([...codes].sort()).toEqual(Object.keys(ingressFindings).sort());
});

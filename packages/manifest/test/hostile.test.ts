import { expect, test } from 'vitest';
import { formatFinding, loadManifests, ORIGIN } from '../src/index.ts';

const head = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n';

function errors(text: string): string[] {
  return loadManifests([{ file: 'a', text }]).findings.map(formatFinding);
}

// No clock here: work that grows with the square of these inputs would outlast the time limit of the test runner, and what reads
// YAML counts nothing that a test could ask for.

test.each([
  ['flow lists', `${head}x: ${'['.repeat(100_000)}${']'.repeat(100_000)}\n`],
  ['flow maps', `${head}x: ${'{a: '.repeat(100_000)}b${'}'.repeat(100_000)}\n`],
  ['unclosed flow lists', `${head}x: ${'['.repeat(100_000)}`],
  ['compact block lists', `${head}x:\n${'- '.repeat(100_000)}a\n`],
  ['nested block maps', Array.from({ length: 3000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')],
])('100,000 levels of %s are one clear error, in bounded time', (_, text) => {
  const found = errors(text);
  expect(found.length).toBe(1);
  expect(found[0]).toMatch(/nested more than 300 levels deep/);
});

test('deep JSON is one clear error', () => {
  const text = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
  expect(errors(text)).toEqual(['error: a:1:1: nested more than 300 levels deep']);
});

test('aliases that multiply are refused', () => {
  const levels = Array.from({ length: 12 }, (_, i) => `l${i + 1}: &l${i + 1} [${Array(9).fill(`*l${i}`).join(', ')}]`);
  const text = `${head}l0: &l0 [x, x, x, x, x, x, x, x, x]\n${levels.join('\n')}\n`;
  const found = errors(text);
  expect(found.length).toBe(1);
  expect(found[0]).toMatch(/excessive aliasing/);
});

test('an alias inside its own anchor is refused', () => {
  expect(errors(`${head}x: &a [*a]\n`)).toEqual(["error: a:5:8: anchor 'a' value contains itself"]);
});

test('__proto__ is a label like any other, and changes nothing else', () => {
  for (const text of [
    `apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n  labels:\n    __proto__: x\n    a: b\n`,
    `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a","labels":{"__proto__":"x","a":"b"}}}`,
  ]) {
    const { objects, findings } = loadManifests([{ file: 'a', text }], { raw: true });
    expect(findings).toEqual([]);
    const labels = objects[0]!.metadata.labels!;
    expect(Object.keys(labels).sort()).toEqual(['__proto__', 'a']);
    expect(Object.getPrototypeOf(labels)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  }
});

test('__proto__ as a label survives defaults, which the server would refuse as a name', () => {
  const text = `apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n  labels:\n    __proto__: x\n`;
  const { refused, findings } = loadManifests([{ file: 'a', text }]);
  expect(findings.map((finding) => finding.code)).toEqual(['invalid-value']);
  expect(Object.keys(refused[0]!.metadata.labels!)).toContain('__proto__');
});

test('__proto__ as a field is an unknown field', () => {
  const text = `{"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":{"__proto__":{"type":"NodePort"},"ports":[{"port":80}]}}`;
  expect(errors(text)).toEqual(['error: a:1:69: service "default/a": unknown field "spec.__proto__"']);
});

test.each([
  ['constructor', 'toString'],
  ['hasOwnProperty', '__proto__'],
])('kinds and versions named %s and %s are only unknown', (kind, apiVersion) => {
  expect(errors(`apiVersion: "${apiVersion}"\nkind: "${kind}"\nmetadata: {name: a}\n`).length).toBe(1);
});

test.each([
  ['a NUL', 'x: "a\u0000b"'],
  ['a bell', 'x: \u0007'],
])('%s in the text is refused', (_, line) => {
  expect(errors(`${head}${line}\n`)[0]).toMatch(/control characters are not allowed/);
});

test('a byte order mark is skipped', () => {
  expect(loadManifests([{ file: 'a', text: `\ufeff${head}` }]).objects.length).toBe(1);
  expect(
    loadManifests([
      { file: 'a', text: `\ufeff${JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'a' } })}` },
    ]).objects.length,
  ).toBe(1);
});

test('objects of every wrong shape are findings, never exceptions', () => {
  const shapes: unknown[] = [null, 0, '', 'x', true, [], {}, [null], [[]], [{}], { a: null }, { metadata: 1 }];
  const kinds = ['Service', 'Pod', 'Endpoints', 'Namespace', 'Node', 'ConfigMap'];
  for (const kind of kinds) {
    for (const shape of shapes) {
      for (const field of ['metadata', 'spec', 'status', 'subsets', 'data']) {
        const text = JSON.stringify({ apiVersion: 'v1', kind, metadata: { name: 'a' }, [field]: shape });
        expect(() => loadManifests([{ file: 'a', text }])).not.toThrow();
      }
    }
  }
});

test('10,000 pods in one JSON list are read, and each field is found', () => {
  const items = Array.from({ length: 10_000 }, (_, i) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `pod-${i}`, labels: { app: `app-${i % 100}` } },
    spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'nginx', ports: [{ containerPort: 80 }] }] },
    status: { phase: 'Running', podIP: '10.244.1.2' },
  }));
  const text = JSON.stringify({ apiVersion: 'v1', kind: 'List', items }, null, 1);
  const { objects, findings } = loadManifests([{ file: 'a', text }]);
  expect(findings).toEqual([]);
  const lines = text.split('\n');
  const { line } = objects[9_999]![ORIGIN]!.locate(['metadata', 'name']);
  expect(lines[line - 1]).toContain('"pod-9999"');
});

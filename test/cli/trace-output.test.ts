import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Trace } from '@netsim/trace';
import { afterAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Schema, schemaViolations } from '../../packages/trace/test/json-schema.ts';
import { netsim } from './netsim.ts';

/** What scripts read: `trace -o json` and `-o yaml` of real traces against the published schema. */
const root = join(import.meta.dirname, '../..');
const schema: Schema = JSON.parse(readFileSync(join(root, 'packages/trace/trace.schema.json'), 'utf8'));
const folder = mkdtempSync(join(tmpdir(), 'netsim-trace-output-'));
afterAll(() => rmSync(folder, { recursive: true }));

const cases: readonly (readonly [string, readonly string[]])[] = [
  ['DELIVERED', ['trace', 'pod-a', 'svc/kubia']],
  ['DELIVERED', ['trace', 'pod-a', 'svc/kubia', '--all-paths']],
  ['DELIVERED', ['trace', 'pod-a', 'svc/kubia', '--count', '20']],
  ['DELIVERED', ['trace', 'pod-a', 'http://kubia/path']],
  ['DELIVERED', ['trace', 'deploy/kubia', 'node/w2-k8s', '--protocol', 'icmp']],
  ['NO_LISTENER', ['trace', 'external', 'node/w1-k8s:9']],
  ['NO_LISTENER', ['trace', 'pod-a', 'deploy/kubia:9', '--protocol', 'udp']],
  ['EXITS_CLUSTER', ['trace', 'pod-a', 'svc/kubia', '--protocol', 'icmp']],
  ['EXITS_CLUSTER', ['trace', 'pod-a', '8.8.8.8:53', '--protocol', 'udp']],
  ['NEIGHBOR_UNREACHABLE', ['trace', 'pod-a', '192.168.1.77:80']],
  ['NO_ENDPOINTS', ['-f', join(root, 'examples/g-slips/suspicious.yaml'), 'trace', 'deploy/web', 'svc/nobody']],
  ['NO_LISTENER', ['-f', join(root, 'examples/g-slips/suspicious.yaml'), 'trace', 'deploy/web', 'svc/closed']],
];

test.each(cases)('%s of %j keeps to the schema, and is the same in YAML', async (disposition, argv) => {
  const { stdout } = await netsim([...argv, '-o', 'json']);
  const trace = JSON.parse(stdout) as Trace;
  expect(schemaViolations(trace, schema)).toEqual([]);
  expect(trace).toMatchObject({ schemaVersion: 'netsim.dev/v1', kind: 'Trace' });
  expect([...new Set(trace.paths.map((path) => path.disposition))]).toEqual([disposition]);
  expect(trace.paths.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 9);
  for (const { reason, request } of trace.paths) {
    expect(reason).not.toBe('');
    for (const { node, netns, steps } of request.hops) expect([node, netns, steps.length > 0]).not.toContain('');
  }
  expect(parse((await netsim([...argv, '-o', 'yaml'])).stdout)).toEqual(trace);
});

test('a cause names the object, its file and its line', async () => {
  const [, argv] = cases.find(([disposition]) => disposition === 'NO_ENDPOINTS')!;
  const { paths } = JSON.parse((await netsim([...argv, '-o', 'json'])).stdout) as Trace;
  expect(paths[0]!.cause).toMatchObject({ kind: 'Service', namespace: 'default', name: 'nobody', line: 22 });
  expect(paths[0]!.cause!.file).toMatch(/suspicious\.yaml$/);
});

test('--pcap writes the same frames to a file and to standard output, where the trace makes room', async () => {
  const file = join(folder, 'trace.pcapng');
  const plain = await netsim(['trace', 'pod-a', 'svc/kubia', '--pcap', file]);
  const piped = await netsim(['trace', 'pod-a', 'svc/kubia', '--pcap', '-']);
  expect(Buffer.from(piped.bytes).equals(readFileSync(file))).toBe(true);
  expect(piped.stdout).toBe('');
  expect(piped.stderr).toContain(plain.stdout);
});

import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Cluster, demos, ManifestError, type Path, type Trace } from '../src/index.ts';

/** The library as it is promised to users: each name and form of a call, and what it gives. */
test('a cluster is loaded from files, text, objects or the demo', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'netsim-library-'));
  try {
    writeFileSync(join(folder, 'kubia.yaml'), demos.kubia);
    const config = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } };
    const loads = [{ files: [folder] }, { yaml: demos.kubia }, { objects: [config] }, { demo: 'kubia' }, {}] as const;
    const seen = [];
    for (const load of loads)
      seen.push((await Cluster.load(load)).store.get('Service', 'default', 'kubia') !== undefined);
    expect(seen).toEqual([true, true, false, true, true]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('the demo stays in its namespace, wherever names are looked up', async () => {
  const cluster = await Cluster.load({ demo: 'kubia', namespace: 'kube-system' });
  expect(cluster.store.get('Pod', 'default', 'pod-a')).toBeDefined();
  expect(() => cluster.pod('pod-a')).toThrow(/"kube-system"/);
});

test('a trace is data with the types that netsim exports', async () => {
  const cluster = await Cluster.load({ demo: 'kubia' });
  const trace: Trace = cluster.trace({ from: 'pod/pod-a', to: 'svc/kubia' });
  const path: Path | undefined = trace.paths[0];
  expect([trace.schemaVersion, trace.kind, path?.disposition]).toEqual(['netsim.dev/v1', 'Trace', 'DELIVERED']);
});

test('a pod fetches and serves', async () => {
  const cluster = await Cluster.load({ demo: 'kubia' });
  const pod = cluster.pod('pod-a');
  const answer: Response = await pod.fetch('http://kubia');
  expect([answer.status, await answer.text()]).toEqual([200, expect.stringMatching(/^You've hit kubia-/)]);
  pod.listen(9000, (request) => new Response(`${request.method} hi`));
  const other = cluster.store.list('Pod', 'default').find(({ metadata }) => metadata.name.startsWith('kubia-'))!;
  const own = await cluster.pod(other.metadata.name).fetch(`http://${pod.ip}:9000/`, { method: 'POST' });
  expect(await own.text()).toBe('POST hi');
});

test('objects, readiness, nodes and time change, and the next packet meets it', async () => {
  const cluster = await Cluster.load({ demo: 'kubia' });
  const ends = () =>
    cluster.trace({ from: 'pod/pod-a', to: 'svc/kubia', allPaths: true }).paths.map((p) => p.disposition);
  cluster.scale('deploy/kubia', 5);
  expect(ends()).toHaveLength(5);
  const first = cluster.store.list('Pod', 'default').find(({ metadata }) => metadata.name.startsWith('kubia-'))!;
  cluster.setReady(`pod/${first.metadata.name}`, false);
  expect(ends()).toHaveLength(4);
  cluster.scale('deploy/kubia', 0);
  expect(ends()).toEqual(['NO_ENDPOINTS']);
  cluster.apply(
    '{ apiVersion: v1, kind: Service, metadata: { name: kubia }, spec: { selector: { app: client }, ports: [{ port: 80 }] } }',
  );
  expect(ends()).toEqual(['NO_LISTENER']);
  cluster.delete('svc/kubia');
  expect(() => ends()).toThrow(/service "kubia" not found/);
  const before = cluster.now;
  cluster.node('w1-k8s').stop();
  cluster.clock.advance('5m');
  expect(cluster.now - before).toBe(300_000);
});

test('a flow sends packets without a trace, and says how each ended', async () => {
  const cluster = await Cluster.load({ demo: 'kubia' });
  const flow = cluster.flow({ from: 'pod/pod-a', to: 'svc/kubia' });
  expect([flow.send(), flow.send()]).toEqual(['DELIVERED', 'DELIVERED']);
});

test('what the API server would refuse is thrown with every finding', async () => {
  const yaml = '{ apiVersion: v1, kind: Srvice, metadata: { name: a } }\n---\n{ kind: Pod }';
  const error = await Cluster.load({ yaml }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ManifestError);
  expect((error as ManifestError).findings.map(({ line, code }) => [line, code])).toEqual([
    [1, 'unknown-kind'],
    [3, 'missing-api-version'],
  ]);
});

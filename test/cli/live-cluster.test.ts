import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EndpointSlice, KubeObject, Node, Pod, Service } from '@netsim/manifest';
import { describe, expect, test } from 'vitest';
import { netsim } from './netsim.ts';

/** What a live cluster decided is kept as it is: the dump is the example's. */
const text = readFileSync(join(import.meta.dirname, '../../examples/live-cluster/dump.json'), 'utf8');
const dump = (JSON.parse(text) as { items: KubeObject[] }).items;
const of = <T extends KubeObject>(kind: string) => dump.filter((object) => object.kind === kind) as T[];

async function get<T extends KubeObject>(kind: string): Promise<T[]> {
  const { code, stdout, stderr } = await netsim(['-f', '-', 'get', kind, '-A', '-o', 'json'], { stdin: text });
  expect([code, stderr]).toEqual([0, '']);
  // The dump has nothing of the cluster's DNS: kubeadm's is added to it.
  return (JSON.parse(stdout) as { items: T[] }).items.filter(({ metadata }) => metadata.namespace !== 'kube-system');
}

const byName = <T extends KubeObject, U>(objects: readonly T[], value: (object: T) => U) =>
  Object.fromEntries(objects.map((object) => [object.metadata.name, value(object)]));

describe('a dump of a live cluster', () => {
  test('keeps the names, nodes, addresses and readiness of its pods, and makes none', async () => {
    const value = ({ spec, status }: Pod) => [
      spec.nodeName,
      status?.podIP,
      status?.conditions?.map((each) => each.status),
    ];
    expect(byName(await get<Pod>('pods'), value)).toEqual(byName(of<Pod>('Pod'), value));
  });

  test('keeps its nodes with their addresses and pod CIDRs, and makes none', async () => {
    const value = ({ spec, status }: Node) => [spec?.podCIDRs, status?.addresses];
    expect(byName(await get<Node>('nodes'), value)).toEqual(byName(of<Node>('Node'), value));
  });

  test('keeps its cluster IPs', async () => {
    const value = ({ spec }: Service) => spec.clusterIPs;
    expect(byName(await get<Service>('services'), value)).toEqual(byName(of<Service>('Service'), value));
  });

  test('keeps its endpoint slices', async () => {
    const value = ({ endpoints, ports }: EndpointSlice) => [endpoints, ports];
    expect(byName(await get<EndpointSlice>('endpointslices'), value)).toEqual(
      byName(of<EndpointSlice>('EndpointSlice'), value),
    );
  });

  test('leads to the ready pods only', async () => {
    const { stdout } = await netsim(['-f', '-', 'trace', 'shell', 'svc/web', '--all-paths', '-o', 'json'], {
      stdin: text,
    });
    const { paths } = JSON.parse(stdout) as { paths: { probability: number; backend: { name: string } }[] };
    expect(paths.map(({ probability, backend }) => [backend.name, probability]).sort()).toEqual([
      ['web-5d8f9c7b4-2wq8n', 0.5],
      ['web-5d8f9c7b4-kz6lt', 0.5],
    ]);
  });

  test('has no object from the future: ages are counted from its own time', async () => {
    const { stdout } = await netsim(['-f', '-', 'get', 'pods,svc,nodes,deploy', '-A'], { stdin: text });
    expect(stdout).not.toContain('<invalid>');
  });

  test('is not complained about', async () => {
    expect(await netsim(['-f', '-', 'lint'], { stdin: text })).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });
});

import { parseIp } from '@netsim/wire';
import { expect, test } from 'vitest';
import { listFailures, readVectorLines } from '../../../test/support/vectors.ts';
import type { Endpoint, PortPolicy } from '../src/index.ts';
import { chooseEndpoints } from '../src/index.ts';

interface TopologyCase {
  readonly name: string;
  readonly endpoints: readonly {
    readonly endpoint: string;
    readonly isLocal: boolean;
    readonly nodeHints: readonly string[] | null;
    readonly zoneHints: readonly string[] | null;
    readonly ready: boolean;
    readonly serving: boolean;
    readonly terminating: boolean;
  }[];
  readonly nodeName: string;
  readonly nodeLabels: Readonly<Record<string, string>> | null;
  readonly preferSameTrafficDistribution: boolean;
  readonly service: {
    readonly internalPolicyLocal: boolean;
    readonly externalPolicyLocal: boolean;
    readonly externallyAccessible: boolean;
  };
  readonly expect: {
    readonly cluster: readonly string[] | null;
    readonly local: readonly string[] | null;
    readonly all: readonly string[] | null;
    readonly hasAny: boolean;
  };
}

test('endpoints are chosen by policy, hints and readiness as kube-proxy chooses them', () => {
  const cases = readVectorLines<TopologyCase>('kube-proxy/topology.jsonl');
  if (cases === undefined) return;
  const failures = cases.filter((one) => !agrees(one)).map((one) => one.name);
  listFailures(failures);
  console.log(`vectors kube-proxy/topology: ${cases.length - failures.length}/${cases.length}`);
  expect(failures).toEqual([]);
});

function agrees(one: TopologyCase): boolean {
  const nodeName = one.nodeName === '' ? 'this-node' : one.nodeName;
  const zone = one.nodeLabels?.['topology.kubernetes.io/zone'];
  const endpoints = (one.endpoints ?? []).map((entry): Endpoint => {
    const [ip, port] = entry.endpoint.split(':');
    return {
      ip: parseIp(ip!),
      port: Number(port),
      text: entry.endpoint,
      ready: entry.ready,
      serving: entry.serving,
      terminating: entry.terminating,
      nodeName: entry.isLocal ? nodeName : undefined,
      zoneHints: entry.zoneHints ?? undefined,
      nodeHints: entry.nodeHints ?? undefined,
    };
  });
  const port: PortPolicy = {
    internalPolicyLocal: one.service.internalPolicyLocal,
    externalPolicyLocal: one.service.externalPolicyLocal,
    nodePort: one.service.externallyAccessible ? 30000 : 0,
    loadBalancerVIPs: [],
    externalIPs: [],
  };
  const choice = chooseEndpoints(endpoints, port, {
    nodeName,
    useNodeHints: one.preferSameTrafficDistribution,
    ...(zone !== undefined && { zone }),
  });
  const same = (list: readonly Endpoint[], expected: readonly string[] | null) =>
    list.map((endpoint) => endpoint.text).join() === (expected ?? []).join();
  return (
    same(choice.cluster, one.expect.cluster) &&
    same(choice.local, one.expect.local) &&
    same(choice.reachable, one.expect.all) &&
    choice.hasEndpoints === one.expect.hasAny
  );
}

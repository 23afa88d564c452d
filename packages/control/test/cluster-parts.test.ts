import { isReady } from '@netsim/control';
import type { AnyObject, EndpointSlice, KubeObject, Pod } from '@netsim/manifest';
import { describe, expect, test } from 'vitest';
import { cluster } from './support/cluster.ts';
import { deployment, pod, service } from './support/objects.ts';
import { podsOf } from './support/workloads.ts';

describe('a deleted namespace', () => {
  const moved = <T extends KubeObject>(object: T, namespace: string): T => ({
    ...object,
    metadata: { ...object.metadata, namespace },
  });

  test('takes everything in it along, and nothing else', () => {
    const it = cluster([
      moved(deployment('kubia', 2), 'shop'),
      moved(service('kubia', { selector: { app: 'kubia' } }), 'shop'),
      moved(pod('bare'), 'shop'),
      deployment('other', 1),
    ]);
    it.store.delete('Namespace', undefined, 'shop');
    it.plane.settle();
    const left = it.store.kinds().flatMap((kind) => it.store.list(kind, 'shop'));
    expect(left).toEqual([]);
    expect(it.store.get('Namespace', undefined, 'shop')).toBeUndefined();
    expect(podsOf(it)).toHaveLength(1);
  });

  test('may be used again afterwards', () => {
    const it = cluster([moved(pod('bare'), 'shop')]);
    it.store.delete('Namespace', undefined, 'shop');
    it.plane.settle();
    it.store.put(moved(pod('bare'), 'shop'));
    it.plane.settle();
    expect(it.store.get('Namespace', undefined, 'shop')).toBeDefined();
    expect(it.store.get<Pod>('Pod', 'shop', 'bare')?.status?.phase).toBe('Running');
  });

  test('the four that every cluster has come back', () => {
    const it = cluster([]);
    it.store.delete('Namespace', undefined, 'kube-system');
    it.plane.settle();
    expect(it.store.get('Namespace', undefined, 'kube-system')).toBeDefined();
  });
});

describe('readiness gates', () => {
  const gate = 'example.com/ready';
  const gated = () =>
    cluster([
      pod('kubia', { app: 'kubia' }, { readinessGates: [{ conditionType: gate }] }),
      service('kubia', { selector: { app: 'kubia' } }),
    ]);
  const ready = (it: ReturnType<typeof gated>) =>
    it.store
      .list<EndpointSlice>('EndpointSlice', 'default')
      .filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === 'kubia')
      .flatMap(({ endpoints }) => endpoints ?? [])
      .map(({ conditions }) => conditions?.ready);

  test('keep a pod out of the endpoints until their conditions are true', () => {
    const it = gated();
    const [waiting] = podsOf(it);
    expect(waiting?.status?.conditions?.find(({ type }) => type === 'Ready')).toMatchObject({
      status: 'False',
      reason: 'ReadinessGatesNotReady',
      message: `corresponding condition of pod readiness gate "${gate}" does not exist.`,
    });
    expect(ready(it)).toEqual([false]);
    it.plane.setCondition(waiting!.metadata, gate, true);
    it.plane.settle();
    expect(isReady(podsOf(it)[0]!)).toBe(true);
    expect(ready(it)).toEqual([true]);
    it.plane.setCondition(waiting!.metadata, gate, false);
    it.plane.settle();
    expect(ready(it)).toEqual([false]);
  });

  test('do not help containers that are not ready', () => {
    const it = gated();
    const [waiting] = podsOf(it);
    it.plane.setCondition(waiting!.metadata, gate, true);
    it.plane.settle();
    it.plane.setReady(waiting!.metadata, false);
    it.plane.settle();
    expect(ready(it)).toEqual([false]);
    it.plane.setReady(waiting!.metadata, true);
    it.plane.settle();
    expect(ready(it)).toEqual([true]);
  });
});

describe('host ports', () => {
  const held = (name: string, hostIP?: string, nodeName = 'w1-k8s') => {
    const ports = [{ containerPort: 8080, hostPort: 80, ...(hostIP === undefined ? {} : { hostIP }) }];
    return pod(name, {}, { nodeName, containers: [{ name: 'c', image: 'i', ports }] });
  };

  test.each([
    ['the same port', undefined, undefined, 1],
    ['every address and one', '0.0.0.0', '192.168.1.101', 1],
    ['two addresses', '127.0.0.1', '192.168.1.101', 0],
  ])('two pods put on one node with %s: %#', (_, first, second, clashes) => {
    const findings = cluster([held('a', first), held('b', second)]).plane.findings();
    expect(findings).toHaveLength(clashes);
    for (const finding of findings) {
      expect(finding).toMatchObject({
        code: 'host-port-clash',
        path: ['spec', 'containers', 0, 'ports', 0, 'hostPort'],
      });
      expect(finding.message).toBe(
        'pod "default/b": host port 80 (TCP) of node "w1-k8s" is that of pod "default/a" already',
      );
    }
  });

  test('on two nodes they do not clash', () => {
    expect(cluster([held('a'), held('b', undefined, 'w2-k8s')]).plane.findings()).toEqual([]);
  });
});

test('a job made twice keeps its selector and its generation', () => {
  const metadata = { name: 'once', namespace: 'default' };
  const spec = { template: { spec: { containers: [{ name: 'c' }], restartPolicy: 'Never' } } };
  const job: AnyObject = { apiVersion: 'batch/v1', kind: 'Job', metadata, spec };
  const it = cluster([job]);
  it.store.put(structuredClone(job));
  it.plane.settle();
  const { metadata: stored } = it.store.get<AnyObject>('Job', 'default', 'once')!;
  expect(stored.generation).toBe(1);
  expect(podsOf(it)).toHaveLength(1);
});

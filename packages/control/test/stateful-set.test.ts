import { isReady } from '@netsim/control';
import type { AnyObject, EndpointSlice, Pod } from '@netsim/manifest';
import { describe, expect, test } from 'vitest';
import { cluster, type TestCluster } from './support/cluster.ts';
import { pod, service } from './support/objects.ts';
import { admitted, after, namesOf, podsOf, template } from './support/workloads.ts';

function statefulSet(replicas: number, spec: Record<string, unknown> = {}) {
  return admitted({
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      serviceName: 'foo',
      replicas,
      selector: { matchLabels: { app: 'web' } },
      template: template('web'),
      ...spec,
    },
  });
}

function edit(it: TestCluster, replicas: number, spec: Record<string, unknown> = {}): void {
  it.store.put(statefulSet(replicas, spec));
  it.plane.settle();
}

function ready(it: TestCluster, name: string, value = true): void {
  it.plane.setReady({ namespace: 'default', name }, value);
  it.plane.settle();
}

function statusOf(it: TestCluster) {
  return it.store.get<AnyObject>('StatefulSet', 'default', 'web')?.status;
}

const neverReady = { startsReady: () => false };

describe('a stateful set', () => {
  test('makes pods with stable names, host names and labels', () => {
    const it = cluster([statefulSet(2), service('foo', { clusterIP: 'None', selector: { app: 'web' } })]);
    expect(namesOf(it)).toEqual(['web-0', 'web-1']);
    const [first] = podsOf(it);
    expect(first?.spec).toMatchObject({ hostname: 'web-0', subdomain: 'foo' });
    expect(first?.metadata.labels).toMatchObject({
      app: 'web',
      'apps.kubernetes.io/pod-index': '0',
      'statefulset.kubernetes.io/pod-name': 'web-0',
    });
    expect(first?.metadata.labels?.['controller-revision-hash']).toMatch(/^web-[bcdfghjklmnpqrstvwxz2456789]+$/);
    const [slice] = it.store
      .list<EndpointSlice>('EndpointSlice', 'default')
      .filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === 'foo');
    expect(slice?.endpoints?.map(({ hostname }) => hostname)).toEqual(['web-0', 'web-1']);
    expect(statusOf(it)).toMatchObject({ replicas: 2, readyReplicas: 2, availableReplicas: 2, updatedReplicas: 2 });
  });

  test('makes the next pod only when the one before is ready', () => {
    const it = cluster([statefulSet(3)], neverReady);
    expect(namesOf(it)).toEqual(['web-0']);
    ready(it, 'web-0');
    expect(namesOf(it)).toEqual(['web-0', 'web-1']);
    ready(it, 'web-0', false);
    ready(it, 'web-1');
    expect(namesOf(it)).toEqual(['web-0', 'web-1']);
    ready(it, 'web-0');
    expect(namesOf(it)).toEqual(['web-0', 'web-1', 'web-2']);
  });

  test('waits for minReadySeconds too', () => {
    const it = cluster([statefulSet(2, { minReadySeconds: 10 })]);
    expect(namesOf(it)).toEqual(['web-0']);
    after(it, 9);
    expect(namesOf(it)).toEqual(['web-0']);
    after(it, 1);
    expect(namesOf(it)).toEqual(['web-0', 'web-1']);
  });

  test('makes all at once with podManagementPolicy Parallel', () => {
    const it = cluster([statefulSet(3, { podManagementPolicy: 'Parallel' })], neverReady);
    expect(namesOf(it)).toEqual(['web-0', 'web-1', 'web-2']);
  });

  test('takes the last pod first, and the next only when that one is gone', () => {
    const it = cluster([statefulSet(3)], { terminationSeconds: 30 });
    edit(it, 1);
    const terminating = () =>
      podsOf(it)
        .filter(({ metadata }) => metadata.deletionTimestamp !== undefined)
        .map(({ metadata }) => metadata.name);
    expect(terminating()).toEqual(['web-2']);
    after(it, 30);
    expect(namesOf(it)).toEqual(['web-0', 'web-1']);
    expect(terminating()).toEqual(['web-1']);
    after(it, 30);
    expect(namesOf(it)).toEqual(['web-0']);
  });

  test('takes none away while an earlier pod is not ready', () => {
    const it = cluster([statefulSet(3)]);
    ready(it, 'web-0', false);
    edit(it, 1);
    expect(podsOf(it)).toHaveLength(3);
    ready(it, 'web-0');
    expect(namesOf(it)).toEqual(['web-0']);
  });

  test('a deleted pod comes back under its name, with another address', () => {
    const it = cluster([statefulSet(2)]);
    const before = podsOf(it)[0]!;
    it.plane.deletePod(before.metadata);
    it.plane.settle();
    const again = it.store.get<Pod>('Pod', 'default', 'web-0')!;
    expect(again.metadata.uid).not.toBe(before.metadata.uid);
    expect(again.status?.podIP).not.toBe(before.status?.podIP);
  });

  test('a pod that has ended is made anew', () => {
    const it = cluster([statefulSet(1, { template: template('web', 'i', { restartPolicy: 'Always' }) })]);
    const before = podsOf(it)[0]!;
    it.store.put({ ...before, status: { ...before.status, phase: 'Failed' } } as Pod);
    it.plane.settle();
    expect(podsOf(it)).toMatchObject([{ metadata: { name: 'web-0' }, status: { phase: 'Running' } }]);
  });

  test('a new template goes to the pods from the last to the first, each when the one after it is ready', () => {
    const readyNow = new Set(['all']);
    const it = cluster([statefulSet(3, { template: template('web', 'v1') })], {
      startsReady: () => readyNow.has('all'),
    });
    readyNow.clear();
    edit(it, 3, { template: template('web', 'v2') });
    const images = () => podsOf(it).map(({ metadata, spec }) => [metadata.name, spec.containers[0]?.image].join('='));
    expect(images().sort()).toEqual(['web-0=v1', 'web-1=v1', 'web-2=v2']);
    expect(statusOf(it)).toMatchObject({ updatedReplicas: 1, currentReplicas: 2 });
    ready(it, 'web-2');
    expect(images().sort()).toEqual(['web-0=v1', 'web-1=v2', 'web-2=v2']);
    ready(it, 'web-1');
    ready(it, 'web-0');
    expect(images().sort()).toEqual(['web-0=v2', 'web-1=v2', 'web-2=v2']);
    const { currentRevision, updateRevision } = statusOf(it) as Record<string, string>;
    expect(currentRevision).toBe(updateRevision);
  });

  test('a partition keeps the pods below it, and remakes them from the old template', () => {
    const it = cluster([statefulSet(3, { template: template('web', 'v1') })]);
    const updateStrategy = { type: 'RollingUpdate', rollingUpdate: { partition: 2 } };
    edit(it, 3, { template: template('web', 'v2'), updateStrategy });
    it.plane.deletePod({ namespace: 'default', name: 'web-0' });
    it.plane.settle();
    const image = (name: string) => it.store.get<Pod>('Pod', 'default', name)?.spec.containers[0]?.image;
    expect(['web-0', 'web-1', 'web-2'].map(image)).toEqual(['v1', 'v1', 'v2']);
  });

  test('OnDelete leaves the pods until they are deleted', () => {
    const updateStrategy = { type: 'OnDelete' };
    const it = cluster([statefulSet(2, { template: template('web', 'v1'), updateStrategy })]);
    edit(it, 2, { template: template('web', 'v2'), updateStrategy });
    expect(podsOf(it).every(({ spec }) => spec.containers[0]?.image === 'v1')).toBe(true);
    it.plane.deletePod({ namespace: 'default', name: 'web-0' });
    it.plane.settle();
    expect(it.store.get<Pod>('Pod', 'default', 'web-0')?.spec.containers[0]?.image).toBe('v2');
  });

  test('the pods of a loaded cluster are kept, whatever their revision is called', () => {
    const set = statefulSet(2);
    const uid = 'set-uid';
    const owner = { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'web', uid, controller: true };
    const dumped = ['web-0', 'web-1'].map((name) => {
      const made = pod(name, { app: 'web', 'controller-revision-hash': 'web-abc' }, { nodeName: 'w1-k8s' });
      return { ...made, metadata: { ...made.metadata, uid: name, ownerReferences: [owner] } };
    });
    const it = cluster([{ ...set, metadata: { ...set.metadata, uid } }, ...dumped]);
    expect(podsOf(it).map(({ metadata }) => metadata.uid)).toEqual(['web-0', 'web-1']);
    expect(statusOf(it)).toMatchObject({ updateRevision: 'web-abc', updatedReplicas: 2 });
  });

  test('an orphan with the right name is adopted, another one is left alone', () => {
    const it = cluster([pod('web-0', { app: 'web' }), pod('stray', { app: 'web' }), statefulSet(1)]);
    const owners = (name: string) => it.store.get('Pod', 'default', name)?.metadata.ownerReferences?.length ?? 0;
    expect([owners('web-0'), owners('stray')]).toEqual([1, 0]);
  });

  test('deleted, it takes its pods with it', () => {
    const it = cluster([statefulSet(2)]);
    it.store.delete('StatefulSet', 'default', 'web');
    it.plane.settle();
    expect(podsOf(it)).toEqual([]);
  });

  test('a pod lost with its node is not replaced until somebody says that it is gone', () => {
    const it = cluster([statefulSet(1)]);
    const [lost] = podsOf(it);
    it.plane.nodeDown(lost!.spec.nodeName!);
    after(it, 400);
    expect(podsOf(it)).toHaveLength(1);
    expect(podsOf(it)[0]?.metadata.deletionTimestamp).toBeDefined();
    it.plane.nodeUp(lost!.spec.nodeName!);
    it.plane.settle();
    expect(podsOf(it)).toHaveLength(1);
    expect(podsOf(it).every(isReady)).toBe(true);
  });
});

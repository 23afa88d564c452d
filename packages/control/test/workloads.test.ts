import { isReady } from '@netsim/control';
import type { Deployment, Pod, ReplicaSet } from '@netsim/manifest';
import { describe, expect, test } from 'vitest';
import { change, cluster, type TestCluster } from './support/cluster.ts';
import { deployment, pod } from './support/objects.ts';

function podsOf({ store }: TestCluster): Pod[] {
  return store.list<Pod>('Pod', 'default');
}

function edit(it: TestCluster, spec: Partial<Deployment['spec']>): void {
  const old = it.store.get<Deployment>('Deployment', 'default', 'kubia')!;
  change(it, old, { spec: { ...old.spec, ...spec } });
}

function withImage(image: string): Deployment['spec']['template'] {
  return { metadata: { labels: { app: 'kubia' } }, spec: { containers: [{ name: 'c', image }] } };
}

describe('a deployment', () => {
  test('makes a replica set that makes pods, named as kubectl shows them', () => {
    const it = cluster([deployment('kubia', 3)]);
    const sets = it.store.list<ReplicaSet>('ReplicaSet', 'default');
    expect(sets).toHaveLength(1);
    const hash = sets[0]?.metadata.labels?.['pod-template-hash'];
    expect(sets[0]?.metadata.name).toBe(`kubia-${hash}`);
    expect(hash).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{1,10}$/);
    expect(podsOf(it)).toHaveLength(3);
    for (const { metadata, status } of podsOf(it)) {
      expect(metadata.name).toMatch(new RegExp(`^kubia-${hash}-[bcdfghjklmnpqrstvwxz2456789]{5}$`));
      expect(metadata.labels).toEqual({ app: 'kubia', 'pod-template-hash': hash });
      expect(metadata.ownerReferences).toMatchObject([{ kind: 'ReplicaSet', uid: sets[0]?.metadata.uid }]);
      expect(status?.phase).toBe('Running');
    }
    const { status } = it.store.get<Deployment>('Deployment', 'default', 'kubia')!;
    expect(status).toMatchObject({ replicas: 3, updatedReplicas: 3, readyReplicas: 3, availableReplicas: 3 });
  });

  test('is scaled up and down, and the pods that stay are the same ones', () => {
    const it = cluster([deployment('kubia', 3)]);
    const before = podsOf(it).map(({ metadata }) => metadata.name);
    edit(it, { replicas: 5 });
    expect(podsOf(it).map(({ metadata }) => metadata.name)).toEqual(expect.arrayContaining(before));
    expect(podsOf(it)).toHaveLength(5);
    edit(it, { replicas: 0 });
    expect(podsOf(it)).toHaveLength(0);
    expect(it.store.list('ReplicaSet', 'default')).toHaveLength(1);
  });

  test('a new template replaces all pods and keeps the old replica set at zero', () => {
    const it = cluster([deployment('kubia', 3)]);
    edit(it, { template: withImage('kubia:v2') });
    expect(podsOf(it).map(({ spec }) => spec.containers[0]?.image)).toEqual(['kubia:v2', 'kubia:v2', 'kubia:v2']);
    const sizes = it.store.list<ReplicaSet>('ReplicaSet', 'default').map(({ spec }) => spec.replicas);
    expect(sizes).toEqual([0, 3]);
  });

  test('a version that never becomes ready does not take the old one away', () => {
    const ready = new Set<string>();
    const it = cluster([deployment('kubia', 4)], { startsReady: ({ name }) => ready.has(name) || ready.size === 0 });
    for (const { metadata } of podsOf(it)) ready.add(metadata.name);
    edit(it, { template: withImage('broken') });
    const old = podsOf(it).filter(({ metadata }) => ready.has(metadata.name));
    expect(old).toHaveLength(3);
    expect(podsOf(it)).toHaveLength(5);
  });

  test('going back to an earlier template takes its replica set up again, as the newest revision', () => {
    const it = cluster([deployment('kubia', 2, { template: withImage('v1') })]);
    const [first] = it.store.list<ReplicaSet>('ReplicaSet', 'default');
    edit(it, { template: withImage('v2') });
    edit(it, { template: withImage('v1') });
    const set = it.store.get<ReplicaSet>('ReplicaSet', 'default', first!.metadata.name);
    expect(set?.spec.replicas).toBe(2);
    expect(set?.metadata.annotations?.['deployment.kubernetes.io/revision']).toBe('3');
  });

  test('minReadySeconds hold a rollout until the clock has moved', () => {
    const it = cluster([deployment('kubia', 2, { minReadySeconds: 10, template: withImage('v1') })]);
    it.clock.ms = it.plane.nextDeadline()!;
    it.plane.settle();
    edit(it, { template: withImage('v2') });
    const images = () => podsOf(it).map(({ spec }) => spec.containers[0]?.image);
    expect(images()).toEqual(['v1', 'v1', 'v2']);
    for (let deadline = it.plane.nextDeadline(); deadline !== undefined; deadline = it.plane.nextDeadline()) {
      it.clock.ms = deadline;
      it.plane.settle();
    }
    expect(images()).toEqual(['v2', 'v2']);
  });

  test('deleted, it takes its replica sets and pods with it', () => {
    const it = cluster([deployment('kubia', 3)]);
    it.store.delete('Deployment', 'default', 'kubia');
    it.plane.settle();
    expect([...podsOf(it), ...it.store.list('ReplicaSet', 'default')]).toEqual([]);
  });

  test('the same manifest applied again changes nothing', () => {
    const it = cluster([deployment('kubia', 3)]);
    const before = podsOf(it);
    it.store.put(deployment('kubia', 3));
    it.plane.settle();
    expect(podsOf(it)).toEqual(before);
    expect(it.store.list('ReplicaSet', 'default')).toHaveLength(1);
  });
});

describe('a replica set', () => {
  const set = (replicas: number, labels: Record<string, string> = { app: 'pc' }): ReplicaSet => ({
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name: 'rs', namespace: 'default' },
    spec: {
      replicas,
      selector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['pc', 'mac'] }] },
      template: { metadata: { labels }, spec: pod('').spec },
    },
  });

  test('adopts pods that match its selector and belong to nobody', () => {
    const it = cluster([pod('stray', { app: 'mac' }), set(2)]);
    expect(podsOf(it)).toHaveLength(2);
    expect(it.store.get('Pod', 'default', 'stray')?.metadata.ownerReferences).toMatchObject([{ name: 'rs' }]);
  });

  test('a pod whose label is edited off is let go, lives on, and another takes its place', () => {
    const it = cluster([set(2)]);
    const [first] = podsOf(it);
    it.store.put({ ...first!, metadata: { ...first!.metadata, labels: { app: 'debug' } } });
    it.plane.settle();
    expect(podsOf(it)).toHaveLength(3);
    const freed = it.store.get<Pod>('Pod', 'default', first!.metadata.name)!;
    expect(freed.metadata.ownerReferences).toBeUndefined();
    expect(freed.status?.podIP).toBe(first!.status?.podIP);
  });

  test('a deleted pod is replaced by another with another address; a bare pod is not', () => {
    const it = cluster([set(1), pod('bare')]);
    const [first] = podsOf(it).filter(({ metadata }) => metadata.name !== 'bare');
    it.plane.deletePod(first!.metadata);
    it.plane.deletePod({ namespace: 'default', name: 'bare' });
    it.plane.settle();
    const [second, ...more] = podsOf(it);
    expect(more).toEqual([]);
    expect(second?.metadata.name).not.toBe(first?.metadata.name);
    expect(second?.status?.podIP).not.toBe(first?.status?.podIP);
  });

  test('gives up pods that are not ready first, then those it has more of on a node', () => {
    const it = cluster([set(6)]);
    const [unready] = podsOf(it);
    it.plane.setReady(unready!.metadata, false);
    it.plane.settle();
    const current = it.store.get<ReplicaSet>('ReplicaSet', 'default', 'rs')!;
    change(it, current, { spec: { ...current.spec, replicas: 3 } });
    expect(podsOf(it).every(isReady)).toBe(true);
    expect(new Set(podsOf(it).map(({ spec }) => spec.nodeName)).size).toBe(3);
  });

  test('pod-deletion-cost decides among pods that are alike', () => {
    const it = cluster([set(3)]);
    const [dear] = podsOf(it);
    const annotations = { 'controller.kubernetes.io/pod-deletion-cost': '10' };
    it.store.put({ ...dear!, metadata: { ...dear!.metadata, annotations } });
    it.plane.settle();
    const current = it.store.get<ReplicaSet>('ReplicaSet', 'default', 'rs')!;
    change(it, current, { spec: { ...current.spec, replicas: 1 } });
    expect(podsOf(it).map(({ metadata }) => metadata.name)).toEqual([dear!.metadata.name]);
  });
});

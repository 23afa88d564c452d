import { rolloutHistory, rolloutPause, rolloutRestart, rolloutStatus, rolloutUndo } from '@netsim/control';
import type { Deployment, ReplicaSet } from '@netsim/manifest';
import { describe, expect, test } from 'vitest';
import { change, cluster, type TestCluster } from './support/cluster.ts';
import { deployment } from './support/objects.ts';
import { after, podsOf } from './support/workloads.ts';

const template = (image: string): Deployment['spec']['template'] => ({
  metadata: { labels: { app: 'kubia' } },
  spec: { containers: [{ name: 'c', image }] },
});

function read({ store }: TestCluster): Deployment {
  return store.get<Deployment>('Deployment', 'default', 'kubia')!;
}

function setImage(it: TestCluster, image: string, cause?: string): void {
  const { metadata, spec } = read(it);
  const annotations = {
    ...metadata.annotations,
    ...(cause === undefined ? {} : { 'kubernetes.io/change-cause': cause }),
  };
  change(it, read(it), { metadata: { ...metadata, annotations }, spec: { ...spec, template: template(image) } });
}

function images(it: TestCluster): (string | undefined)[] {
  return podsOf(it).map(({ spec }) => spec.containers[0]?.image);
}

const started = (spec: Partial<Deployment['spec']> = {}) =>
  cluster([deployment('kubia', 3, { template: template('v1'), ...spec })]);

describe('rollout undo', () => {
  test('goes back to the template before, which becomes the newest revision', () => {
    const it = started();
    setImage(it, 'v2', 'to v2');
    expect(rolloutUndo(it.store, read(it))).toBe(true);
    it.plane.settle();
    expect(images(it)).toEqual(['v1', 'v1', 'v1']);
    expect(rolloutHistory(it.store, read(it)).map(({ revision, cause }) => [revision, cause])).toEqual([
      [2, 'to v2'],
      [3, undefined],
    ]);
    expect(read(it).spec.template.metadata?.labels).toEqual({ app: 'kubia' });
    expect(it.store.list<ReplicaSet>('ReplicaSet', 'default')).toHaveLength(2);
  });

  test('goes to a revision by number, and says where there is none or nothing to do', () => {
    const it = started();
    setImage(it, 'v2');
    setImage(it, 'v3');
    expect(rolloutUndo(it.store, read(it), 1)).toBe(true);
    it.plane.settle();
    expect(images(it)).toEqual(['v1', 'v1', 'v1']);
    expect(rolloutUndo(it.store, read(it), 4)).toBe(false);
    expect(() => rolloutUndo(it.store, read(it), 9)).toThrow('unable to find specified revision 9 in history');
    expect(() => rolloutUndo(started().store, read(started()))).toThrow('no rollout history found');
  });
});

describe('rollout pause and resume', () => {
  test('a paused deployment keeps a new template until it is resumed', () => {
    const it = started();
    rolloutPause(it.store, read(it), true);
    it.plane.settle();
    setImage(it, 'v2');
    expect(images(it)).toEqual(['v1', 'v1', 'v1']);
    expect(read(it).status?.conditions?.at(-1)).toMatchObject({ status: 'Unknown', reason: 'DeploymentPaused' });
    expect(() => rolloutPause(it.store, read(it), true)).toThrow('is already paused');
    expect(() => rolloutUndo(it.store, read(it), 1)).toThrow('cannot rollback a paused deployment');
    rolloutPause(it.store, read(it), false);
    it.plane.settle();
    expect(images(it)).toEqual(['v2', 'v2', 'v2']);
    expect(() => rolloutPause(it.store, read(it), false)).toThrow('is not paused');
  });
});

describe('rollout restart', () => {
  test('replaces all pods by equal ones', () => {
    const it = started();
    const before = podsOf(it).map(({ metadata }) => metadata.uid);
    rolloutRestart(it.store, read(it), '2026-01-01T00:00:00Z');
    it.plane.settle();
    expect(images(it)).toEqual(['v1', 'v1', 'v1']);
    expect(podsOf(it).some(({ metadata }) => before.includes(metadata.uid))).toBe(false);
  });
});

describe('the progress deadline', () => {
  const stuck = (spec: Partial<Deployment['spec']> & { progressDeadlineSeconds?: number } = {}) => {
    const ready = { now: true };
    const it = cluster([deployment('kubia', 3, { template: template('v1'), ...spec })], {
      startsReady: () => ready.now,
    });
    expect(rolloutStatus(read(it)).message).toBe('deployment "kubia" successfully rolled out');
    ready.now = false;
    setImage(it, 'broken');
    return it;
  };
  const progressing = (it: TestCluster) => read(it).status?.conditions?.find(({ type }) => type === 'Progressing');

  test('a rollout that does not move for ten minutes has failed, and says so', () => {
    const it = stuck();
    expect(rolloutStatus(read(it)).message).toBe(
      'Waiting for deployment "kubia" rollout to finish: 1 out of 3 new replicas have been updated...',
    );
    after(it, 599);
    expect(progressing(it)).toMatchObject({ status: 'True', reason: 'ReplicaSetUpdated' });
    after(it, 1);
    expect(progressing(it)).toMatchObject({
      status: 'False',
      reason: 'ProgressDeadlineExceeded',
      message: expect.stringMatching(/^ReplicaSet "kubia-[a-z0-9]+" has timed out progressing\.$/),
    });
    expect(rolloutStatus(read(it))).toMatchObject({ done: true, failed: true });
    expect(it.plane.nextDeadline()).toBeUndefined();
  });

  test('each step gives it the whole time again', () => {
    const it = stuck({ progressDeadlineSeconds: 60 });
    after(it, 50);
    const fresh = podsOf(it).find(({ spec }) => spec.containers[0]?.image === 'broken')!;
    it.plane.setReady(fresh.metadata, true);
    it.plane.settle();
    after(it, 50);
    expect(progressing(it)?.reason).toBe('ReplicaSetUpdated');
    after(it, 10);
    expect(progressing(it)?.reason).toBe('ProgressDeadlineExceeded');
  });

  test('a failed rollout recovers when it is undone', () => {
    const it = stuck();
    after(it, 700);
    rolloutUndo(it.store, read(it));
    it.plane.settle();
    expect(progressing(it)).toMatchObject({ status: 'True', reason: 'NewReplicaSetAvailable' });
  });

  test('a complete rollout does not fail when a pod is not ready later', () => {
    const it = started();
    it.plane.setReady(podsOf(it)[0]!.metadata, false);
    it.plane.settle();
    after(it, 10_000);
    expect(progressing(it)?.reason).toBe('NewReplicaSetAvailable');
  });
});

describe('the generation', () => {
  test('grows with each change of the spec, and not with one of the status or the labels', () => {
    const it = started();
    expect(read(it).metadata.generation).toBe(1);
    change(it, read(it), { spec: { ...read(it).spec, replicas: 5 } });
    expect(read(it).metadata.generation).toBe(2);
    expect(read(it).status?.observedGeneration).toBe(2);
    change(it, read(it), { metadata: { ...read(it).metadata, labels: { a: 'b' } } });
    expect(read(it).metadata.generation).toBe(2);
  });

  test('stays where the same manifest is applied again, and grows where another is', () => {
    const it = started();
    it.store.put(deployment('kubia', 3, { template: template('v1') }));
    it.plane.settle();
    expect(read(it).metadata.generation).toBe(1);
    it.store.put(deployment('kubia', 4, { template: template('v1') }));
    it.plane.settle();
    expect(read(it).metadata.generation).toBe(2);
    expect(read(it).status?.observedGeneration).toBe(2);
  });
});

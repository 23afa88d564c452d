import type { AnyObject, Node, Pod } from '@netsim/manifest';
import { describe, expect, test } from 'vitest';
import { change, cluster, type TestCluster } from './support/cluster.ts';
import { node } from './support/objects.ts';
import { admitted, podsOf, template } from './support/workloads.ts';

function daemonSet(podSpec: Record<string, unknown> = {}, spec: Record<string, unknown> = {}, image = 'v1') {
  return admitted({
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'agent', namespace: 'default' },
    spec: { selector: { matchLabels: { app: 'agent' } }, template: template('agent', image, podSpec), ...spec },
  });
}

function nodesOf(it: TestCluster): (string | undefined)[] {
  return podsOf(it)
    .map(({ spec }) => spec.nodeName)
    .sort();
}

function statusOf(it: TestCluster) {
  return it.store.get<AnyObject>('DaemonSet', 'default', 'agent')?.status;
}

function editNode(it: TestCluster, name: string, fields: Partial<Node>): void {
  change(it, it.store.get<Node>('Node', undefined, name)!, fields);
}

const workers = ['w1-k8s', 'w2-k8s', 'w3-k8s'];

describe('a daemon set', () => {
  test('has one pod on every node that takes pods', () => {
    const it = cluster([daemonSet()]);
    expect(nodesOf(it)).toEqual(workers);
    expect(podsOf(it)[0]?.metadata.name).toMatch(/^agent-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
    expect(statusOf(it)).toMatchObject({ desiredNumberScheduled: 3, currentNumberScheduled: 3, numberAvailable: 3 });
  });

  test('has one on the control plane where it tolerates that', () => {
    const tolerations = [{ key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }];
    expect(nodesOf(cluster([daemonSet({ tolerations })]))).toEqual(['m-k8s', ...workers]);
  });

  test('follows its nodeSelector when labels change', () => {
    const it = cluster([daemonSet({ nodeSelector: { disk: 'ssd' } })]);
    expect(nodesOf(it)).toEqual([]);
    expect(statusOf(it)).toMatchObject({ desiredNumberScheduled: 0 });
    const { metadata } = it.store.get<Node>('Node', undefined, 'w2-k8s')!;
    editNode(it, 'w2-k8s', { metadata: { ...metadata, labels: { ...metadata.labels, disk: 'ssd' } } });
    expect(nodesOf(it)).toEqual(['w2-k8s']);
    editNode(it, 'w2-k8s', { metadata });
    expect(nodesOf(it)).toEqual([]);
  });

  test('reaches a node that joins, and leaves one that goes', () => {
    const it = cluster([daemonSet()]);
    it.store.put(node('w4-k8s'));
    it.plane.settle();
    expect(nodesOf(it)).toEqual([...workers, 'w4-k8s']);
    it.store.delete('Node', undefined, 'w4-k8s');
    it.plane.settle();
    it.clock.ms += 40_000;
    it.plane.settle();
    expect(nodesOf(it)).toEqual(workers);
  });

  test('keeps its pod on a node that is cordoned, and starts one there', () => {
    const it = cluster([node('n1', { spec: { unschedulable: true } }), daemonSet()]);
    expect(nodesOf(it)).toEqual(['n1']);
  });

  test('stays where a NoSchedule taint comes, and goes where a NoExecute taint does', () => {
    const it = cluster([daemonSet()]);
    const taint = (name: string, effect: string) => {
      const { spec } = it.store.get<Node>('Node', undefined, name)!;
      editNode(it, name, { spec: { ...spec, taints: [{ key: 'gpu', effect }] } });
    };
    taint('w1-k8s', 'NoSchedule');
    taint('w2-k8s', 'NoExecute');
    expect(nodesOf(it)).toEqual(['w1-k8s', 'w3-k8s']);
    expect(statusOf(it)).toMatchObject({ desiredNumberScheduled: 1, numberMisscheduled: 1 });
  });

  test('lives on where the node is lost for good', () => {
    const it = cluster([daemonSet()]);
    it.plane.nodeDown('w1-k8s');
    it.clock.ms += 1_000_000;
    it.plane.settle();
    expect(podsOf(it).filter(({ metadata }) => metadata.deletionTimestamp !== undefined)).toEqual([]);
  });

  test('a deleted pod is replaced on its node', () => {
    const it = cluster([daemonSet()]);
    const [first] = podsOf(it);
    it.plane.deletePod(first!.metadata);
    it.plane.settle();
    expect(nodesOf(it)).toEqual(workers);
  });

  test('rolls a new template out one node at a time, each when the pod before is ready', () => {
    const ready = { now: true };
    const it = cluster([daemonSet()], { startsReady: () => ready.now });
    ready.now = false;
    it.store.put(daemonSet({}, {}, 'v2'));
    it.plane.settle();
    const count = (image: string) => podsOf(it).filter(({ spec }) => spec.containers[0]?.image === image).length;
    expect([count('v1'), count('v2')]).toEqual([2, 1]);
    const updated = podsOf(it).find(({ spec }) => spec.containers[0]?.image === 'v2')!;
    it.plane.setReady(updated.metadata, true);
    it.plane.settle();
    expect([count('v1'), count('v2')]).toEqual([1, 2]);
    expect(statusOf(it)).toMatchObject({ updatedNumberScheduled: 2, numberReady: 2, numberUnavailable: 1 });
  });

  test('maxUnavailable lets it go faster', () => {
    const ready = { now: true };
    const it = cluster([daemonSet()], { startsReady: () => ready.now });
    ready.now = false;
    it.store.put(daemonSet({}, { updateStrategy: { rollingUpdate: { maxUnavailable: '100%' } } }, 'v2'));
    it.plane.settle();
    expect(podsOf(it).every(({ spec }) => spec.containers[0]?.image === 'v2')).toBe(true);
  });

  test('with OnDelete a template waits for the pods to be deleted', () => {
    const updateStrategy = { type: 'OnDelete' };
    const it = cluster([daemonSet({}, { updateStrategy })]);
    it.store.put(daemonSet({}, { updateStrategy }, 'v2'));
    it.plane.settle();
    expect(podsOf(it).map(({ spec }) => spec.containers[0]?.image)).toEqual(['v1', 'v1', 'v1']);
  });
});

describe('a replication controller', () => {
  const controller = (replicas: number, spec: Record<string, unknown> = {}) =>
    admitted({
      apiVersion: 'v1',
      kind: 'ReplicationController',
      metadata: { name: 'kubia', namespace: 'default' },
      spec: { replicas, selector: { app: 'kubia' }, template: template('kubia'), ...spec },
    });

  test('keeps its number of pods, and replaces one whose label is changed', () => {
    const it = cluster([controller(3)]);
    expect(podsOf(it)).toHaveLength(3);
    const [first] = podsOf(it);
    it.store.put({ ...first!, metadata: { ...first!.metadata, labels: { app: 'other' } } } as Pod);
    it.plane.settle();
    expect(podsOf(it)).toHaveLength(4);
    expect(it.store.get<AnyObject>('ReplicationController', 'default', 'kubia')?.status).toMatchObject({
      replicas: 3,
      readyReplicas: 3,
    });
    it.store.put(controller(1));
    it.plane.settle();
    expect(podsOf(it)).toHaveLength(2);
  });

  test('without a selector it takes the labels of its template', () => {
    expect(podsOf(cluster([controller(2, { selector: undefined })]))).toHaveLength(2);
  });
});

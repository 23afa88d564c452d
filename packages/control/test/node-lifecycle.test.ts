import { isReady, loadBalancerPlan } from '@netsim/control';
import type { AnyObject, Deployment, EndpointSlice, Node, Pod } from '@netsim/manifest';
import { describe, expect, test } from 'vitest';
import { change, cluster, type TestCluster } from './support/cluster.ts';
import { deployment, node, pod, service } from './support/objects.ts';

/** Moves the clock, as one jump. */
function after(it: TestCluster, seconds: number): void {
  it.clock.ms += seconds * 1000;
  it.plane.settle();
}

function down(it: TestCluster, name: string, what?: 'kubelet' | 'machine'): void {
  expect(it.plane.nodeDown(name, what)).toBe(true);
  it.plane.settle();
}

function up(it: TestCluster, name: string): void {
  expect(it.plane.nodeUp(name)).toBe(true);
  it.plane.settle();
}

function nodeOf(it: TestCluster, name: string): Node {
  return it.store.get<Node>('Node', undefined, name)!;
}

function ready(it: TestCluster, name: string): string {
  return nodeOf(it, name).status!.conditions!.find(({ type }) => type === 'Ready')!.status;
}

function taints(it: TestCluster, name: string): string[] {
  return (nodeOf(it, name).spec?.taints ?? []).map(({ key, effect }) => `${key}:${effect}`);
}

function podsOf(it: TestCluster): Pod[] {
  return it.store.list<Pod>('Pod', 'default');
}

function podsOn(it: TestCluster, name: string): Pod[] {
  return podsOf(it).filter(({ spec }) => spec.nodeName === name);
}

function readyEndpoints(it: TestCluster): (string | undefined)[] {
  return it.store
    .list<EndpointSlice>('EndpointSlice', 'default')
    .filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === 'kubia')
    .flatMap(({ endpoints }) => endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready)
    .map(({ nodeName }) => nodeName)
    .sort();
}

const unreachable = ['node.kubernetes.io/unreachable:NoSchedule', 'node.kubernetes.io/unreachable:NoExecute'];

describe('a node whose kubelet stops', () => {
  const started = () => cluster([deployment('kubia', 3), service('kubia', { selector: { app: 'kubia' } })]);

  test('is ready for 50 seconds more, and its pods stay in the endpoints', () => {
    const it = started();
    down(it, 'w1-k8s');
    expect(it.plane.nextDeadline()).toBe(it.clock.ms + 50_000);
    after(it, 49);
    expect(ready(it, 'w1-k8s')).toBe('True');
    expect(readyEndpoints(it)).toEqual(['w1-k8s', 'w2-k8s', 'w3-k8s']);
  });

  test('is Unknown then, with taints, and its pods are not ready and leave the endpoints', () => {
    const it = started();
    down(it, 'w1-k8s');
    after(it, 50);
    expect(nodeOf(it, 'w1-k8s').status?.conditions).toEqual(
      ['MemoryPressure', 'DiskPressure', 'PIDPressure', 'Ready'].map((type) => ({
        type,
        status: 'Unknown',
        reason: 'NodeStatusUnknown',
        message: 'Kubelet stopped posting node status.',
        lastTransitionTime: '2026-01-01T00:00:50Z',
      })),
    );
    expect(taints(it, 'w1-k8s')).toEqual(unreachable);
    const [lost] = podsOn(it, 'w1-k8s');
    expect(isReady(lost!)).toBe(false);
    expect(lost?.status?.phase).toBe('Running');
    expect(lost?.status?.conditions?.find(({ type }) => type === 'ContainersReady')?.status).toBe('True');
    expect(readyEndpoints(it)).toEqual(['w2-k8s', 'w3-k8s']);
    expect(it.store.get<Deployment>('Deployment', 'default', 'kubia')?.status?.availableReplicas).toBe(2);
    expect(podsOf(it)).toHaveLength(3);
  });

  test('loses its pods five minutes later: they are terminating, and others run elsewhere', () => {
    const it = started();
    down(it, 'w1-k8s');
    after(it, 50);
    expect(it.plane.nextDeadline()).toBe(it.clock.ms + 300_000);
    after(it, 299);
    expect(podsOf(it)).toHaveLength(3);
    after(it, 1);
    const [lost] = podsOn(it, 'w1-k8s');
    expect(lost?.metadata.deletionTimestamp).toBe('2026-01-01T00:06:20Z');
    expect(lost?.status?.conditions?.at(-1)).toMatchObject({
      type: 'DisruptionTarget',
      reason: 'DeletionByTaintManager',
    });
    expect(podsOf(it)).toHaveLength(4);
    expect(readyEndpoints(it)).toHaveLength(3);
    expect(readyEndpoints(it)).not.toContain('w1-k8s');
  });

  test('ends in the same state when the clock jumps over all of it at once', () => {
    const [slow, fast] = [started(), started()];
    for (const it of [slow, fast]) down(it, 'w1-k8s');
    for (let i = 0; i < 400; i++) after(slow, 1);
    after(fast, 400);
    expect(podsOf(fast)).toEqual(podsOf(slow));
    expect(nodeOf(fast, 'w1-k8s')).toEqual(nodeOf(slow, 'w1-k8s'));
  });

  test('back in time it is as before: no taints, pods ready, the same pods', () => {
    const it = started();
    const before = podsOf(it).map(({ metadata, status }) => [metadata.name, status?.podIP]);
    down(it, 'w1-k8s');
    after(it, 200);
    up(it, 'w1-k8s');
    expect(ready(it, 'w1-k8s')).toBe('True');
    expect(taints(it, 'w1-k8s')).toEqual([]);
    expect(readyEndpoints(it)).toEqual(['w1-k8s', 'w2-k8s', 'w3-k8s']);
    after(it, 1000);
    expect(podsOf(it).map(({ metadata, status }) => [metadata.name, status?.podIP])).toEqual(before);
    expect(it.plane.nextDeadline()).toBeUndefined();
  });

  test('back too late it ends the pods that were deleted meanwhile, and takes new ones again', () => {
    const it = started();
    down(it, 'w1-k8s');
    after(it, 400);
    up(it, 'w1-k8s');
    expect(podsOn(it, 'w1-k8s')).toEqual([]);
    expect(podsOf(it)).toHaveLength(3);
    const kubia = it.store.get<Deployment>('Deployment', 'default', 'kubia')!;
    change(it, kubia, { spec: { ...kubia.spec, replicas: 4 } });
    expect(podsOn(it, 'w1-k8s')).toHaveLength(1);
  });

  test('nothing happens where it is back within the 50 seconds', () => {
    const it = started();
    down(it, 'w1-k8s');
    after(it, 40);
    const [mine] = podsOn(it, 'w1-k8s');
    it.plane.deletePod(mine!.metadata);
    it.plane.settle();
    expect(podsOn(it, 'w1-k8s')[0]?.metadata.deletionTimestamp).toBeDefined();
    up(it, 'w1-k8s');
    expect(podsOf(it)).toHaveLength(3);
    expect(podsOf(it).every(isReady)).toBe(true);
    expect(it.plane.nextDeadline()).toBeUndefined();
  });

  test('pods bound to it start only when it is back', () => {
    const it = started();
    down(it, 'w1-k8s');
    it.store.put(pod('late', {}, { nodeName: 'w1-k8s' }));
    it.plane.settle();
    expect(it.store.get<Pod>('Pod', 'default', 'late')?.status?.podIP).toBeUndefined();
    up(it, 'w1-k8s');
    expect(it.store.get<Pod>('Pod', 'default', 'late')?.status?.podIP).toMatch(/^10\.244\./);
  });

  test('a readiness that changes meanwhile is told when it is back', () => {
    const it = started();
    const [mine] = podsOn(it, 'w1-k8s');
    down(it, 'w1-k8s');
    it.plane.setReady(mine!.metadata, false);
    it.plane.settle();
    expect(isReady(podsOn(it, 'w1-k8s')[0]!)).toBe(true);
    up(it, 'w1-k8s');
    expect(isReady(podsOn(it, 'w1-k8s')[0]!)).toBe(false);
  });

  test('an unknown node is answered with false', () => {
    const it = started();
    expect(it.plane.nodeDown('w9-k8s')).toBe(false);
    expect(it.plane.nodeUp('w9-k8s')).toBe(false);
  });
});

describe('tolerations', () => {
  const tolerating = (name: string, tolerations: Pod['spec']['tolerations']) =>
    pod(name, {}, { nodeName: 'w1-k8s', ...(tolerations === undefined ? {} : { tolerations }) });

  test('the API server adds two of five minutes to a new pod, unless it says something itself', () => {
    const own = {
      key: 'node.kubernetes.io/unreachable',
      operator: 'Exists',
      effect: 'NoExecute',
      tolerationSeconds: 10,
    };
    const it = cluster([tolerating('plain', undefined), tolerating('own', [own])]);
    const added = (key: string) => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 });
    const of = (name: string) => it.store.get<Pod>('Pod', 'default', name)?.spec.tolerations;
    expect(of('plain')).toEqual([added('node.kubernetes.io/not-ready'), added('node.kubernetes.io/unreachable')]);
    expect(of('own')).toEqual([own, added('node.kubernetes.io/not-ready')]);
    const dumped = tolerating('dumped', undefined);
    const kept = cluster([{ ...dumped, metadata: { ...dumped.metadata, uid: 'u' } }]);
    expect(kept.store.get<Pod>('Pod', 'default', 'dumped')?.spec.tolerations).toBeUndefined();
  });

  test('decide when a pod is evicted: at once, in time, or never; a bare pod is not made again', () => {
    const it = cluster([
      tolerating('short', [{ key: 'node.kubernetes.io/unreachable', operator: 'Exists', tolerationSeconds: 10 }]),
      tolerating('forever', [{ operator: 'Exists' }]),
    ]);
    down(it, 'w1-k8s', 'machine');
    after(it, 59);
    const doomed = () => podsOf(it).filter(({ metadata }) => metadata.deletionTimestamp !== undefined);
    expect(doomed()).toEqual([]);
    after(it, 1);
    expect(doomed().map(({ metadata }) => metadata.name)).toEqual(['short']);
    after(it, 10_000);
    expect(doomed()).toHaveLength(1);
    expect(podsOf(it)).toHaveLength(2);
  });

  test('a NoExecute taint set by hand evicts at once what does not tolerate it', () => {
    const it = cluster([deployment('kubia', 3)]);
    const tainted = nodeOf(it, 'w1-k8s');
    change(it, tainted, { spec: { ...tainted.spec, taints: [{ key: 'maintenance', effect: 'NoExecute' }] } });
    expect(podsOn(it, 'w1-k8s')).toEqual([]);
    expect(podsOf(it)).toHaveLength(3);
  });
});

describe('zones', () => {
  test('two nodes that are lost together are evicted ten seconds apart', () => {
    const it = cluster([deployment('kubia', 3)]);
    down(it, 'w1-k8s');
    down(it, 'w2-k8s');
    after(it, 50);
    expect([taints(it, 'w1-k8s'), taints(it, 'w2-k8s')]).toEqual([unreachable, unreachable.slice(0, 1)]);
    after(it, 10);
    expect(taints(it, 'w2-k8s')).toEqual(unreachable);
  });

  test('where most of a small cluster is lost nobody is evicted', () => {
    const it = cluster([deployment('kubia', 3)]);
    for (const name of ['w1-k8s', 'w2-k8s', 'w3-k8s']) down(it, name);
    after(it, 1000);
    expect(podsOf(it).every(({ metadata }) => metadata.deletionTimestamp === undefined)).toBe(true);
    expect(taints(it, 'w3-k8s')).toEqual(unreachable.slice(0, 1));
  });

  test('where all nodes are lost nobody is evicted', () => {
    const it = cluster([node('n1'), node('n2'), deployment('kubia', 2)]);
    for (const name of ['n1', 'n2']) down(it, name);
    after(it, 1000);
    expect(podsOf(it)).toHaveLength(2);
    expect(podsOf(it).every(({ metadata }) => metadata.deletionTimestamp === undefined)).toBe(true);
  });
});

describe('conditions and taints', () => {
  test('a cordoned node has the taint unschedulable', () => {
    const it = cluster([node('n1', { spec: { unschedulable: true } })]);
    expect(taints(it, 'n1')).toEqual(['node.kubernetes.io/unschedulable:NoSchedule']);
    change(it, nodeOf(it, 'n1'), { spec: { ...nodeOf(it, 'n1').spec, unschedulable: false } });
    expect(taints(it, 'n1')).toEqual([]);
  });

  test('a node given as not ready takes no new pods', () => {
    const status = { conditions: [{ type: 'Ready', status: 'False' }] };
    const it = cluster([node('n1', { status }), node('n2'), deployment('kubia', 2)]);
    expect(podsOn(it, 'n1')).toEqual([]);
    expect(taints(it, 'n1')).toContain('node.kubernetes.io/not-ready:NoSchedule');
  });

  test('the pods of a deleted node are deleted after forty seconds', () => {
    const it = cluster([deployment('kubia', 3)]);
    it.store.delete('Node', undefined, 'w1-k8s');
    it.plane.settle();
    after(it, 39);
    expect(podsOn(it, 'w1-k8s')).toHaveLength(1);
    after(it, 1);
    expect(podsOn(it, 'w1-k8s')).toEqual([]);
    expect(podsOf(it)).toHaveLength(3);
  });
});

describe('a load balancer', () => {
  const metallb = (kind: string, spec: Record<string, unknown>): AnyObject => ({
    apiVersion: 'metallb.io/v1beta1',
    kind,
    metadata: { name: 'x', namespace: 'metallb-system' },
    spec,
  });
  const started = () =>
    cluster([
      metallb('IPAddressPool', { addresses: ['192.168.1.11/32'] }),
      metallb('L2Advertisement', {}),
      deployment('kubia', 3),
      service('kubia', { type: 'LoadBalancer', selector: { app: 'kubia' } }),
    ]);

  test("moves its address at once when the announcer's machine goes down, and not when only the kubelet stops", () => {
    const it = started();
    const [first, second] = loadBalancerPlan(it.store)[0]!.candidates;
    down(it, first!);
    after(it, 60);
    expect(it.plane.loadBalancerPlan()[0]?.nodes).toEqual([first]);
    down(it, first!, 'machine');
    expect(it.plane.loadBalancerPlan()[0]?.nodes).toEqual([second]);
    up(it, first!);
    expect(it.plane.loadBalancerPlan()[0]?.nodes).toEqual([first]);
  });
});

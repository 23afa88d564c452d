import { isReady, podIPs } from '@netsim/control';
import type { Pod } from '@netsim/manifest';
import { parsePrefix } from '@netsim/wire';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cluster, type TestCluster } from './support/cluster.ts';
import { node, pod } from './support/objects.ts';

function get({ store }: TestCluster, name: string): Pod {
  return store.get<Pod>('Pod', 'default', name)!;
}

describe('scheduling', () => {
  test('pods go to the worker with the fewest pods, in the order of the nodes', () => {
    const it = cluster(['a', 'b', 'c', 'd'].map((name) => pod(name)));
    expect(['a', 'b', 'c', 'd'].map((name) => get(it, name).spec.nodeName)).toEqual([
      'w1-k8s',
      'w2-k8s',
      'w3-k8s',
      'w1-k8s',
    ]);
  });

  test('a node that is named is taken, tainted or not', () => {
    const it = cluster([pod('a', {}, { nodeName: 'm-k8s' })]);
    expect(get(it, 'a').status?.podIP).toBe('10.244.0.2');
  });

  test('a toleration opens the control-plane node', () => {
    const tolerations = [{ key: 'node-role.kubernetes.io/control-plane', operator: 'Exists' }];
    const it = cluster([pod('a', {}, { tolerations, nodeSelector: { 'kubernetes.io/hostname': 'm-k8s' } })]);
    expect(get(it, 'a').spec.nodeName).toBe('m-k8s');
  });

  test.each([
    ['a label that the node has', { key: 'cores', operator: 'Exists' }, 'w1-k8s'],
    ['a label with the name of something that every object has', { key: 'constructor', operator: 'Exists' }, undefined],
    ['a number above', { key: 'cores', operator: 'Gt', values: ['7'] }, 'w1-k8s'],
    ['a number that is too high', { key: 'cores', operator: 'Gt', values: ['8'] }, undefined],
    ['a number below', { key: 'cores', operator: 'Lt', values: ['9'] }, 'w1-k8s'],
    ['no whole number', { key: 'cores', operator: 'Lt', values: ['8.5'] }, undefined],
    ['one of several values', { key: 'cores', operator: 'In', values: ['4', '8'] }, 'w1-k8s'],
  ])('node affinity asks for %s', (_, requirement, expected) => {
    const required = { nodeSelectorTerms: [{ matchExpressions: [requirement] }] };
    const affinity = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } };
    const spec = { nodeSelector: {}, affinity };
    const it = cluster([node('w1-k8s', { metadata: { name: 'w1-k8s', labels: { cores: '8' } } }), pod('a', {}, spec)]);
    expect(get(it, 'a').spec.nodeName).toBe(expected);
  });

  test('a pod that no node takes stays Pending and says why in the words of kube-scheduler', () => {
    const it = cluster([pod('a', {}, { nodeSelector: { gpu: 'true' } })]);
    expect(get(it, 'a').status).toMatchObject({
      phase: 'Pending',
      conditions: [
        {
          type: 'PodScheduled',
          status: 'False',
          reason: 'Unschedulable',
          message:
            "0/4 nodes are available: 1 node(s) had untolerated taint(s), 3 node(s) didn't match Pod's node affinity/selector. " +
            'no new claims to deallocate, preemption: 0/4 nodes are available: 4 Preemption is not helpful for scheduling.',
        },
      ],
    });
    expect(it.plane.findings()).toMatchObject([{ code: 'unschedulable', path: ['spec', 'nodeSelector'] }]);
  });

  test('it is scheduled as soon as a node with the label comes', () => {
    const it = cluster([pod('a', {}, { nodeSelector: { gpu: 'true' } })]);
    it.store.put(node('g1', { metadata: { name: 'g1', labels: { gpu: 'true' } } }));
    it.plane.settle();
    expect(get(it, 'a').spec.nodeName).toBe('g1');
    expect(get(it, 'a').status?.conditions?.find(({ type }) => type === 'PodScheduled')?.status).toBe('True');
  });

  test('two pods with one host port do not share a node', () => {
    const spec = { containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort: 8080 }] }] };
    const it = cluster(['a', 'b', 'c', 'd'].map((name) => pod(name, {}, spec)));
    expect(new Set(['a', 'b', 'c'].map((name) => get(it, name).spec.nodeName)).size).toBe(3);
    expect(get(it, 'd').spec.nodeName).toBeUndefined();
    it.plane.deletePod({ namespace: 'default', name: 'b' });
    it.plane.settle();
    expect(get(it, 'd').spec.nodeName).toBe('w2-k8s');
  });

  test('a cordoned node takes nothing', () => {
    const it = cluster([node('a', { spec: { unschedulable: true } }), node('b'), pod('p'), pod('q')]);
    expect([get(it, 'p').spec.nodeName, get(it, 'q').spec.nodeName]).toEqual(['b', 'b']);
  });
});

describe('addresses', () => {
  test('count up from .2 of the node, and one that is freed is not given again at once', () => {
    const it = cluster([node('a'), pod('p'), pod('q')]);
    expect([get(it, 'p').status?.podIP, get(it, 'q').status?.podIP]).toEqual(['10.244.0.2', '10.244.0.3']);
    it.plane.deletePod({ namespace: 'default', name: 'q' });
    it.store.put(pod('r'));
    it.plane.settle();
    expect(get(it, 'r').status?.podIP).toBe('10.244.0.4');
  });

  test('a host-network pod has those of its node', () => {
    const it = cluster([pod('p', {}, { hostNetwork: true })]);
    expect(get(it, 'p').status).toMatchObject({ podIP: '192.168.1.101', hostIP: '192.168.1.101' });
  });

  test('a pod has one of each family in a dual-stack cluster', () => {
    const podCIDRs = [parsePrefix('10.244.0.0/16'), parsePrefix('fd00:10:244::/56')];
    const it = cluster([node('a'), pod('p')], { podCIDRs });
    expect(podIPs(get(it, 'p'))).toEqual(['10.244.0.2', 'fd00:10:244::2']);
  });

  test('a running pod of a dump keeps its address, and nobody else gets it', () => {
    const dump: Pod = { ...pod('old', {}, { nodeName: 'a' }), status: { phase: 'Running', podIP: '10.244.0.2' } };
    const it = cluster([node('a'), pod('new'), dump]);
    expect(get(it, 'old').status).toEqual(dump.status);
    expect(get(it, 'new').status?.podIP).toBe('10.244.0.3');
  });

  test('two pods with one address are an error at the second', () => {
    const status = { phase: 'Running', podIP: '10.244.1.9' };
    const it = cluster(['a', 'b'].map((name) => ({ ...pod(name, {}, { nodeName: 'w1-k8s' }), status })));
    expect(it.plane.findings()).toMatchObject([{ code: 'duplicate-pod-ip', object: { name: 'b' } }]);
  });

  test('a block that is used up leaves pods Pending until one is freed', () => {
    const small = node('a', { spec: { podCIDR: '10.244.0.0/29' } });
    const it = cluster([small, ...Array.from({ length: 6 }, (_, i) => pod(`p${i}`))]);
    expect(get(it, 'p4').status?.podIP).toBe('10.244.0.6');
    expect(get(it, 'p5').status).toMatchObject({ phase: 'Pending' });
    expect(it.plane.findings()).toMatchObject([
      { severity: 'error', code: 'pod-cidr-too-small', object: { kind: 'Node', name: 'a' } },
    ]);
    it.plane.deletePod({ namespace: 'default', name: 'p1' });
    it.plane.settle();
    expect(get(it, 'p5').status).toMatchObject({ phase: 'Running', podIP: '10.244.0.3' });
  });

  test('are never shared, whatever comes and goes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(11)), { maxLength: 60 }), (steps) => {
        const it = cluster([node('a', { spec: { podCIDR: '10.244.0.0/28' } })]);
        for (const [create, n] of steps) {
          if (create) it.store.put(get(it, `p${n}`) ?? pod(`p${n}`));
          else it.plane.deletePod({ namespace: 'default', name: `p${n}` });
          it.plane.settle();
          const ips = it.store.list<Pod>('Pod').map(({ status }) => status?.podIP);
          expect(new Set(ips).size).toBe(ips.length);
          expect(ips.every((ip) => ip !== undefined)).toBe(true);
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe('readiness and the end', () => {
  test('a pod starts ready, and can be made not ready and ready again', () => {
    const it = cluster([pod('p')]);
    expect(isReady(get(it, 'p'))).toBe(true);
    it.clock.ms += 5000;
    it.plane.setReady({ name: 'p', namespace: 'default' }, false);
    const status = get(it, 'p').status!;
    expect(status.conditions?.find(({ type }) => type === 'Ready')).toMatchObject({
      status: 'False',
      reason: 'ContainersNotReady',
      lastTransitionTime: '2026-01-01T00:00:05Z',
    });
    expect(status.containerStatuses).toMatchObject([{ ready: false }]);
    it.plane.setReady({ name: 'p', namespace: 'default' }, true);
    expect(isReady(get(it, 'p'))).toBe(true);
  });

  test('a condition Ready that the manifest gives is respected', () => {
    const given: Pod = { ...pod('p'), status: { conditions: [{ type: 'Ready', status: 'False' }] } };
    const it = cluster([given]);
    expect(get(it, 'p').status).toMatchObject({ phase: 'Running', podIP: '10.244.1.2' });
    expect(isReady(get(it, 'p'))).toBe(false);
  });

  test('a pod deleted with a grace period is terminating until the clock has moved', () => {
    const it = cluster([pod('p')]);
    it.plane.deletePod({ name: 'p', namespace: 'default' }, 30);
    it.plane.settle();
    expect(get(it, 'p').metadata.deletionTimestamp).toBe('2026-01-01T00:00:30Z');
    it.clock.ms = it.plane.nextDeadline()!;
    it.plane.settle();
    expect(it.store.get('Pod', 'default', 'p')).toBeUndefined();
  });

  test('the same manifest applied again keeps node, address and readiness', () => {
    const it = cluster([pod('p')]);
    const before = get(it, 'p');
    it.store.put(pod('p', { new: 'label' }));
    it.plane.settle();
    expect(get(it, 'p')).toEqual({ ...before, metadata: { ...before.metadata, labels: { new: 'label' } } });
  });
});

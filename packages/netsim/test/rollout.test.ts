import { Cluster } from 'netsim';
import { describe, expect, test } from 'vitest';

const template = (version: string) => ({
  metadata: { labels: { app: 'web', version } },
  spec: { containers: [{ name: 'c', image: 'nginx', ports: [{ containerPort: 80 }] }] },
});
const workload = (kind: string, apiVersion: string, more: object = {}) => ({
  apiVersion,
  kind,
  metadata: { name: 'web' },
  spec: { replicas: 3, selector: { matchLabels: { app: 'web' } }, template: template('v1'), ...more },
});
const deployment = workload('Deployment', 'apps/v1');

function versions(cluster: Cluster): string[] {
  return cluster.store
    .list('Pod', 'default')
    .map(({ metadata }) => metadata.labels?.version ?? '')
    .sort();
}

async function updated(minReadySeconds = 0): Promise<Cluster> {
  const spec = { ...deployment.spec, minReadySeconds };
  const cluster = await Cluster.load({ objects: [{ ...deployment, spec }] });
  cluster.clock.advance('1m');
  cluster.apply({ ...deployment, spec: { ...spec, template: template('v2') } });
  return cluster;
}

describe('a rollout', () => {
  test('that is paused stays where it is until it is resumed', async () => {
    const cluster = await updated(10);
    const rollout = cluster.rollout('deploy/web');
    rollout.pause();
    cluster.clock.advance('5m');
    expect(versions(cluster)).toEqual(['v1', 'v1', 'v1', 'v2']);
    expect(rollout.status).toMatchObject({ done: false });
    expect(() => rollout.pause()).toThrow('already paused');
    rollout.resume();
    cluster.clock.advance('5m');
    expect(versions(cluster)).toEqual(['v2', 'v2', 'v2']);
    expect(rollout.status.message).toBe('deployment "web" successfully rolled out');
    expect(() => rollout.resume()).toThrow('is not paused');
  });

  test('that is undone goes back to the template before, or to the revision that is named', async () => {
    const cluster = await updated();
    const rollout = cluster.rollout('deploy/web');
    rollout.undo();
    expect(versions(cluster)).toEqual(['v1', 'v1', 'v1']);
    expect(rollout.history.map(({ revision }) => revision)).toEqual([2, 3]);
    rollout.undo(2);
    expect(versions(cluster)).toEqual(['v2', 'v2', 'v2']);
    expect(() => rollout.undo(9)).toThrow('unable to find specified revision 9 in history');
  });

  test('that is restarted makes all pods anew', async () => {
    const cluster = await updated();
    const names = () => cluster.store.list('Pod', 'default').map(({ metadata }) => metadata.name);
    const before = names();
    cluster.rollout('deploy/web').restart();
    expect(versions(cluster)).toEqual(['v2', 'v2', 'v2']);
    expect(names().filter((name) => before.includes(name))).toEqual([]);
  });

  test('is one of a Deployment', async () => {
    const cluster = await Cluster.load({ objects: [workload('StatefulSet', 'apps/v1', { serviceName: 'web' })] });
    expect(() => cluster.rollout('sts/web')).toThrow('the rollouts of statefulset "web" are not modelled');
  });
});

describe('scale', () => {
  test.each([
    ['deploy/web', deployment],
    ['rs/web', workload('ReplicaSet', 'apps/v1')],
    ['sts/web', workload('StatefulSet', 'apps/v1', { serviceName: 'web' })],
    ['rc/web', workload('ReplicationController', 'v1', { selector: { app: 'web' } })],
  ])('%s to five pods, to one, and to none', async (name, object) => {
    const cluster = await Cluster.load({ objects: [object] });
    for (const count of [5, 1, 0]) {
      cluster.scale(name, count);
      expect(versions(cluster)).toHaveLength(count);
    }
  });

  test('of what has no replicas is refused', async () => {
    const cluster = await Cluster.load({ demo: 'kubia' });
    expect(() => cluster.scale('pod/pod-a', 2)).toThrow('pod "pod-a" has no replicas; scale a Deployment');
    expect(() => cluster.scale('deploy/kubia', 1.5)).toThrow('1.5 is no number of replicas');
  });
});

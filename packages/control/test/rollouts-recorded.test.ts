import { isReady } from '@netsim/control';
import type { Deployment, Pod, ReplicaSet } from '@netsim/manifest';
import { expect, test } from 'vitest';
import { readVectors, reportVectors } from '../../../test/support/vectors.ts';
import { cluster } from './support/cluster.ts';

interface Step {
  step: number;
  replicaSets: [string, number, number][];
  status: Record<string, number>;
  event?: [string, (string | number)?];
  markReady: string | null;
}
interface Recorded {
  cases: { id: string; deployment: Deployment; newVersionNeverReady: boolean; steps: Step[] }[];
}

const name = 'control/rollouts-recorded';
const recorded = readVectors<Recorded>(name);

test.skipIf(recorded === undefined)('rollouts take the steps that the real controllers took', () => {
  const failed: string[] = [];
  for (const each of recorded!.cases) {
    const difference = replay(each);
    if (difference !== undefined) failed.push(`${each.id}: ${difference}`);
  }
  reportVectors(name, recorded!.cases.length, failed);
  expect(failed).toEqual([]);
});

/** Plays one recorded rollout; says at which step the two part. */
function replay({ deployment, steps }: Recorded['cases'][number]): string | undefined {
  const ready = new Set<string>();
  const { store, plane, clock } = cluster([deployment], { startsReady: ({ name }) => ready.has(name) });
  const { namespace, name } = deployment.metadata;
  const pods = () => store.list<Pod>('Pod', namespace);
  const current = () => store.get<Deployment>('Deployment', namespace, name)!;
  const put = (spec: Partial<Deployment['spec']>) => {
    clock.ms += 1000;
    const changed: Deployment = { ...current(), spec: { ...current().spec, ...spec } };
    store.put(changed);
  };
  const setImage = (version: string) => {
    const { template } = current().spec;
    const containers = template.spec.containers.map((container) => ({ ...container, image: `i:${version}` }));
    put({ template: { ...template, spec: { ...template.spec, containers } } });
  };
  for (const pod of pods()) plane.setReady(pod.metadata, true);
  plane.settle();
  setImage('v2');
  plane.settle();
  for (const { step, replicaSets, status, event, markReady } of steps) {
    const sets = store
      .list<ReplicaSet>('ReplicaSet', namespace)
      .map((set) => [version(set.spec.template.spec), set.spec.replicas, set.status?.readyReplicas])
      .sort();
    const made = { replicaSets: sets, status: pick(current().status) };
    const wanted = { replicaSets, status: pick(status) };
    if (JSON.stringify(made) !== JSON.stringify(wanted)) {
      return `step ${step}: ${JSON.stringify(made)} instead of ${JSON.stringify(wanted)}`;
    }
    if (event !== undefined) {
      const [what, value] = event;
      if (what === 'pause' || what === 'resume') put({ paused: what === 'pause' });
      else if (what === 'scale') put({ replicas: Number(value) });
      else setImage(String(value));
      // The recorder waits for the answer to its write before it makes the pod ready.
      plane.step();
    }
    if (markReady !== null) {
      const pod = pods().find((each) => version(each.spec) === markReady && !isReady(each));
      if (pod === undefined) return `step ${step}: no pod of ${markReady} to make ready`;
      plane.setReady(pod.metadata, true);
    }
    clock.ms += 1000;
    plane.settle();
  }
  return undefined;
}

function version(spec: Pod['spec']): string {
  return spec.containers[0]!.image!.slice('i:'.length);
}

function pick(status: Deployment['status'] | Record<string, number>): (number | undefined)[] {
  const { replicas, updatedReplicas, readyReplicas, availableReplicas, unavailableReplicas } = status ?? {};
  return [replicas, updatedReplicas, readyReplicas, availableReplicas, unavailableReplicas];
}

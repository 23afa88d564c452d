import { type KubeObject, type LabelSelector, matchesSelector, requirements } from '@netsim/manifest';
import type { Cause } from '@netsim/trace';
import { causeOf } from '../trace/cause.ts';
import type { Finding } from './model.ts';
import { listed } from './service-points.ts';
import type { Backend, Subject } from './subject.ts';

interface NetworkPolicy extends KubeObject {
  readonly spec?: { readonly podSelector?: LabelSelector };
}

/** The policies that select a pod: they are read, and not put in force. */
export function policy({ cluster, service, pod }: Subject, found: readonly Backend[]): Finding {
  const pods = pod === undefined ? found.flatMap((each) => each.pod ?? []) : [pod];
  const names = new Set<string>();
  let first: Cause | undefined;
  for (const each of pods) {
    for (const object of cluster.store.list<NetworkPolicy>('NetworkPolicy', each.metadata.namespace)) {
      if (!matchesSelector(requirements(object.spec?.podSelector ?? {}), each.metadata.labels)) continue;
      first ??= causeOf(object, ['spec', 'podSelector'], 'selects the pods that are asked');
      names.add(object.metadata.name);
    }
  }
  if (pods.length === 0) return { status: 'skipped', text: 'no pod is asked' };
  if (first === undefined) {
    const whom = service === undefined ? 'the pod' : 'its pods';
    return { status: 'ok', text: `no NetworkPolicy selects ${whom}` };
  }
  return {
    status: 'unknown',
    text: `NetworkPolicy ${listed([...names])} selects the pods, and netsim does not put policies in force`,
    cause: first,
    advice: 'Check by hand that it allows the source and the port of the pod',
  };
}

import type { AnyObject, KubeObject, Pod } from '@netsim/manifest';
import { checkObject } from '@netsim/manifest';
import type { TestCluster } from './cluster.ts';

/** An object as the API server would store it, with its defaults. */
export function admitted(object: AnyObject): KubeObject {
  const { object: stored, accepted, findings } = checkObject(object);
  if (!accepted) throw new Error(findings.map(({ message }) => message).join('\n'));
  return stored;
}

/** The pods of the namespace default. */
export function podsOf({ store }: TestCluster): Pod[] {
  return store.list<Pod>('Pod', 'default');
}

export function namesOf(it: TestCluster): string[] {
  return podsOf(it).map(({ metadata }) => metadata.name);
}

/** Moves the clock, as one jump. */
export function after(it: TestCluster, seconds: number): void {
  it.clock.ms += seconds * 1000;
  it.plane.settle();
}

export function template(name: string, image = 'luksa/kubia', spec: Record<string, unknown> = {}) {
  return { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image }], ...spec } };
}

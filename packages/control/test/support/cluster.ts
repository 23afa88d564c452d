import { type ClusterConfig, ControlPlane, type ControlPlaneInput, defaultClusterConfig } from '@netsim/control';
import { type KubeObject, ObjectStore } from '@netsim/manifest';

export interface TestCluster {
  readonly store: ObjectStore;
  readonly plane: ControlPlane;
  readonly clock: { ms: number };
}

/** A control plane over the given objects, settled, with its clock at 2026-01-01. */
export function cluster(
  objects: readonly KubeObject[],
  options: Partial<ClusterConfig> & Pick<ControlPlaneInput, 'startsReady' | 'terminationSeconds'> = {},
): TestCluster {
  const { startsReady, terminationSeconds, ...config } = options;
  const store = new ObjectStore();
  for (const object of objects) store.put(object);
  const clock = { ms: Date.UTC(2026, 0, 1) };
  const plane = new ControlPlane({
    store,
    config: { ...defaultClusterConfig(), ...config },
    now: () => clock.ms,
    ...(startsReady === undefined ? {} : { startsReady }),
    ...(terminationSeconds === undefined ? {} : { terminationSeconds }),
  });
  plane.settle();
  return { store, plane, clock };
}

/** Puts an object with some fields changed, and settles. */
export function change<T extends KubeObject>({ store, plane }: TestCluster, object: T, fields: Partial<T>): void {
  const changed: T = { ...object, ...fields };
  store.put(changed);
  plane.settle();
}

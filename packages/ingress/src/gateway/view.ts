import type { KubeObject } from '@netsim/manifest';

/** The objects that a Gateway API controller watches, in stored form. An `ObjectStore` is one. */
export interface GatewayView {
  list<T extends KubeObject>(kind: string): readonly T[];
  get<T extends KubeObject>(kind: string, namespace: string | undefined, name: string): T | undefined;
}

/** An object by its namespace and name. */
export interface ObjectKey {
  readonly namespace: string;
  readonly name: string;
}

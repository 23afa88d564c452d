import type { KubeObject, ObjectMeta } from '@netsim/manifest';

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

export const GATEWAY_GROUP = 'gateway.networking.k8s.io';

export function namespaceOf({ metadata }: { readonly metadata: ObjectMeta }): string {
  return metadata.namespace ?? 'default';
}

/** `namespace/name`, as the API breaks ties. */
export function nameOf(object: KubeObject): string {
  return `${namespaceOf(object)}/${object.metadata.name}`;
}

/** Older objects first, then by namespace and name: how the API settles every conflict. */
export function byAge(a: KubeObject, b: KubeObject): number {
  const [left, right] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? ''];
  if (left !== right) return left < right ? -1 : 1;
  const [s, t] = [nameOf(a), nameOf(b)];
  return s < t ? -1 : s > t ? 1 : 0;
}

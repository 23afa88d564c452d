import type { ObjectStore } from '@netsim/manifest';

/** What a description needs beside its object. */
export interface Related {
  /** Where the objects that belong to it are: a service's slices, a deployment's ReplicaSets, a node's pods. */
  readonly store: ObjectStore;
  /** Virtual time, milliseconds since 1970. */
  readonly now: number;
}

import type { ObjectStore } from '@netsim/manifest';
import type { ClusterConfig } from '../config.ts';
import type { Machines } from './machines.ts';
import type { Names } from './names.ts';
import type { PodIndex } from './pod-index.ts';
import type { Timers } from './timers.ts';

/** What every controller is given. */
export interface Context {
  readonly store: ObjectStore;
  readonly config: ClusterConfig;
  /** Virtual milliseconds since the epoch. */
  readonly now: () => number;
  /** The same moment as the API server writes it. */
  readonly time: () => string;
  readonly names: Names;
  readonly pods: PodIndex;
  readonly timers: Timers;
  readonly machines: Machines;
  readonly options: ControlOptions;
}

export interface ControlOptions {
  /** Whether the containers of a pod that starts are ready by themselves, or which of them are not. Default: always. */
  readonly startsReady: (pod: { readonly namespace: string; readonly name: string }) => boolean | readonly string[];
  /** Seconds from a controller's deletion of a running pod to its end; 0 ends it at once. Default 0. */
  readonly terminationSeconds: number;
}

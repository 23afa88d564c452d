import {
  RolloutError,
  type RolloutRevision,
  type RolloutStatus,
  rolloutHistory,
  rolloutPause,
  rolloutRestart,
  rolloutStatus,
  rolloutUndo,
} from '@netsim/control';
import type { Deployment } from '@netsim/manifest';
import type { Cluster } from './cluster.ts';
import { UsageError } from './errors.ts';

/** The rollouts of a Deployment, as `kubectl rollout` has them. */
export class RolloutHandle {
  readonly #cluster: Cluster;
  readonly #namespace: string | undefined;
  readonly name: string;

  constructor(cluster: Cluster, { metadata }: Deployment) {
    this.#cluster = cluster;
    this.#namespace = metadata.namespace;
    this.name = metadata.name;
  }

  /** The Deployment as it is now. */
  get object(): Deployment {
    const deployment = this.#cluster.store.get<Deployment>('Deployment', this.#namespace, this.name);
    if (deployment === undefined) throw new UsageError(`deployment "${this.name}" is gone`);
    return deployment;
  }

  /** How far it is, in kubectl's words. */
  get status(): RolloutStatus {
    return rolloutStatus(this.object);
  }

  /** The revisions that can be gone back to, oldest first. */
  get history(): readonly RolloutRevision[] {
    return rolloutHistory(this.#cluster.store, this.object);
  }

  /** Holds the rollout where it is. @throws UsageError where it is held already */
  pause(): void {
    this.#do((deployment) => rolloutPause(this.#cluster.store, deployment, true));
  }

  /** Lets it go on. @throws UsageError where it is not held */
  resume(): void {
    this.#do((deployment) => rolloutPause(this.#cluster.store, deployment, false));
  }

  /**
   * Goes back to a revision; to the one before the present where none is given.
   * @throws UsageError where there is no such revision, or the rollout is held
   */
  undo(toRevision?: number): void {
    this.#do((deployment) => rolloutUndo(this.#cluster.store, deployment, toRevision));
  }

  /** Replaces all pods by equal ones. @throws UsageError where the rollout is held */
  restart(): void {
    const time = new Date(this.#cluster.now).toISOString().replace(/\.\d+Z$/, 'Z');
    this.#do((deployment) => rolloutRestart(this.#cluster.store, deployment, time));
  }

  #do(change: (deployment: Deployment) => void): void {
    const { object } = this;
    try {
      change(object);
    } catch (error) {
      throw error instanceof RolloutError ? new UsageError(error.message) : error;
    }
    this.#cluster.settle();
  }
}

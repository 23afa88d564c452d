import type { Node } from '@netsim/manifest';
import type { Cluster } from './cluster.ts';
import { UsageError } from './errors.ts';

/** A node of a cluster, as its operator sees it. */
export class NodeHandle {
  readonly #cluster: Cluster;
  readonly name: string;

  constructor(cluster: Cluster, name: string) {
    this.#cluster = cluster;
    this.name = name;
  }

  /** The object as it is now. */
  get object(): Node {
    const node = this.#cluster.store.get<Node>('Node', undefined, this.name);
    if (node === undefined) throw new UsageError(`node "${this.name}" is gone`);
    return node;
  }

  get ready(): boolean {
    return this.object.status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True') ?? true;
  }

  /**
   * Takes the machine off the network (`machine`), or stops its kubelet only: containers run on then, and nobody hears of them. The
   * control plane sees it after 50 virtual seconds, and moves the pods five minutes later.
   */
  stop(what: 'machine' | 'kubelet' = 'machine'): void {
    this.#cluster.stopNode(this.name, what);
  }

  /** Undoes {@link stop}. */
  start(): void {
    this.#cluster.startNode(this.name);
  }
}

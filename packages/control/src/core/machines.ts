/** What of a node has stopped: its kubelet alone (pods and kube-proxy run on), or the whole machine. */
export type Stopped = 'kubelet' | 'machine';

/** Which nodes do not run as they should. */
export class Machines {
  readonly #stopped = new Map<string, Stopped>();

  stop(node: string, what: Stopped): void {
    this.#stopped.set(node, what);
  }

  start(node: string): void {
    this.#stopped.delete(node);
  }

  stopped(node: string): Stopped | undefined {
    return this.#stopped.get(node);
  }

  /** Whether the node's kubelet reports and obeys. */
  kubeletRuns(node: string): boolean {
    return !this.#stopped.has(node);
  }
}

import { podIPs } from '@netsim/control';
import type { LookupResult } from '@netsim/dns';
import type { Pod } from '@netsim/manifest';
import type { Cluster } from './cluster.ts';
import { lookUp } from './dns/look-up.ts';
import { UsageError } from './errors.ts';
import type { ExecResult } from './exec-in.ts';
import { type FetchInit, fetchFrom } from './fetch-from.ts';
import type { RequestHandler } from './programs.ts';

/** A pod of a cluster, as a program inside it and its operator see it. */
export class PodHandle {
  readonly #cluster: Cluster;
  readonly #namespace: string;
  readonly name: string;

  constructor(cluster: Cluster, pod: Pod) {
    this.#cluster = cluster;
    this.name = pod.metadata.name;
    this.#namespace = pod.metadata.namespace ?? 'default';
  }

  /** The object as it is now. */
  get object(): Pod {
    const pod = this.#cluster.store.get<Pod>('Pod', this.#namespace, this.name);
    if (pod === undefined) throw new UsageError(`pod "${this.name}" is gone`);
    return pod;
  }

  /** Its first address. */
  get ip(): string | undefined {
    return podIPs(this.object)[0];
  }

  get node(): string | undefined {
    return this.object.spec.nodeName;
  }

  /**
   * An HTTP request from this pod, over the emulated network in virtual time: name, service, overlay, and back.
   * Rejects with a TypeError, as `fetch` does, whose `cause` carries the socket's error code.
   */
  fetch(input: string | URL | Request, init?: FetchInit): Promise<Response> {
    return fetchFrom(this.#cluster, { kind: 'Pod', pod: this.object }, input, init);
  }

  /**
   * Looks a name up as the C library of the pod's first container does (`getaddrinfo`): files, then queries over the
   * emulated network, in virtual time.
   */
  lookup(name: string): LookupResult {
    return lookUp(this.#cluster, { kind: 'Pod', pod: this.object }, name);
  }

  /** Lets the pod's program serve HTTP on a port, in place of what netsim put there. */
  listen(port: number, handler: RequestHandler): void {
    const pod = this.object;
    this.#cluster.programs.listen(this.#cluster.netnsOfPod(pod), pod, port, handler);
    this.#cluster.prober.wake(pod);
  }

  /** Runs an emulated tool in the pod. */
  exec(...argv: string[]): Promise<ExecResult> {
    return this.#cluster.exec(`pod/${this.name}`, argv, { namespace: this.#namespace });
  }

  /** The last lines that the program wrote: known of CoreDNS only. */
  logs(): readonly string[] {
    return this.#cluster.programs.linesOf(this.object);
  }

  /** How often a container was restarted. */
  restarts(container: string): number {
    return this.#status(container).restartCount ?? 0;
  }

  /**
   * Ends a container's process; the kubelet starts it again. The sandbox, its netns and its address stay, connections of the
   * old process are gone.
   */
  restart(container: string): void {
    this.#status(container);
    this.#cluster.prober.restarted(this.object, container);
  }

  #status(container: string): { name: string; restartCount?: number } {
    const statuses = this.object.status?.containerStatuses ?? [];
    const status = statuses.find((each) => each.name === container);
    if (status === undefined) {
      throw new UsageError(
        `pod "${this.name}" has no container ${JSON.stringify(container)}`,
        `its containers: ${statuses.map((each) => each.name).join(', ')}`,
      );
    }
    return status;
  }
}

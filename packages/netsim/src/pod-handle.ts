import { podIPs } from '@netsim/control';
import type { LookupResult } from '@netsim/dns';
import type { Pod } from '@netsim/manifest';
import { type Ip, tryParseIp } from '@netsim/wire';
import type { Cluster } from './cluster.ts';
import { addressesOf, lookUp } from './dns/look-up.ts';
import { UsageError } from './errors.ts';
import type { ExecResult } from './exec-in.ts';
import { httpCall } from './http/client.ts';
import { requestMessage, responseOf } from './http/fetch.ts';
import type { RequestHandler } from './programs.ts';

/** How long `fetch` waits, in virtual milliseconds. */
const FETCH_TIMEOUT = 300_000;

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
  async fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const request = new Request(input, init);
    const url = new URL(request.url);
    if (url.protocol !== 'http:') throw new TypeError(`fetch failed: ${url.protocol} is not modelled`);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const ip = tryParseIp(host) ?? this.#address(host);
    const body = new Uint8Array(await request.arrayBuffer());
    const netns = this.#cluster.netnsOfPod(this.object);
    try {
      const answer = await httpCall({
        netns,
        programs: this.#cluster.programs,
        ip,
        port: Number(url.port || 80),
        request: requestMessage(request, url, body),
        timeout: FETCH_TIMEOUT,
      });
      return responseOf(answer);
    } catch (cause) {
      throw new TypeError(`fetch failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    }
  }

  /**
   * Looks a name up as the C library of the pod's first container does (`getaddrinfo`): files, then queries over the
   * emulated network, in virtual time.
   */
  lookup(name: string): LookupResult {
    return lookUp(this.#cluster, { kind: 'Pod', pod: this.object }, name);
  }

  #address(host: string): Ip {
    const found = this.lookup(host);
    const [ip] = addressesOf(found);
    if (ip !== undefined) return ip;
    // Node.js calls EAI_NONAME so.
    const code = found.error === 'EAI_NONAME' || found.error === undefined ? 'ENOTFOUND' : found.error;
    throw new TypeError('fetch failed', { cause: new Error(`getaddrinfo ${code} ${host}`) });
  }

  /** Lets the pod's program serve HTTP on a port, in place of what netsim put there. */
  listen(port: number, handler: RequestHandler): void {
    this.#cluster.programs.listen(this.#cluster.netnsOfPod(this.object), this.object, port, handler);
  }

  /** Runs an emulated tool in the pod. */
  exec(...argv: string[]): Promise<ExecResult> {
    return this.#cluster.exec(`pod/${this.name}`, argv, { namespace: this.#namespace });
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
    const status = this.#status(container);
    const pod = this.object;
    const containerStatuses = pod.status!.containerStatuses!.map((each) =>
      each === status ? { ...each, restartCount: (each.restartCount ?? 0) + 1 } : each,
    );
    this.#cluster.store.put({ ...pod, status: { ...pod.status, containerStatuses } } as Pod);
    this.#cluster.containers.restart(pod, container);
    this.#cluster.programs.start(this.#cluster.netnsOfPod(pod), this.object, this.#cluster.store);
    this.#cluster.settle();
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

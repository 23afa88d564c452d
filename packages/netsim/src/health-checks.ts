import type { Netns } from '@netsim/kernel';
import type { Node, ObjectStore, Service, StoreEvent } from '@netsim/manifest';
import { healthCheckAnswer, PROXY_HEALTH_PORT, type ProxyState, proxyHealthAnswer } from '@netsim/proxy';
import type { RequestHandler } from './programs.ts';

/** Serves HTTP on a port of a machine; returns what ends it. */
export type ServeHttp = (netns: Netns, port: number, program: string, handler: RequestHandler) => () => void;

interface HealthCheckGround {
  readonly store: ObjectStore;
  readonly state: ProxyState;
  netns(name: string): Netns | undefined;
  readonly serve: ServeHttp;
  /** Milliseconds since the Unix epoch. */
  now(): number;
}

/**
 * kube-proxy's answers on every node: on its own health port, and on the healthCheckNodePorts of load balancers with
 * externalTrafficPolicy Local, whether the node has ready pods of the service.
 */
export class HealthChecks {
  readonly #ground: HealthCheckGround;
  /** Port of each service that has one, by `namespace/name`. */
  readonly #ports = new Map<string, number>();
  /** What ends each listener, by node, then by port. */
  readonly #open = new Map<string, Map<number, () => void>>();

  constructor(ground: HealthCheckGround) {
    this.#ground = ground;
    for (const object of ground.store.list<Service>('Service')) this.note({ type: 'ADDED', object });
  }

  note({ type, object }: StoreEvent): void {
    const id = `${object.metadata.namespace}/${object.metadata.name}`;
    const port = type === 'DELETED' ? undefined : (object as Service).spec.healthCheckNodePort;
    if (port === undefined || port === 0) this.#ports.delete(id);
    else this.#ports.set(id, port);
  }

  /** Opens and closes the ports of a node that is built, as the services are now. */
  update(node: string): void {
    const { netns, serve, state } = this.#ground;
    const where = netns(node);
    if (where === undefined) return;
    let open = this.#open.get(node);
    if (open === undefined) {
      open = new Map();
      this.#open.set(node, open);
      serve(where, PROXY_HEALTH_PORT, 'kube-proxy', (request) => this.#ownHealth(node, request));
    }
    const wanted = new Map([...this.#ports].map(([service, port]) => [port, service]));
    for (const [port, close] of open) {
      if (wanted.has(port)) continue;
      close();
      open.delete(port);
    }
    for (const [port, service] of wanted) {
      if (open.has(port)) continue;
      const answer = (): Response => {
        const found = healthCheckAnswer(state, service, node);
        return found === undefined ? new Response(null, { status: 404 }) : new Response(found.body, found);
      };
      open.set(port, serve(where, port, 'kube-proxy', answer));
    }
  }

  #ownHealth(name: string, request: Request): Response {
    const { store, now } = this.#ground;
    const node = store.get<Node>('Node', undefined, name);
    const answer = node && proxyHealthAnswer(new URL(request.url).pathname, node, now());
    return answer === undefined
      ? new Response('404 page not found\n', { status: 404 })
      : new Response(answer.body, answer);
  }

  /** The machines are gone, and their sockets with them. */
  forget(): void {
    this.#open.clear();
  }
}

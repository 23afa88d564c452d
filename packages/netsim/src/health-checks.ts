import type { Netns } from '@netsim/kernel';
import type { ObjectStore, Service, StoreEvent } from '@netsim/manifest';
import { healthCheckAnswer, type ProxyState } from '@netsim/proxy';
import type { RequestHandler } from './programs.ts';

/** Serves HTTP on a port of a machine; returns what ends it. */
export type ServeHttp = (netns: Netns, port: number, program: string, handler: RequestHandler) => () => void;

interface HealthCheckGround {
  readonly store: ObjectStore;
  readonly state: ProxyState;
  netns(name: string): Netns | undefined;
  readonly serve: ServeHttp;
}

/**
 * kube-proxy's answers on the healthCheckNodePorts of load balancers with externalTrafficPolicy Local: on every node, whether it has
 * ready pods of the service.
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
    const open = this.#open.get(node) ?? new Map<number, () => void>();
    if (where === undefined || (this.#ports.size === 0 && open.size === 0)) return;
    this.#open.set(node, open);
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

  /** The machines are gone, and their sockets with them. */
  forget(): void {
    this.#open.clear();
  }
}

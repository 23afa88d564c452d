import type { Gateway, GatewayListener, HTTPRoute } from '@netsim/manifest';
import type { Backend, Decision, FrontRequest, Outcome, Router } from '../model.ts';
import { hostMatches, hostName } from './hostname.ts';
import type { GatewayView, ObjectKey } from './view.ts';

/** A socket that the data plane of a Gateway opens. */
export interface BoundListener {
  readonly port: number;
  readonly transport: 'TCP' | 'UDP';
  /** Names of the listeners that share it. */
  readonly names: readonly string[];
}

/** A connection as it arrives, before any byte of HTTP is read. */
export interface FrontConnection {
  readonly port: number;
  readonly transport: 'TCP' | 'UDP';
  /** The server name of the TLS handshake; undefined: it does not start with one, or names no server. */
  readonly sni?: string;
  readonly clientAddress?: string;
}

/** What is done with a connection. */
export type ConnectionPlan =
  /** HTTP in clear: requests go to `decide`. */
  | { readonly kind: 'http' }
  /** TLS ends here with one of these Secrets (the first that fits the server name), then HTTP. */
  | { readonly kind: 'https'; readonly certificates: readonly ObjectKey[] }
  /** Bytes go to a backend, after TLS has ended here where there are certificates. */
  | { readonly kind: 'stream'; readonly backend: Backend; readonly certificates?: readonly ObjectKey[] }
  | { readonly kind: 'close'; readonly why: string };

/** The data plane of one Gateway. */
export interface GatewayRouter extends Router {
  readonly sockets: readonly BoundListener[];
  connect(connection: FrontConnection, chance: number): ConnectionPlan;
}

/** Compiles what a Gateway's listeners and the routes attached to them say. */
export function gatewayRouter(view: GatewayView, gateway: ObjectKey): GatewayRouter {
  const object = view.get<Gateway>('Gateway', gateway.namespace, gateway.name);
  const listeners = object?.spec.listeners ?? [];
  const routes = view
    .list<HTTPRoute>('HTTPRoute')
    .filter((route) =>
      route.spec.parentRefs?.some(
        (ref) => ref.name === gateway.name && (ref.namespace ?? route.metadata.namespace) === gateway.namespace,
      ),
    );
  const decide = (request: FrontRequest): Outcome => {
    const host = hostName(request.host ?? '');
    const path = request.target.replace(/\?.*$/s, '');
    for (const route of routes) {
      if (route.spec.hostnames?.every((name) => !hostMatches(name, host))) continue;
      for (const rule of route.spec.rules ?? []) {
        const matches = rule.matches ?? [{}];
        const hit = matches.some(({ path: { value = '/', type = 'PathPrefix' } = {} }) =>
          type === 'Exact' ? path === value : path === value || path.startsWith(value.replace(/\/?$/, '/')),
        );
        const [ref] = rule.backendRefs ?? [];
        if (!hit || ref === undefined) continue;
        return {
          kind: 'forward',
          backend: {
            kind: 'service',
            namespace: ref.namespace ?? route.metadata.namespace ?? 'default',
            name: ref.name,
            port: ref.port ?? 80,
          },
          target: request.target,
          host: request.host ?? '',
          headers: request.headers,
          response: [],
          timeouts: { request: 0, backendRequest: 0, connect: 0 },
          tlsToBackend: false,
          mirrors: [],
        };
      }
    }
    return { kind: 'respond', status: 404, headers: [], body: '' };
  };
  return {
    sockets: socketsOf(listeners),
    connect: ({ port }) => {
      const listener = listeners.find((candidate) => candidate.port === port);
      return listener === undefined ? { kind: 'close', why: `no listener on port ${port}` } : { kind: 'http' };
    },
    decide,
    explain: (request): Decision => ({ outcome: decide(request), considered: [] }),
    routes: () => [],
    findings: [],
  };
}

function socketsOf(listeners: readonly GatewayListener[]): BoundListener[] {
  const sockets = new Map<string, { port: number; transport: 'TCP' | 'UDP'; names: string[] }>();
  for (const { name, port, protocol } of listeners) {
    const transport = protocol === 'UDP' ? 'UDP' : 'TCP';
    const socket = sockets.get(`${transport} ${port}`) ?? { port, transport, names: [] };
    socket.names.push(name);
    sockets.set(`${transport} ${port}`, socket);
  }
  return [...sockets.values()];
}

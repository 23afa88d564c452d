import type { Backend, ConnectionPlan, FrontConnection, GatewayRouter } from '@netsim/ingress';
import { type Netns, TcpListener, type UdpSocket } from '@netsim/kernel';
import type { ObjectStore } from '@netsim/manifest';
import { formatIp } from '@netsim/wire';
import { pipe } from '../http/pipe.ts';
import { acceptedStream, connectStream, type Stream } from '../http/stream.ts';
import { acceptTls, peekServerName } from '../http/tls.ts';
import { secureBackend } from './backend-tls.ts';
import { RoundRobin } from './balancer.ts';
import { type CompiledDoor, certificateChain } from './certificates.ts';
import type { BackendSource, ProxyEndpoint } from './endpoints.ts';
import type { FrontProxy } from './proxy.ts';
import { relayUdp } from './udp-relay.ts';

/** Milliseconds that a proxy waits for a backend's handshake (Envoy: `connect_timeout`). */
const CONNECT_TIMEOUT = 10_000;

export interface GatewayServerOptions {
  readonly netns: Netns;
  readonly program: string;
  readonly proxy: FrontProxy;
  readonly backends: BackendSource;
  readonly store: ObjectStore;
  /** Milliseconds since the Unix epoch. */
  now(): number;
  compiled(): CompiledDoor;
}

type StreamPlan = Extract<ConnectionPlan, { kind: 'stream' }>;

interface OpenSocket {
  readonly socket: TcpListener | UdpSocket;
  readonly port: number;
  readonly transport: 'TCP' | 'UDP';
  readonly scheme: 'http' | 'https';
}

/** The sockets of a Gateway's data plane: HTTP, TLS that ends here or is passed through, plain TCP and UDP. */
export class GatewayServer {
  readonly #options: GatewayServerOptions;
  readonly #robin: RoundRobin;

  constructor(options: GatewayServerOptions) {
    this.#options = options;
    this.#robin = new RoundRobin(options.netns.random);
  }

  listen(sockets: GatewayRouter['sockets']): OpenSocket[] {
    return sockets.flatMap(({ port, transport, tls }) =>
      transport === 'TCP' ? this.#listenTcp(port, tls) : this.#listenUdp(port),
    );
  }

  #listenTcp(port: number, tls: boolean): OpenSocket[] {
    const { netns, program } = this.#options;
    const socket = netns.sockets.tcp.listen({
      port,
      program,
      onConnection: (connection) => {
        const { remoteAddress } = connection;
        const clientAddress = remoteAddress === undefined ? '' : formatIp(remoteAddress);
        this.#accept(acceptedStream(connection), { port, transport: 'TCP', clientAddress }, tls);
      },
    });
    if (!(socket instanceof TcpListener)) return [];
    return [{ socket, port, transport: 'TCP', scheme: tls ? 'https' : 'http' }];
  }

  #listenUdp(port: number): OpenSocket[] {
    const { netns, program } = this.#options;
    const target = (): ProxyEndpoint | undefined => {
      const plan = this.#plan({ port, transport: 'UDP' });
      return plan.kind === 'stream' ? this.#endpoint(plan.backend) : undefined;
    };
    const socket = relayUdp({ netns, port, program, target });
    return socket === undefined ? [] : [{ socket, port, transport: 'UDP', scheme: 'http' }];
  }

  /** One of a backend's endpoints, in turn. */
  #endpoint(backend: Backend): ProxyEndpoint | undefined {
    if (backend.kind !== 'service') return undefined;
    const { list } = this.#options.backends.of(backend.namespace, backend.name, backend.port);
    return list.length === 0 ? undefined : this.#robin.pick(JSON.stringify(backend), list);
  }

  #plan(connection: FrontConnection): ConnectionPlan {
    const { compiled, netns } = this.#options;
    const chance = netns.random.below(2 ** 30) / 2 ** 30;
    return compiled().gateway?.connect(connection, chance) ?? { kind: 'close', why: 'the Gateway is gone' };
  }

  #accept(stream: Stream, connection: FrontConnection, tls: boolean): void {
    const { proxy } = this.#options;
    const { port } = connection;
    const plan = this.#plan(connection);
    if (plan.kind === 'http') proxy.serve(stream, { port, scheme: 'http' });
    else if (!tls) {
      if (plan.kind === 'stream') this.#pass(stream, plan);
      else stream.close();
    } else {
      peekServerName(stream, (sni, replay) => {
        this.#acceptTls(stream, { ...connection, ...(sni === undefined ? {} : { sni }) });
        replay();
      });
    }
  }

  #acceptTls(below: Stream, connection: FrontConnection): void {
    const { proxy, compiled, store } = this.#options;
    const { port, sni } = connection;
    const plan = this.#plan(connection);
    below.onData = () => {};
    if (plan.kind === 'stream' && plan.certificates === undefined) {
      this.#pass(below, plan);
      return;
    }
    if (plan.kind !== 'https' && plan.kind !== 'stream') {
      below.close();
      return;
    }
    const certificate = compiled().certificate(sni, port);
    acceptTls(below, {
      certificates: () => (certificate === undefined ? undefined : certificateChain(certificate, store)),
      ready: (stream) => {
        if (plan.kind === 'stream') this.#pass(stream, plan);
        else proxy.serve(stream, { port, scheme: 'https' }, sni);
      },
      plain: (stream) => stream.close(),
    });
  }

  /** Bytes to an endpoint of a backend and back. What comes before the connection is made waits. */
  #pass(stream: Stream, { backend, backendTls }: StreamPlan): void {
    const { netns, program } = this.#options;
    const endpoint = this.#endpoint(backend);
    if (endpoint === undefined) {
      stream.close();
      return;
    }
    const { ip, port } = endpoint;
    const waiting: Uint8Array[] = [];
    stream.onData = (bytes) => waiting.push(bytes);
    connectStream({ netns, ip, port, program, timeout: CONNECT_TIMEOUT }, (other) => {
      if (typeof other === 'string') {
        stream.abort();
        return;
      }
      const join = (secured: Stream): void => {
        pipe(stream, secured);
        for (const bytes of waiting) secured.send(bytes);
      };
      if (backendTls === undefined) join(other);
      else {
        secureBackend(other, backendTls, { ...this.#options, timeout: CONNECT_TIMEOUT }, (secured) => {
          if (typeof secured === 'number') stream.abort();
          else join(secured);
        });
      }
    });
  }
}

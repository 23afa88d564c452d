import type { ClusterConfig } from '@netsim/control';
import { type Netns, type Socket, type TcpConnection, TcpListener, UdpSocket, type World } from '@netsim/kernel';
import type { Node, ObjectStore, Pod } from '@netsim/manifest';
import { podFiles } from './dns/pod-files.ts';
import { isCoreDns, serveCoreDns } from './dns/serve.ts';
import { encodeResponse, type HttpRequest, MessageReader } from './http/message.ts';
import { losers } from './lint.ts';
import { type PodListener, podListeners, startDelay } from './listeners.ts';
import { nodeListeners } from './node-listeners.ts';

/** What a program answers to a request: as in the Fetch standard. */
export type RequestHandler = (request: Request) => Response | Promise<Response>;

interface Running {
  readonly sockets: Socket[];
}

/** The programs of a world: what sits behind the sockets of pods and nodes. */
export class Programs {
  readonly #world: World;
  readonly #epoch: number;
  readonly #config: ClusterConfig;
  readonly #running = new Map<string, Running>();
  /** Handlers given by `pod.listen`, by pod UID and port: they outlive a rebuild of the pod's netns. */
  readonly #handlers = new Map<string, Map<number, RequestHandler>>();
  #pending = 0;
  #wake: (() => void) | undefined;

  /** `epoch`: what the clock's zero is in milliseconds since 1970. */
  constructor(world: World, epoch: number, config: ClusterConfig) {
    this.#config = config;
    this.#world = world;
    this.#epoch = epoch;
  }

  /** Starts what listens in a new netns: a pod's containers, or the services of a node. */
  start(netns: Netns, pod: Pod | undefined, store: ObjectStore): void {
    if (pod === undefined) {
      const node = store.get<Node>('Node', undefined, netns.name);
      for (const listener of node === undefined ? [] : nodeListeners(node)) this.#world.addListener(listener);
      return;
    }
    this.stopPod(pod);
    const wait = this.#untilListening(pod);
    if (wait > 0) {
      const { clock } = this.#world;
      const uid = keyOf(pod);
      clock.schedule(clock.now + wait, () => {
        const still = store.get<Pod>('Pod', pod.metadata.namespace, pod.metadata.name);
        if (still !== undefined && keyOf(still) === uid && this.#world.netns(netns.name) === netns)
          this.start(netns, still, store);
      });
      return;
    }
    const coreDns = isCoreDns(pod);
    const sockets: Socket[] = coreDns ? this.#serveDns(netns, pod, store) : [];
    const lost = losers(pod);
    for (const listener of podListeners(pod).listeners) {
      if (lost.has(listener) || (coreDns && listener.port === 53)) continue;
      const socket = this.#open(netns, pod, listener);
      if (socket !== undefined) sockets.push(socket);
    }
    this.#running.set(keyOf(pod), { sockets });
    for (const [port, handler] of this.#handlers.get(keyOf(pod)) ?? []) this.#listen(netns, pod, port, handler);
  }

  #serveDns(netns: Netns, pod: Pod, store: ObjectStore): Socket[] {
    const { resolvConf } = podFiles(pod, this.#config);
    return serveCoreDns({ netns, pod, store, resolvConf, epoch: this.#epoch });
  }

  /** Milliseconds until the programs of a pod listen. */
  #untilListening(pod: Pod): number {
    const delay = startDelay(pod);
    const started = Date.parse(pod.status?.startTime ?? '') - this.#epoch;
    return delay === 0 || Number.isNaN(started) ? 0 : started + delay - this.#world.clock.now;
  }

  /** Closes the sockets of a pod's containers. */
  stopPod(pod: Pod): void {
    for (const socket of this.#running.get(keyOf(pod))?.sockets ?? []) {
      if (socket instanceof TcpListener || socket instanceof UdpSocket) socket.close();
    }
    this.#running.delete(keyOf(pod));
  }

  /** Lets a pod's program listen on a port; replaces what listened there. */
  listen(netns: Netns, pod: Pod, port: number, handler: RequestHandler): void {
    let handlers = this.#handlers.get(keyOf(pod));
    if (handlers === undefined) {
      handlers = new Map();
      this.#handlers.set(keyOf(pod), handlers);
    }
    handlers.set(port, handler);
    this.#listen(netns, pod, port, handler);
  }

  /** Serves HTTP on a port of a machine; the same port again changes nothing. Returns what ends it. */
  serve(netns: Netns, port: number, program: string, handler: RequestHandler): () => void {
    const socket = netns.sockets.tcp.listen({
      port,
      program,
      onConnection: (connection) => this.#serve(connection, handler),
    });
    return () => {
      if (typeof socket !== 'string') socket.close();
    };
  }

  /** Requests that a handler has not answered yet. */
  get pending(): number {
    return this.#pending;
  }

  /** Resolves when a handler that was asked has answered. */
  answered(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #listen(netns: Netns, pod: Pod, port: number, handler: RequestHandler): void {
    const running = this.#running.get(keyOf(pod)) ?? { sockets: [] };
    this.#running.set(keyOf(pod), running);
    for (const socket of running.sockets) {
      if (socket instanceof TcpListener && socket.localPort === port) socket.close();
    }
    const opened = netns.sockets.tcp.listen({
      port,
      program: pod.spec.containers[0]?.name ?? 'program',
      onConnection: (connection) => this.#serve(connection, handler),
    });
    if (typeof opened === 'string') throw new Error(`port ${port} of pod ${pod.metadata.name}: ${opened}`);
    running.sockets.push(opened);
  }

  #open(netns: Netns, pod: Pod, listener: PodListener): Socket | undefined {
    const { port, protocol, address, container: program } = listener;
    const where = address === undefined ? {} : { address };
    const hit = `You've hit ${pod.metadata.name}\n`;
    if (protocol === 'tcp') {
      const onConnection = listener.http
        ? (connection: TcpConnection): void => this.#serve(connection, () => new Response(hit))
        : (connection: TcpConnection): void => {
            connection.handlers.onEnd = () => connection.close();
          };
      const socket = netns.sockets.tcp.listen({ ...where, port, program, onConnection });
      return typeof socket === 'string' ? undefined : socket;
    }
    if (protocol === 'udp') {
      const socket = netns.sockets.udp.bind({
        ...where,
        port,
        program,
        onMessage: (message, own) => {
          own.send({ dst: message.src, dport: message.sport, payloadLength: message.payloadLength });
        },
      });
      return typeof socket === 'string' ? undefined : socket;
    }
    this.#world.addListener({ netns: netns.name, protocol, port, program, ...where });
    return undefined;
  }

  /** Speaks HTTP/1.1 on one connection: one request, one answer, and the connection is closed. */
  #serve(connection: TcpConnection, handler: RequestHandler): void {
    const reader = new MessageReader();
    let asked = false;
    connection.handlers.onEnd = () => {
      if (!asked) connection.close();
    };
    connection.handlers.onData = (data, length) => {
      if (asked) return;
      const whole = reader.push(data ?? new Uint8Array(length));
      if (reader.error !== undefined) {
        asked = true;
        this.#send(connection, new Response('Bad Request\n', { status: 400 }));
        return;
      }
      if (!whole) return;
      asked = true;
      this.#pending++;
      this.#answer(connection, reader.request(), handler);
    };
  }

  #answer(connection: TcpConnection, message: HttpRequest, handler: RequestHandler): void {
    const finish = (bytes: Uint8Array): void => {
      this.#pending--;
      connection.send(bytes);
      connection.close();
      this.#world.run();
      const wake = this.#wake;
      this.#wake = undefined;
      wake?.();
    };
    Promise.resolve()
      .then(() => handler(toRequest(message)))
      .then(toBytes)
      .then(finish, () =>
        finish(encodeResponse({ status: 500, statusText: '', headers: new Headers(), body: new Uint8Array(0) })),
      );
  }

  #send(connection: TcpConnection, response: Response): void {
    this.#pending++;
    toBytes(response).then((bytes) => {
      this.#pending--;
      connection.send(bytes);
      connection.close();
      this.#world.run();
    });
  }
}

function toRequest(message: HttpRequest): Request {
  const host = message.headers.get('host') ?? 'localhost';
  const bodyless = message.method === 'GET' || message.method === 'HEAD';
  return new Request(`http://${host}${message.target}`, {
    method: message.method,
    headers: message.headers,
    ...(bodyless ? {} : { body: Uint8Array.from(message.body) }),
  });
}

async function toBytes(response: Response): Promise<Uint8Array> {
  const body = new Uint8Array(await response.arrayBuffer());
  return encodeResponse({ status: response.status, statusText: response.statusText, headers: response.headers, body });
}

function keyOf(pod: Pod): string {
  return pod.metadata.uid ?? `${pod.metadata.namespace}/${pod.metadata.name}`;
}

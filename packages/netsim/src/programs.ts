import type { ClusterConfig } from '@netsim/control';
import { ClusterIndexes } from '@netsim/dns';
import { type Netns, type Socket, type TcpConnection, TcpListener, UdpSocket, type World } from '@netsim/kernel';
import type { Node, ObjectStore, Pod } from '@netsim/manifest';
import { PROXY_HEALTH_PORT } from '@netsim/proxy';
import { coreDnsContainer } from './dns/coredns-files.ts';
import { nodeCacheOf, setUpInterface } from './dns/node-cache.ts';
import { podFiles } from './dns/pod-files.ts';
import { CoreDnsProgram } from './dns/serve.ts';
import { encodeResponse, fieldOf, type HttpRequest, type HttpResponse, textResponse } from './http/message.ts';
import { certificatesOf } from './http/pod-tls.ts';
import { type Answer, serveHttp } from './http/server.ts';
import { acceptedStream } from './http/stream.ts';
import { acceptTls } from './http/tls.ts';
import { whoami } from './http/whoami.ts';
import { controllerOf } from './ingress/controllers.ts';
import type { FrontDoor } from './ingress/front-door.ts';
import { losers } from './lint.ts';
import { imageName, type PodListener, podListeners, startDelay } from './listeners.ts';
import { nodeListeners } from './node-listeners.ts';
import { isMoody } from './probes/expectation.ts';

/** What a program answers to a request: as in the Fetch standard. */
export type RequestHandler = (request: Request) => Response | Promise<Response>;

interface Running {
  readonly sockets: Socket[];
  readonly coreDns?: CoreDnsProgram;
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

  readonly #frontDoor: FrontDoor;
  /** What all CoreDNS pods know of the API. */
  #indexes: ClusterIndexes | undefined;
  /** Called where a program has ended by itself. */
  onExit: ((pod: Pod) => void) | undefined;

  /** `epoch`: what the clock's zero is in milliseconds since 1970. */
  constructor(world: World, epoch: number, config: ClusterConfig, frontDoor: FrontDoor) {
    this.#config = config;
    this.#frontDoor = frontDoor;
    this.#world = world;
    this.#epoch = epoch;
  }

  /** Starts what listens in a new netns: a pod's containers, or the services of a node. */
  start(netns: Netns, pod: Pod | undefined, store: ObjectStore): void {
    if (pod === undefined) {
      const node = store.get<Node>('Node', undefined, netns.name);
      for (const listener of node === undefined ? [] : nodeListeners(node)) {
        // That one answers: see HealthChecks.
        if (listener.port !== PROXY_HEALTH_PORT) this.#world.addListener(listener);
      }
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
    const down = downContainers(pod);
    if (pod.spec.containers.every(({ name }) => down.has(name))) {
      this.#running.set(keyOf(pod), { sockets: [] });
      return;
    }
    const container = coreDnsContainer(pod);
    const coreDns = container === undefined ? undefined : this.#startDns(netns, pod, store);
    const controller = controllerOf(pod);
    const sockets: Socket[] = [];
    if (controller !== undefined) sockets.push(...this.#frontDoor.start(netns, pod, controller));
    const taken = new Set(sockets.map((socket) => socket.localPort));
    const lost = losers(pod);
    for (const listener of podListeners(pod).listeners) {
      // What CoreDNS opens, its Corefile says.
      if (lost.has(listener) || listener.container === container?.name || taken.has(listener.port)) continue;
      if (down.has(listener.container)) continue;
      const socket = this.#open(netns, pod, listener, store);
      if (socket !== undefined) sockets.push(socket);
    }
    this.#running.set(keyOf(pod), { sockets, ...(coreDns === undefined ? {} : { coreDns }) });
    if (down.has(pod.spec.containers[0]?.name ?? '')) return;
    for (const [port, handler] of this.#handlers.get(keyOf(pod)) ?? []) this.#listen(netns, pod, port, handler);
  }

  #startDns(netns: Netns, pod: Pod, store: ObjectStore): CoreDnsProgram {
    const { resolvConf } = podFiles(pod, this.#config);
    const cache = nodeCacheOf(pod);
    if (cache !== undefined) setUpInterface(netns, cache);
    const epoch = this.#epoch;
    this.#indexes ??= new ClusterIndexes(store, () => Math.floor((epoch + this.#world.clock.now) / 1000));
    const { clock } = this.#world;
    // Not while it is being started.
    const exited = (): void => void clock.schedule(clock.now, () => this.onExit?.(pod));
    return new CoreDnsProgram({ netns, pod, store, indexes: this.#indexes, resolvConf, epoch, exited });
  }

  /** The last lines that the CoreDNS of a pod has written; none for other programs, whose output is not known. */
  linesOf(pod: Pod): readonly string[] {
    return this.#running.get(keyOf(pod))?.coreDns?.lines ?? [];
  }

  /** Milliseconds until the programs of a pod listen. */
  #untilListening(pod: Pod): number {
    const delay = startDelay(pod);
    const started = Date.parse(pod.status?.startTime ?? '') - this.#epoch;
    return delay === 0 || Number.isNaN(started) ? 0 : started + delay - this.#world.clock.now;
  }

  /** Closes the sockets of a pod's containers. */
  stopPod(pod: Pod): void {
    const running = this.#running.get(keyOf(pod));
    running?.coreDns?.stop();
    for (const socket of running?.sockets ?? []) {
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

  /** Whether somebody gave the pod's program handlers of their own: what they answer may change. */
  hasHandlers(pod: Pod): boolean {
    return this.#handlers.has(keyOf(pod));
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

  #open(netns: Netns, pod: Pod, listener: PodListener, store: ObjectStore): Socket | undefined {
    const { port, protocol, address, container: program } = listener;
    const where = address === undefined ? {} : { address };
    if (protocol === 'tcp') {
      const answer = answerOf(pod, program);
      const onConnection = listener.http
        ? (connection: TcpConnection): void =>
            serveHttp(acceptedStream(connection), { answer: (request, reply) => answer(request, reply, connection) })
        : listener.tls === true
          ? (connection: TcpConnection): void =>
              acceptTls(acceptedStream(connection), {
                certificates: () => certificatesOf(pod, program, store, this.#epoch + this.#world.clock.now).chain,
                ready: (stream) =>
                  serveHttp(stream, { answer: (request, reply) => answer(request, reply, connection) }),
                plain: (stream) => {
                  // As Go's server says it.
                  stream.send(encodeResponse(textResponse(400, 'Client sent an HTTP request to an HTTPS server.\n')));
                  stream.close();
                },
              })
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

  #serve(connection: TcpConnection, handler: RequestHandler): void {
    serveHttp(acceptedStream(connection), { answer: (request, reply) => this.#ask(request, handler, reply) });
  }

  /** A handler may take its time, in real time. */
  #ask(message: HttpRequest, handler: RequestHandler, reply: (response: HttpResponse) => void): void {
    this.#pending++;
    const finish = (response: HttpResponse): void => {
      this.#pending--;
      reply(response);
      this.#world.run();
      const wake = this.#wake;
      this.#wake = undefined;
      wake?.();
    };
    Promise.resolve()
      .then(() => handler(toRequest(message)))
      .then(toHttpResponse)
      .then(finish, () => finish({ status: 500, fields: [], body: new Uint8Array(0) }));
  }
}

/** What a pod's program answers of itself: as the kubia images do, one of which falls ill after five requests. */
function answerOf(pod: Pod, container: string): (...args: [...Parameters<Answer>, TcpConnection]) => void {
  const text = `You've hit ${pod.metadata.name}\n`;
  const { image } = pod.spec.containers.find(({ name }) => name === container) ?? {};
  if (imageName(image ?? '') === 'traefik/whoami') {
    return (request, reply, connection) => reply(textResponse(200, whoami(pod, connection, request)));
  }
  if (!isMoody(image)) return (_, reply) => reply(textResponse(200, text));
  let requests = 0;
  return (_, reply) => {
    const well = ++requests <= 5;
    reply(well ? textResponse(200, text) : textResponse(500, "I'm not well. Please restart me!\n"));
  };
}

/** Containers of which the kubelet says that they do not run. */
function downContainers({ status }: Pod): ReadonlySet<string> {
  const down = new Set<string>();
  for (const { name, state } of status?.containerStatuses ?? []) {
    if (state?.waiting !== undefined || state?.terminated !== undefined) down.add(name);
  }
  return down;
}

function toRequest(message: HttpRequest): Request {
  const host = fieldOf(message, 'host') ?? 'localhost';
  const bodyless = message.method === 'GET' || message.method === 'HEAD';
  return new Request(`http://${host}${message.target}`, {
    method: message.method,
    headers: new Headers(message.fields.map(([name, value]) => [name, value])),
    ...(bodyless ? {} : { body: Uint8Array.from(message.body) }),
  });
}

async function toHttpResponse(response: Response): Promise<HttpResponse> {
  const body = new Uint8Array(await response.arrayBuffer());
  // The Fetch standard keeps names in lower case; a server writes them as most do, each word with a capital.
  const fields = [...response.headers].map(([name, value]): [string, string] => [canonical(name), value]);
  return { status: response.status, statusText: response.statusText, fields, body };
}

function canonical(name: string): string {
  return name.replace(/(^|-)[a-z]/g, (start) => start.toUpperCase());
}

function keyOf(pod: Pod): string {
  return pod.metadata.uid ?? `${pod.metadata.namespace}/${pod.metadata.name}`;
}

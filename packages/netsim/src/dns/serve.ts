import { type ClusterIndexes, CoreDns, type Corefile, CorefileError, type LoopProbe, parseCorefile } from '@netsim/dns';
import { type Netns, type Socket, type TcpConnection, TcpListener, type Timer, UdpSocket } from '@netsim/kernel';
import type { ObjectStore, Pod } from '@netsim/manifest';
import { parseIp, tryParseIp } from '@netsim/wire';
import { serveHttp } from '../http/server.ts';
import { acceptedStream } from '../http/stream.ts';
import { type CoreDnsFiles, coreDnsFiles } from './coredns-files.ts';
import { coreDnsAnswer } from './coredns-http.ts';
import { exchangeOver } from './exchange.ts';
import { inCluster } from './in-cluster.ts';
import { FrameReader, frame } from './tcp-frame.ts';

const PROGRAM = 'coredns';
const LOOPBACK = parseIp('127.0.0.1');
/** Milliseconds that plugin `loop` waits for the reply to its probe, between two tries, and in all (plugin/loop/setup.go). */
const PROBE_TIMEOUT = 2_000;
const PROBE_PAUSE = 1_000;
const PROBE_PATIENCE = 30_000;
/** Lines of output that are kept, as the log files of a container do not grow without end. */
const MAX_LINES = 1_000;

/** What a CoreDNS in a pod needs. */
export interface ServeOptions {
  readonly netns: Netns;
  readonly pod: Pod;
  readonly store: ObjectStore;
  /** What all CoreDNS pods of the cluster know of the API. */
  readonly indexes: ClusterIndexes;
  /** `resolv.conf` of the pod, which `forward . /etc/resolv.conf` reads. */
  readonly resolvConf: string;
  /** What the clock's zero is in milliseconds since 1970. */
  readonly epoch: number;
  /** The program has ended by itself, and says why. */
  readonly exited: (reason: string) => void;
}

/**
 * The CoreDNS of a pod: its sockets, and its life. It reads the Corefile when it starts; with one that it cannot start with it ends.
 * With plugin `reload` it reads a changed one at the next interval, and keeps the old one where the new one is wrong.
 */
export class CoreDnsProgram {
  readonly #options: ServeOptions;
  readonly #lines: string[] = [];
  readonly #unwatch: (() => void)[];
  readonly #started: number;
  #sockets: Socket[] = [];
  #dns: CoreDns | undefined;
  /** The configuration that runs, or that a reload has failed with. */
  #configuration = '';
  /** Seconds between two looks at the Corefile, jitter included, once one was needed. */
  #interval: number | undefined;
  #look: Timer | undefined;
  #stopped = false;

  constructor(options: ServeOptions) {
    this.#options = options;
    this.#started = options.netns.world.clock.now;
    const { namespace, name } = options.pod.metadata;
    this.#unwatch = [
      options.store.watch('ConfigMap', ({ object }) => {
        if (object.metadata.namespace === namespace) this.#expectReload();
      }),
      options.store.watch('Pod', ({ type, object: { metadata } }) => {
        if (type === 'DELETED' && metadata.name === name && metadata.namespace === namespace) this.stop();
      }),
    ];
    const files = this.#files();
    if (files.corefile !== undefined) this.#start(files);
  }

  /** Its open sockets. */
  get sockets(): readonly Socket[] {
    return this.#sockets;
  }

  /** The last lines of its output. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  stop(): void {
    this.#stopped = true;
    for (const end of this.#unwatch) end();
    this.#look?.cancel();
    this.#close();
    this.#dns?.close();
  }

  #start(files: CoreDnsFiles): void {
    const dns = this.#read(files);
    if (dns instanceof CorefileError) {
      const reason = wordsOf(dns);
      this.#log(reason);
      this.stop();
      this.#options.exited(reason);
      return;
    }
    this.#run(dns);
  }

  #run(dns: CoreDns): void {
    this.#dns = dns;
    this.#configuration = configurationOf(dns.corefile);
    for (const { keys } of dns.corefile.blocks) for (const { text } of keys) this.#log(withPort(text));
    this.#open(dns);
    for (const probe of dns.probes) this.#probe(dns, probe, this.#options.netns.world.clock.now + PROBE_PATIENCE);
  }

  #open(dns: CoreDns): void {
    const { netns } = this.#options;
    for (const { port, addresses, scheme } of dns.listeners) {
      if (scheme !== 'dns') continue;
      for (const address of addresses.length === 0 ? [undefined] : addresses) {
        this.#add(netns.sockets.udp.bind({ address, port, program: PROGRAM, onMessage: answerDatagram(dns) }));
        const onConnection = (connection: TcpConnection): void => answerConnection(connection, dns);
        this.#add(netns.sockets.tcp.listen({ address, port, program: PROGRAM, onConnection }));
      }
    }
    for (const listener of dns.httpListeners) {
      const answer = coreDnsAnswer(
        listener,
        () => true,
        () => dns.metrics,
      );
      const onConnection = (connection: TcpConnection): void => serveHttp(acceptedStream(connection), { answer });
      this.#add(netns.sockets.tcp.listen({ port: listener.port, program: PROGRAM, onConnection }));
    }
  }

  #add(socket: Socket | string): void {
    if (typeof socket !== 'string') this.#sockets.push(socket);
  }

  #close(): void {
    for (const socket of this.#sockets) {
      if (socket instanceof TcpListener || socket instanceof UdpSocket) socket.close();
    }
    this.#sockets = [];
  }

  /** A file may have changed: the next look at it will tell. Looks that would find nothing new are not taken. */
  #expectReload(): void {
    const reloading = this.#dns?.reloading;
    if (reloading === undefined || this.#look !== undefined) return;
    const { netns } = this.#options;
    const { clock } = netns.world;
    this.#interval ??=
      reloading.interval + netns.random.below(Math.max(1, reloading.jitter * 1000)) / 1000 - reloading.jitter / 2;
    const interval = this.#interval * 1000;
    const passed = clock.now - this.#started;
    const next = this.#started + (Math.floor(passed / interval) + 1) * interval;
    this.#look = clock.schedule(next, () => {
      this.#look = undefined;
      this.#reload();
    });
  }

  #reload(): void {
    const files = this.#files();
    if (files.corefile === undefined) return;
    let configuration: string;
    try {
      configuration = configurationOf(parseCorefile(files.corefile, { files: files.files, file: files.path }));
    } catch (error) {
      if (!(error instanceof CorefileError)) throw error;
      configuration = files.corefile;
    }
    if (configuration === this.#configuration) return;
    // A file that is wrong is not tried twice.
    this.#configuration = configuration;
    this.#log('[INFO] Reloading');
    const dns = this.#read(files);
    if (dns instanceof CorefileError) {
      const reason = wordsOf(dns);
      this.#log(`[ERROR] Restart failed: ${reason}`);
      this.#log(
        `[ERROR] plugin/reload: Corefile changed but reload failed: starting with listener file descriptors: ${reason}`,
      );
      return;
    }
    const before = this.#dns;
    this.#interval = undefined;
    this.#close();
    this.#run(dns);
    before?.close();
    this.#log('[INFO] Reloading complete');
  }

  #read(files: CoreDnsFiles): CoreDns | CorefileError {
    const { netns, pod, store, indexes, epoch } = this.#options;
    try {
      return new CoreDns({
        corefile: files.corefile!,
        file: files.path,
        store,
        indexes,
        now: () => Math.floor((epoch + netns.world.clock.now) / 1000),
        below: (bound) => netns.random.below(bound),
        files: files.files,
        exchange: exchangeOver(netns, PROGRAM),
        localIps: (pod.status?.podIPs ?? []).flatMap(({ ip }) => tryParseIp(ip ?? '') ?? []),
        hostname: pod.metadata.name,
        log: (line) => this.#log(line),
      });
    } catch (error) {
      if (error instanceof CorefileError) return error;
      throw error;
    }
  }

  #files(): CoreDnsFiles {
    const { pod, store, resolvConf } = this.#options;
    return coreDnsFiles(pod, store, resolvConf);
  }

  #log(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > MAX_LINES) this.#lines.shift();
  }

  /** Asks itself, and asks again where no reply comes. Not where all upstreams are outside: nothing comes back from there. */
  #probe(dns: CoreDns, probe: LoopProbe, deadline: number): void {
    const { netns, store } = this.#options;
    if (!probe.upstreams.some(({ ip }) => inCluster(ip, store))) return;
    const { clock } = netns.world;
    const socket = netns.sockets.udp.bind({ program: PROGRAM, onMessage: () => end(true) });
    if (typeof socket === 'string') return;
    const timer = clock.schedule(clock.now + PROBE_TIMEOUT, () => end(false));
    const end = (answered: boolean): void => {
      timer.cancel();
      socket.close();
      if (this.#dns !== dns || this.#stopped) return;
      if (dns.fatal !== undefined) this.#die(dns.fatal);
      else if (answered || clock.now >= deadline) probe.done();
      else {
        probe.again();
        clock.schedule(clock.now + PROBE_PAUSE, () => {
          if (this.#dns === dns && !this.#stopped) this.#probe(dns, probe, deadline);
        });
      }
    };
    socket.send({ dst: LOOPBACK, dport: probe.port, payload: probe.query });
  }

  #die(reason: string): void {
    this.#log(reason);
    this.stop();
    this.#options.exited(reason);
  }
}

/** A server as CoreDNS names it when it starts: `.:53`. */
function withPort(key: string): string {
  return /:[0-9]+$/.test(key) ? key : `${key}:53`;
}

/** What plugin `reload` compares: words and their lines, not their columns. */
function configurationOf({ blocks }: Corefile): string {
  return JSON.stringify(blocks, (key, value: unknown) => (key === 'column' ? undefined : value));
}

/** The last words of CoreDNS: it ends at the first mistake. */
function wordsOf({ findings }: CorefileError): string {
  return findings[0]!.message;
}

function answerDatagram(dns: CoreDns): NonNullable<UdpSocket['onMessage']> {
  return ({ src, sport, dst, dport, payload, payloadLength }, socket) => {
    const source = { client: src, clientPort: sport, server: dst, port: dport, transport: 'udp' as const };
    dns.query(payload ?? new Uint8Array(payloadLength), source, (bytes) => {
      if (bytes !== undefined && !socket.closed) socket.send({ dst: src, dport: sport, payload: bytes });
    });
  };
}

function answerConnection(connection: TcpConnection, dns: CoreDns): void {
  const reader = new FrameReader();
  const { localAddress, localPort, remoteAddress, remotePort } = connection;
  if (localAddress === undefined || remoteAddress === undefined) return;
  const source = {
    client: remoteAddress,
    clientPort: remotePort,
    server: localAddress,
    port: localPort,
    transport: 'tcp' as const,
  };
  connection.handlers.onEnd = () => connection.close();
  connection.handlers.onData = (data, length) => {
    for (const message of reader.push(data ?? new Uint8Array(length))) {
      dns.query(message, source, (bytes) => {
        if (bytes !== undefined) connection.send(frame(bytes));
      });
    }
  };
}

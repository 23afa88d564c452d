import {
  CoreDns,
  CorefileError,
  decodeMessage,
  type ExchangeFunction,
  encodeMessage,
  type Listener,
  parseCorefile,
  WireError,
} from '@netsim/dns';
import type { Netns, Socket, TcpConnection, UdpSocket } from '@netsim/kernel';
import { type ConfigMap, ObjectStore, type Pod } from '@netsim/manifest';
import { tryParseIp } from '@netsim/wire';
import { imageName, imagePorts } from '../listeners.ts';
import { FrameReader, frame } from './tcp-frame.ts';

const images: ReadonlySet<string> = new Set(['coredns/coredns', 'coredns']);
const PROGRAM = 'coredns';
/** How long `forward` waits for a reply, in milliseconds (CoreDNS: `readTimeout` of plugin/pkg/proxy). */
const READ_TIMEOUT = 2_000;

/** A pod whose program is CoreDNS: by its image, or by its label where nothing is known of the image. */
export function isCoreDns({ metadata, spec }: Pod): boolean {
  const names = spec.containers.map(({ image }) => imageName(image ?? ''));
  if (names.some((name) => images.has(name))) return true;
  return metadata.labels?.['k8s-app'] === 'kube-dns' && !names.some((name) => imagePorts.has(name));
}

/** What a CoreDNS in a pod needs. */
export interface ServeOptions {
  readonly netns: Netns;
  readonly pod: Pod;
  readonly store: ObjectStore;
  /** `resolv.conf` of the pod, which `forward . /etc/resolv.conf` reads. */
  readonly resolvConf: string;
  /** What the clock's zero is in milliseconds since 1970. */
  readonly epoch: number;
}

/**
 * Opens the sockets of a pod's CoreDNS and answers what comes in. The Corefile is that of the ConfigMap that the pod
 * mounts, else of ConfigMap `coredns`. With a Corefile that CoreDNS would not start with, nothing listens.
 */
export function serveCoreDns(options: ServeOptions): Socket[] {
  const { netns } = options;
  const text = corefileOf(options);
  if (text === undefined) return [];
  const listeners = listenersOf(text, options);
  let running: CoreDns | undefined;
  // Reading the whole API costs: not before somebody asks.
  const dns = () => {
    running ??= coreDns(text, options, options.store);
    return running;
  };
  const sockets: Socket[] = [];
  for (const { port, addresses, scheme } of listeners) {
    if (scheme !== 'dns') continue;
    for (const address of addresses.length === 0 ? [undefined] : addresses) {
      const udp = netns.sockets.udp.bind({ address, port, program: PROGRAM, onMessage: answerDatagram(dns) });
      const tcp = netns.sockets.tcp.listen({
        address,
        port,
        program: PROGRAM,
        onConnection: (connection) => answerConnection(connection, dns),
      });
      for (const socket of [udp, tcp]) if (typeof socket !== 'string') sockets.push(socket);
    }
  }
  return sockets;
}

function answerDatagram(dns: () => CoreDns): NonNullable<UdpSocket['onMessage']> {
  return ({ src, sport, dst, dport, payload, payloadLength }, socket) => {
    const source = { client: src, clientPort: sport, server: dst, port: dport, transport: 'udp' as const };
    dns().query(payload ?? new Uint8Array(payloadLength), source, (bytes) => {
      if (bytes !== undefined && !socket.closed) socket.send({ dst: src, dport: sport, payload: bytes });
    });
  };
}

function answerConnection(connection: TcpConnection, dns: () => CoreDns): void {
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
      dns().query(message, source, (bytes) => {
        if (bytes !== undefined) connection.send(frame(bytes));
      });
    }
  };
}

interface WithVolumes {
  volumes?: { configMap?: { name?: string } }[];
}

function corefileOf({ pod, store }: ServeOptions): string | undefined {
  const { namespace } = pod.metadata;
  const spec: Pod['spec'] & WithVolumes = pod.spec;
  const mounted = (spec.volumes ?? []).flatMap(({ configMap }) => configMap?.name ?? []);
  for (const name of [...mounted, 'coredns']) {
    const text = store.get<ConfigMap>('ConfigMap', namespace, name)?.data?.Corefile;
    if (text !== undefined) return text;
  }
  return undefined;
}

/** Where it would listen; nothing for a Corefile that is refused. */
function listenersOf(text: string, options: ServeOptions): readonly Listener[] {
  try {
    return coreDns(text, options, new ObjectStore()).listeners;
  } catch (error) {
    if (error instanceof CorefileError) return [];
    throw error;
  }
}

function coreDns(text: string, { netns, pod, resolvConf, epoch }: ServeOptions, store: ObjectStore): CoreDns {
  const { world } = netns;
  const files = { '/etc/resolv.conf': resolvConf };
  const own = (pod.status?.podIPs ?? []).flatMap(({ ip }) => tryParseIp(ip ?? '') ?? []);
  return new CoreDns({
    corefile: parseCorefile(text, { env: {}, files }),
    store,
    now: () => Math.floor((epoch + world.clock.now) / 1000),
    below: (bound) => netns.random.below(bound),
    files,
    exchange: exchangeOver(netns),
    localIps: own,
    hostname: pod.metadata.name,
  });
}

/** Asks another name server over the sockets of a netns. */
function exchangeOver(netns: Netns): ExchangeFunction {
  const { clock } = netns.world;
  return ({ server, query }, done) => {
    const { ip, port, transport } = server;
    let over = false;
    let close = (): void => {};
    const finish = (result: Parameters<typeof done>[0]): void => {
      if (over) return;
      over = true;
      timer.cancel();
      close();
      done(result);
    };
    const fail = (reason: string): void => finish({ kind: 'failed', reason });
    const timer = clock.schedule(clock.now + READ_TIMEOUT, () => fail(`read ${transport}: i/o timeout`));
    const take = (bytes: Uint8Array): void => {
      try {
        finish({ kind: 'reply', message: decodeMessage(bytes) });
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
        fail(error.message);
      }
    };
    if (transport === 'tls') {
      fail('DNS over TLS is not modelled');
      return;
    }
    const bytes = encodeMessage(query);
    if (transport === 'udp') {
      const socket = netns.sockets.udp.bind({
        program: PROGRAM,
        onMessage: ({ payload }) => payload !== null && take(payload),
        onError: (error) => fail(`read udp: ${error}`),
      });
      if (typeof socket === 'string') {
        fail(socket);
        return;
      }
      close = () => socket.close();
      const error = socket.connect(ip, port) || socket.send({ payload: bytes });
      if (error !== '') fail(`dial udp: ${error}`);
      return;
    }
    const reader = new FrameReader();
    const connection = netns.sockets.tcp.connect({
      dst: ip,
      dport: port,
      program: PROGRAM,
      onConnect: (open) => void open.send(frame(bytes)),
      onData: (data, length) => {
        for (const message of reader.push(data ?? new Uint8Array(length))) take(message);
      },
      onEnd: () => fail('read tcp: EOF'),
      onClose: (error) => fail(`dial tcp: ${error}`),
    });
    close = () => connection.close();
    if (connection.error !== '') fail(`dial tcp: ${connection.error}`);
  };
}

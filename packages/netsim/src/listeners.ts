import type { Container, ContainerPort, Pod } from '@netsim/manifest';
import type { Ip } from '@netsim/wire';
import { tryParseIp } from '@netsim/wire';
import { parseDuration } from './duration.ts';

/** A port that a container's process has open. */
export interface PodListener {
  readonly container: string;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly port: number;
  /** Only this address; absent: all. */
  readonly address?: Ip;
  readonly http: boolean;
  /** TLS, and HTTP within. */
  readonly tls?: boolean;
  /** How netsim knows. */
  readonly from: 'containerPort' | 'image' | 'annotation';
}

/** What is known of a pod's listening sockets. `complete: false`: some container says nothing, its ports are unknown. */
export interface PodListeners {
  readonly listeners: readonly PodListener[];
  readonly complete: boolean;
  /** Containers of which nothing is known. */
  readonly unknown: readonly string[];
  /** Annotation entries that could not be read. */
  readonly errors: readonly string[];
}

/** Annotation on a pod: `8080`, `127.0.0.1:8080`, `53/udp`, `8443/https`, `sidecar=9090`; several by commas; `none` for nothing. */
export const LISTEN_ANNOTATION = 'netsim.dev/listen';

/** Annotation on a pod: how long after its start its programs begin to listen (`10s`). Until then connections are refused. */
export const START_DELAY_ANNOTATION = 'netsim.dev/start-delay';

/** Milliseconds from a pod's start until its programs listen; 0 where nothing (or nothing readable) is said. */
export function startDelay(pod: { readonly metadata: Pod['metadata'] }): number {
  const text = pod.metadata.annotations?.[START_DELAY_ANNOTATION];
  if (text === undefined) return 0;
  try {
    return parseDuration(text);
  } catch {
    return 0;
  }
}

interface ImagePort {
  readonly port: number;
  readonly protocol?: 'tcp' | 'udp';
  readonly http?: boolean;
}

/**
 * Ports that well-known images listen on when nothing else is said (their Dockerfile's EXPOSE or the program's default).
 * An empty list: a tool that listens on nothing.
 */
export const imagePorts: ReadonlyMap<string, readonly ImagePort[]> = new Map<string, readonly ImagePort[]>([
  ['nginx', [{ port: 80, http: true }]],
  ['nginxinc/nginx-unprivileged', [{ port: 8080, http: true }]],
  ['httpd', [{ port: 80, http: true }]],
  ['caddy', [{ port: 80, http: true }]],
  ['traefik/whoami', [{ port: 80, http: true }]],
  ['luksa/kubia', [{ port: 8080, http: true }]],
  ['luksa/kubia-pet', [{ port: 8080, http: true }]],
  ['luksa/kubia-unhealthy', [{ port: 8080, http: true }]],
  ['google-samples/hello-app', [{ port: 8080, http: true }]],
  ['echoserver', [{ port: 8080, http: true }]],
  ['hashicorp/http-echo', [{ port: 5678, http: true }]],
  ['kennethreitz/httpbin', [{ port: 80, http: true }]],
  ['redis', [{ port: 6379 }]],
  ['memcached', [{ port: 11211 }]],
  ['postgres', [{ port: 5432 }]],
  ['mysql', [{ port: 3306 }]],
  ['mariadb', [{ port: 3306 }]],
  ['mongo', [{ port: 27017 }]],
  ['rabbitmq', [{ port: 5672 }]],
  ['coredns/coredns', [{ port: 53, protocol: 'udp' }, { port: 53 }]],
  ['coredns', [{ port: 53, protocol: 'udp' }, { port: 53 }]],
  ['busybox', []],
  ['alpine', []],
  ['ubuntu', []],
  ['debian', []],
  ['curlimages/curl', []],
  ['nicolaka/netshoot', []],
  ['tutum/curl', []],
  ['tutum/dnsutils', []],
  ['pause', []],
]);

/** Ports that usually speak HTTP, for containers that only declare numbers. */
const httpPortNames = /^(http|web|ui|api|http-.*|.*-http)$/;
const httpPorts = new Set([80, 3000, 5000, 5678, 8000, 8008, 8080, 8081, 8888, 9090]);
/** What says that a port speaks TLS. */
const tlsPortNames = /^(https|tls|https-.*|.*-https)$/;
const tlsPorts = new Set([443, 8443, 9443]);
/** Images whose declared port is no HTTP whatever its number. */
const notHttp = new Set(['redis', 'memcached', 'postgres', 'mysql', 'mariadb', 'mongo', 'rabbitmq']);

/** The repository of an image without registry, tag and digest: `registry.example/library/nginx:1.27@sha256:...` to `nginx`. */
export function imageName(image: string): string {
  const withoutDigest = image.split('@')[0]!;
  const slash = withoutDigest.lastIndexOf('/');
  const colon = withoutDigest.indexOf(':', slash + 1);
  const repository = colon < 0 ? withoutDigest : withoutDigest.slice(0, colon);
  const [first, ...rest] = repository.split('/');
  const hasRegistry = rest.length > 0 && /[.:]|^localhost$/.test(first!);
  return (hasRegistry ? rest.join('/') : repository).replace(/^library\//, '');
}

/** Who writes an httpGet probe for a port knows that it speaks HTTP, or HTTPS. */
function probedScheme(
  { startupProbe, livenessProbe, readinessProbe }: Container,
  port: ContainerPort,
): string | undefined {
  for (const probe of [startupProbe, livenessProbe, readinessProbe]) {
    const probed = probe?.httpGet?.port;
    if (probed === undefined || (probed !== port.containerPort && probed !== port.name)) continue;
    return probe?.httpGet?.scheme?.toUpperCase() === 'HTTPS' ? 'HTTPS' : 'HTTP';
  }
  return undefined;
}

function ofContainer(container: Container): PodListener[] | undefined {
  const image = imageName(container.image ?? '');
  const declared = container.ports ?? [];
  if (declared.length > 0) {
    return declared.map((port) => {
      const protocol = (port.protocol ?? 'TCP').toLowerCase() as PodListener['protocol'];
      const probed = probedScheme(container, port);
      const http =
        protocol === 'tcp' &&
        !notHttp.has(image) &&
        (imagePorts.get(image)?.some((known) => known.http && known.port === port.containerPort) ||
          httpPorts.has(port.containerPort) ||
          httpPortNames.test(port.name ?? '') ||
          probed === 'HTTP');
      const tls =
        protocol === 'tcp' &&
        !http &&
        !notHttp.has(image) &&
        (probed === 'HTTPS' || tlsPorts.has(port.containerPort) || tlsPortNames.test(port.name ?? ''));
      return {
        container: container.name,
        protocol,
        port: port.containerPort,
        http,
        ...(tls && { tls }),
        from: 'containerPort',
      };
    });
  }
  const known = imagePorts.get(image);
  if (known === undefined) return undefined;
  return known.map(({ port, protocol = 'tcp', http = false }) => ({
    container: container.name,
    protocol,
    port,
    http,
    from: 'image',
  }));
}

/** What a pod's containers listen on: the annotation if there is one, else declared ports, else what the image is known for. */
export function podListeners(pod: Pod): PodListeners {
  const annotation = pod.metadata.annotations?.[LISTEN_ANNOTATION];
  if (annotation !== undefined) return fromAnnotation(pod, annotation);
  const listeners: PodListener[] = [];
  const unknown: string[] = [];
  for (const container of pod.spec.containers ?? []) {
    const own = ofContainer(container);
    if (own === undefined) unknown.push(container.name);
    else listeners.push(...own);
  }
  return { listeners, complete: unknown.length === 0, unknown, errors: [] };
}

function fromAnnotation(pod: Pod, text: string): PodListeners {
  const listeners: PodListener[] = [];
  const errors: string[] = [];
  for (const part of text.split(',')) {
    const entry = part.trim();
    if (entry === '' || entry === 'none') continue;
    const found =
      /^(?:([a-z0-9-]+)=)?(?:(\[[^\]]+\]|[0-9.]+|localhost):)?([0-9]{1,5})(?:\/(tcp|udp|sctp|https?))?$/i.exec(entry);
    const port = Number(found?.[3]);
    const host = found?.[2]?.replace(/[[\]]/g, '');
    const address = host === undefined ? undefined : tryParseIp(host === 'localhost' ? '127.0.0.1' : host);
    if (found === null || port < 1 || port > 65535 || (host !== undefined && address === undefined)) {
      errors.push(entry);
      continue;
    }
    const kind = found[4]?.toLowerCase() ?? 'http';
    const container = found[1] ?? pod.spec.containers?.[0]?.name ?? '';
    listeners.push({
      container,
      protocol: kind.startsWith('http') ? 'tcp' : (kind as 'tcp' | 'udp' | 'sctp'),
      port,
      ...(address === undefined ? {} : { address }),
      http: kind === 'http',
      ...(kind === 'https' && { tls: true }),
      from: 'annotation',
    });
  }
  return { listeners, complete: true, unknown: [], errors };
}

import type { LookupResult } from '@netsim/dns';
import { type Choice, type Netns, nextScript, probabilityOf } from '@netsim/kernel';
import type { Pod } from '@netsim/manifest';
import { type Path, type Resolution, SCHEMA_VERSION, type Trace, type TraceSource } from '@netsim/trace';
import { familyOf, formatIp, parseIp } from '@netsim/wire';
import type { Cluster } from '../cluster.ts';
import { checkName } from '../dns/check-name.ts';
import { addressesOf, lookUp, resolutionOf } from '../dns/look-up.ts';
import { type AskedServer, type QueryPath, QueryWatch } from '../dns/query-paths.ts';
import { UsageError } from '../errors.ts';
import type { DestinationRef, SourceRef, TransportProtocol } from '../names.ts';
import { transportProtocols } from '../names.ts';
import { netnsOf } from '../source-netns.ts';
import { buildPath } from './build.ts';
import { Collector } from './collector.ts';
import { endAtDoor, joinPaths } from './join-paths.ts';
import { nameNotFound } from './name-not-found.ts';
import type { Knowledge } from './outcome.ts';
import { throughDoor } from './through-door.ts';
import { throughStream } from './through-stream.ts';

export interface TraceOptions {
  /** `pod/x` or `x`, `deploy/x`, `node/n`, `host/NAME`, `external`, or an address. */
  readonly from: string;
  /** `svc/x[:port|:name]`, `pod/x[:port]`, `node/n:port`, `IP:port`, `name:port`, a URL. */
  readonly to: string;
  readonly protocol?: TransportProtocol;
  readonly namespace?: string;
  /** The path of each query too, where the destination is a name, or an object that a program in a pod asks for by a name. */
  readonly dns?: boolean;
  /** For a URL that leads to a controller. Default `GET`. */
  readonly method?: string;
  /** As `method`: header fields of the request, `Host` left out. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** Every way that chance may take, each with its probability, in place of one. */
  readonly allPaths?: boolean;
  /** The way that ends at this backend: a pod's name, or an address. */
  readonly endpoint?: string;
  /** That many connections one after the other; a path for each outcome, with its share. At most 100,000. */
  readonly count?: number;
}

/** More ways than this are not walked. */
const MAX_PATHS = 4096;
const MAX_COUNT = 100_000;
/** Bytes of data in a datagram or echo request. */
const PAYLOAD = 56;

/** Walks a packet through a cluster as its source would send it, and its reply back. */
export function traceCluster(cluster: Cluster, options: TraceOptions): Trace {
  const { protocol } = options;
  if (protocol !== undefined && !transportProtocols.includes(protocol)) {
    throw new UsageError(`unknown protocol ${JSON.stringify(protocol)}`, `known: ${transportProtocols.join(', ')}`);
  }
  const names = cluster.names(options.namespace);
  const source = names.source(options.from);
  const asked =
    names.nameToLookUp(options.to) ??
    (options.dns === true ? names.nameOfObject(source, options.to, protocol) : undefined);
  if (asked === undefined) {
    return new Tracing(cluster, options, source, names.destinationFrom(source, options.to, protocol)).trace();
  }
  const { host } = asked;
  checkName(host);
  const { found, resolution } = resolve(cluster, source, host, options);
  const [ip] = addressesOf(found);
  if (ip === undefined) return nameNotFound(cluster, options, source, resolution, names, asked, found.error);
  return new Tracing(cluster, options, source, names.resolved(options.to, ip, protocol, asked), resolution).trace();
}

/** Looks the name up as the source would, with the path of each query where it is wanted. */
function resolve(
  cluster: Cluster,
  source: SourceRef,
  host: string,
  { dns = false, namespace }: TraceOptions,
): { found: LookupResult; resolution: Resolution } {
  if (!dns) {
    const found = lookUp(cluster, source, host);
    return { found, resolution: resolutionOf(found) };
  }
  const { found, paths } = watchedLookup(cluster, source, namespace, () => lookUp(cluster, source, host));
  return { found, resolution: resolutionOf(found, paths) };
}

/** Runs a look-up, and tells the way of each query and of what was asked of others for it. */
export function watchedLookup<T extends { readonly queries: readonly AskedServer[] }>(
  cluster: Cluster,
  source: SourceRef,
  namespace: string | undefined,
  lookUpName: () => T,
): { readonly found: T; readonly paths: readonly (QueryPath | undefined)[] } {
  const names = cluster.names(namespace);
  const netns = netnsOf(cluster, source);
  const watch = new QueryWatch();
  const found = watch.during(netns, lookUpName);
  const paths = watch.paths(netns, found, ({ dst, dport, transport, from }, collector) => {
    const destination = names.at(parseIp(dst), dport, transport);
    const sender = cluster.world.netns(from) ?? netns;
    return buildPath({ collector, probability: 1, from: sender }, knowledgeOf(cluster, destination));
  });
  return { found, paths };
}

class Tracing {
  readonly #cluster: Cluster;
  readonly #options: TraceOptions;
  readonly #source: SourceRef;
  readonly #destination: DestinationRef;
  readonly #netns: Netns;
  readonly #known: Knowledge;

  readonly #resolution: Resolution | undefined;

  constructor(
    cluster: Cluster,
    options: TraceOptions,
    source: SourceRef,
    destination: DestinationRef,
    resolution?: Resolution,
  ) {
    this.#resolution = resolution;
    this.#cluster = cluster;
    this.#options = options;
    this.#source = source;
    this.#destination = destination;
    this.#netns = netnsOf(cluster, source);
    this.#known = knowledgeOf(cluster, destination);
  }

  trace(): Trace {
    if (this.#destination.url !== undefined) this.#cluster.checkHealth();
    const { allPaths = false, endpoint, count } = this.#options;
    const paths =
      endpoint !== undefined
        ? [this.#toEndpoint(endpoint)]
        : allPaths
          ? [...this.#everyPath()]
          : count !== undefined
            ? this.#many(count)
            : [this.#walk(1)];
    const resolution = this.#resolution;
    return {
      schemaVersion: SCHEMA_VERSION,
      kind: 'Trace',
      source: this.#sourceSummary(paths),
      destination: destinationSummary(this.#destination),
      ...(resolution === undefined ? {} : { resolution }),
      ...(count === undefined ? {} : { count }),
      paths,
    };
  }

  #walk(probability: number): Path {
    return { ...this.#send(), probability };
  }

  /** Sends it, and follows it through a controller where it comes to one. */
  #send(): Path {
    // A load balancer outside draws a node for each connection; from inside, the nodes' rules take the address at once.
    if (this.#source.kind === 'Host') this.#cluster.datapath.spread(this.#destination.ip);
    const collector = new Collector();
    walkPacket(this.#netns, this.#destination, collector);
    const path = buildPath({ collector, probability: 1, from: this.#netns }, this.#known);
    return this.#throughDoor(path, collector);
  }

  #throughDoor(path: Path, collector: Collector): Path {
    const { url, protocol } = this.#destination;
    const place = collector.of(collector.request).at(-1)?.where.name;
    if (place === undefined || path.disposition !== 'DELIVERED' || (protocol !== 'tcp' && protocol !== 'udp'))
      return path;
    const { frontDoor, world, random } = this.#cluster;
    const transport = protocol === 'udp' ? 'UDP' : 'TCP';
    const door = frontDoor.doorAt(place, path.backend?.port ?? this.#destination.port ?? 0, transport);
    const netns = world.netns(place);
    if (door === undefined || netns === undefined) return path;
    const clientAddress = path.sourceSeen ?? '';
    const { method = 'GET', headers = [] } = this.#options;
    const passage =
      url === undefined
        ? throughStream(this.#cluster, door, netns, { transport, clientAddress }, random)
        : throughDoor(this.#cluster, door, netns, { url, method, headers, clientAddress }, random);
    if (passage === undefined) return path;
    // The relay has really passed the datagram on: what the trace follows is the way that it draws itself.
    const first =
      transport === 'TCP'
        ? path
        : buildPath({ collector: collector.relayed(place), probability: 1, from: this.#netns }, this.#known);
    const { onward } = passage;
    if (onward === undefined) return endAtDoor(first, passage, door.controller);
    const second = new Collector();
    const { ip, port, text } = onward.endpoint;
    const pod = this.#known.podWithAddress(formatIp(ip));
    const destination: DestinationRef = {
      text,
      kind: pod === undefined ? 'IP' : 'Pod',
      ...(pod === undefined ? {} : { object: pod }),
      ip,
      port,
      protocol,
    };
    walkPacket(netns, destination, second);
    const next = buildPath({ collector: second, probability: 1, from: netns }, knowledgeOf(this.#cluster, destination));
    return joinPaths(first, passage, next, door.controller);
  }

  /** Depth first over the choices that the rules leave to chance; each way starts with nothing remembered. */
  *#everyPath(): Generator<Path> {
    const { random, world } = this.#cluster;
    let script: readonly number[] | undefined = [];
    for (let walked = 0; script !== undefined; walked++) {
      if (walked === MAX_PATHS)
        throw new UsageError(`more than ${MAX_PATHS} paths`, 'trace one with --endpoint, or many with --count');
      for (const netns of world.allNetns()) {
        netns.netfilter?.flushConnections();
        netns.ipvs?.forget();
      }
      let path: Path | undefined;
      const made: readonly Choice[] = random.withScript(script, () => {
        path = this.#send();
      });
      yield { ...path!, probability: probabilityOf(made) };
      script = nextScript(made);
    }
  }

  #toEndpoint(endpoint: string): Path {
    const wanted = endpoint.replace(/^(pod|pods|po)\//, '');
    const seen: string[] = [];
    for (const path of this.#everyPath()) {
      const { backend } = path;
      if (backend === undefined) continue;
      if (
        backend.name === wanted ||
        backend.ip === wanted ||
        `${backend.namespace}/${backend.name}` === wanted ||
        `${backend.ip}:${backend.port}` === wanted
      ) {
        return { ...path, probability: 1 };
      }
      seen.push(backend.name);
    }
    throw new UsageError(
      `${JSON.stringify(endpoint)} is no endpoint of ${this.#destination.text}`,
      seen.length === 0 ? 'it has none' : `its endpoints: ${[...new Set(seen)].slice(0, 8).join(', ')}`,
    );
  }

  #many(count: number): Path[] {
    if (!Number.isInteger(count) || count < 1 || count > MAX_COUNT) {
      throw new UsageError(`${count} is no number of connections`, `write 1 to ${MAX_COUNT}`);
    }
    const outcomes = new Map<string, { path: Path; requests: number }>();
    for (let sent = 0; sent < count; sent++) {
      const path = this.#walk(1);
      const key = `${path.disposition} ${path.backend?.ip ?? ''} ${path.backend?.port ?? ''} ${path.http?.status ?? ''}`;
      const known = outcomes.get(key);
      if (known === undefined) outcomes.set(key, { path, requests: 1 });
      else known.requests++;
    }
    return [...outcomes.values()]
      .sort((a, b) => b.requests - a.requests)
      .map(({ path, requests }) => ({ ...path, probability: requests / count, requests }));
  }

  #sourceSummary(paths: readonly Path[]): TraceSource {
    const source = this.#source;
    const sent = paths[0]?.request.hops[0]?.steps.find((step) => step.kind === 'send');
    const ip = sent?.kind === 'send' ? sent.packet.src : undefined;
    switch (source.kind) {
      case 'Pod': {
        const { name, namespace } = source.pod.metadata;
        return {
          kind: 'Pod',
          ...(namespace === undefined ? {} : { namespace }),
          name,
          ip: ip ?? source.pod.status?.podIP ?? '',
        };
      }
      case 'Node':
        return { kind: 'Node', name: source.node.metadata.name, ip: ip ?? '' };
      case 'Host':
        return { kind: 'Host', name: source.name, ip: ip ?? formatIp(source.ip) };
    }
  }
}

function knowledgeOf(cluster: Cluster, destination: DestinationRef): Knowledge {
  const { addresses, datapath, store } = cluster;
  return {
    store,
    destination,
    podOf: (netns) => datapath.podOf(netns),
    podWithAddress: (ip) => addresses.pod(ip),
    choiceOf: (netns, chain, index) => choiceOf(cluster, netns, chain, index, destination),
    isOutside: (netns) => datapath.isOutside(netns),
    loadBalancerAt: (netns) => cluster.frontDoor.gke.at(netns),
  };
}

function choiceOf(
  cluster: Cluster,
  netns: string,
  chain: string,
  index: number,
  destination: DestinationRef,
): { number: number; of: number } | undefined {
  const nat = cluster.world.netns(netns)?.netfilter?.ruleset(familyOf(destination.ip)).tables.get('nat');
  const rules = nat?.chains.get(chain)?.rules;
  if (rules === undefined) return undefined;
  let number = 0;
  let of = 0;
  for (const [at, { target, matches }] of rules.entries()) {
    if (
      target?.kind !== 'jump' ||
      !target.chain.startsWith('KUBE-SEP-') ||
      matches.some((match) => match.kind === 'recent')
    )
      continue;
    of++;
    if (at < index) number++;
  }
  return rules[index - 1]?.matches.some((match) => match.kind === 'recent') ? undefined : { number, of };
}

function destinationSummary(destination: DestinationRef): Trace['destination'] {
  const { text, kind, object, ip, port, protocol } = destination;
  const meta = (object as Pod | undefined)?.metadata;
  return {
    text,
    kind,
    ...(meta?.namespace === undefined ? {} : { namespace: meta.namespace }),
    ...(meta === undefined ? {} : { name: meta.name }),
    ip: formatIp(ip),
    ...(port === undefined ? {} : { port }),
    protocol,
  };
}

/** Sends one packet as a program would, and listens until it and its answer have come to an end. */
function walkPacket(netns: Netns, { ip, port, protocol }: DestinationRef, collector: Collector): void {
  const { world } = netns;
  world.tracer = collector;
  try {
    const { trackId, trackIds, error } = netns.sendProbe({
      protocol,
      dst: ip,
      ...(port === undefined ? {} : { dport: port }),
      payloadLength: PAYLOAD,
    });
    collector.identify(trackId, trackIds, error);
  } finally {
    world.tracer = null;
  }
}

import { canonicalHost } from '../http/host.ts';
import type {
  Backend,
  BackendTls,
  Decision,
  FrontRequest,
  Outcome,
  RouteFinding,
  RouteRow,
  RouteRule,
  Router,
} from '../model.ts';
import { type ActionContext, forwardPlainly } from './action.ts';
import { BackendPolicies } from './backend-tls.ts';
import { walk } from './explain.ts';
import { HostMap } from './host-map.ts';
import { hostMatches } from './hostname.ts';
import { type HttpRoutes, RouteCompiler } from './http-routes.ts';
import { Incoming } from './incoming.ts';
import type { Listener } from './listeners.ts';
import { type Entry, prefixOf } from './matcher.ts';
import { isProblem, readCertificate } from './references.ts';
import { inOrder, rowsOf } from './route-rows.ts';
import { pickBackend, type Stream, streamsOf } from './streams.ts';
import { type GatewayNode, readTopology, type Topology } from './topology.ts';
import { GATEWAY_GROUP, type GatewayView, namespaceOf, type ObjectKey } from './view.ts';

/** A socket that the data plane of a Gateway opens. */
export interface BoundListener {
  readonly port: number;
  readonly transport: 'TCP' | 'UDP';
  /** Names of the listeners that share it. */
  readonly names: readonly string[];
  /** A client begins with a TLS handshake. */
  readonly tls: boolean;
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
  | {
      readonly kind: 'https';
      readonly certificates: readonly ObjectKey[];
      /** Whether the client must show a certificate: `optional` takes any, or none. */
      readonly clientCertificate: 'none' | 'required' | 'optional';
    }
  /** Bytes go to a backend, after TLS has ended here where there are certificates. */
  | {
      readonly kind: 'stream';
      readonly backend: Backend;
      /** The route that says so. */
      readonly rule: RouteRule;
      readonly certificates?: readonly ObjectKey[];
      /** TLS is opened to the backend. */
      readonly backendTls?: BackendTls;
    }
  | { readonly kind: 'close'; readonly why: string };

/** The data plane of one Gateway. */
export interface GatewayRouter extends Router {
  readonly sockets: readonly BoundListener[];
  connect(connection: FrontConnection, chance: number): ConnectionPlan;
}

/** Compiles what a Gateway's listeners and the routes attached to them say. A Gateway that is not there, or not accepted, opens nothing. */
export function gatewayRouter(view: GatewayView, gateway: ObjectKey): GatewayRouter {
  const topology = readTopology(view);
  const node = topology.nodes.find(
    (one) => namespaceOf(one.gateway) === gateway.namespace && one.gateway.metadata.name === gateway.name,
  );
  return new CompiledGateway(topology, node?.refused === undefined ? node : undefined);
}

/** A listener with its routes. */
interface Served {
  readonly listener: Listener;
  readonly http: HttpRoutes | undefined;
  readonly streams: HostMap<Stream> | undefined;
}

interface Port {
  readonly served: readonly Served[];
  /** Listeners without TLS by the host of the request. */
  readonly plain: HostMap<Served>;
  /** Listeners with TLS by server name, and those for HTTP by the host of the request. */
  readonly tls: HostMap<Served>;
}

const NOT_FOUND: Outcome = { kind: 'respond', status: 404, headers: [], body: '' };
const MISDIRECTED: Outcome = { kind: 'respond', status: 421, headers: [], body: '' };
const BAD_REQUEST: Outcome = { kind: 'respond', status: 400, headers: [], body: '' };

class CompiledGateway implements GatewayRouter {
  readonly sockets: readonly BoundListener[];
  /** None: `gatewayFindings` tells them for all Gateways at once. */
  readonly findings: readonly RouteFinding[] = [];
  readonly #tcp = new Map<number, Port>();
  readonly #udp = new Map<number, Port>();
  readonly #served: readonly Served[];

  constructor({ view }: Topology, node: GatewayNode | undefined) {
    const usable = node?.listeners.filter((listener) => listener.usable) ?? [];
    const compiler = new RouteCompiler();
    const policies = new BackendPolicies(view);
    const clientCertificate = node === undefined ? undefined : clientCertificateOf(view, node);
    this.#served = usable.map((listener) => {
      const attached = node!.attachments.filter((attachment) => attachment.listener === listener);
      const isHttp = listener.spec.protocol === 'HTTP' || listener.spec.protocol === 'HTTPS';
      const routes = attached.map(({ route, hostnames }) => {
        const from = { group: GATEWAY_GROUP, kind: route.kind, namespace: namespaceOf(route) };
        const context: ActionContext = { view, policies, from, clientCertificate };
        return { route, hostnames, context };
      });
      return {
        listener,
        http: isHttp ? compiler.compile(routes) : undefined,
        streams: isHttp
          ? undefined
          : streamsOf(
              { view, policies: listener.spec.tls?.mode === 'Passthrough' ? undefined : policies, clientCertificate },
              attached,
            ),
      };
    });
    for (const { listener } of this.#served) {
      const { port, protocol } = listener.spec;
      const ports = protocol === 'UDP' ? this.#udp : this.#tcp;
      if (!ports.has(port)) {
        ports.set(
          port,
          portOf(
            this.#served.filter(
              ({ listener: { spec } }) => spec.port === port && (spec.protocol === 'UDP') === (protocol === 'UDP'),
            ),
          ),
        );
      }
    }
    this.sockets = [
      ...[...this.#tcp].map(([port, { served }]) => ({ port, transport: 'TCP' as const, ...factsOf(served) })),
      ...[...this.#udp].map(([port, { served }]) => ({ port, transport: 'UDP' as const, ...factsOf(served) })),
    ];
  }

  connect({ port: number, transport, sni }: FrontConnection, chance: number): ConnectionPlan {
    const port = (transport === 'UDP' ? this.#udp : this.#tcp).get(number);
    if (port === undefined) return { kind: 'close', why: `no listener on port ${number}` };
    const isTls =
      port.served[0]!.listener.spec.protocol === 'HTTPS' || port.served[0]!.listener.spec.protocol === 'TLS';
    const name = canonicalHost(sni);
    const [served] = (isTls ? port.tls : port.plain).find(name);
    // Which listener an HTTP request in clear belongs to, its host will tell.
    if (served === undefined)
      return isTls ? { kind: 'close', why: `no listener for server name "${name}"` } : { kind: 'http' };
    const { listener, streams } = served;
    const certificates = listener.certificates.map(({ key }) => key);
    switch (listener.spec.protocol) {
      case 'HTTP':
        return { kind: 'http' };
      case 'HTTPS':
        return { kind: 'https', certificates, clientCertificate: listener.clientCertificate };
    }
    const [stream] = streams?.find(name) ?? [];
    if (stream === undefined)
      return {
        kind: 'close',
        why: `no route on listener "${listener.spec.name}"${isTls ? ` for server name "${name}"` : ''}`,
      };
    const target = pickBackend(stream, chance);
    if (typeof target === 'string') return { kind: 'close', why: target };
    const { backend, backendTls } = target;
    return {
      kind: 'stream',
      backend,
      rule: stream.rule,
      ...(certificates.length > 0 && { certificates }),
      ...(backendTls !== undefined && { backendTls }),
    };
  }

  decide(request: FrontRequest, chance: number): Outcome {
    const incoming = new Incoming(request);
    const served = this.#listenerFor(incoming);
    if (!('listener' in served)) return served;
    if (served.http === undefined) return this.#passOn(request, chance);
    // Narrower host names first; what nothing of theirs matches goes to wider ones.
    const { tables, entryTables } = served.http;
    const named = tables.exact(incoming.host);
    const known =
      named === undefined ? undefined : entryTables.forwardAt(entryTables.placeOf(named, incoming), incoming);
    if (known !== undefined) return known;
    for (const table of tables.find(incoming.host)) {
      const place = entryTables.placeOf(table, incoming);
      const plain = entryTables.forwardAt(place, incoming);
      if (plain !== undefined) return plain;
      const entry = entryTables.entryAt(table, place, incoming);
      if (entry?.plain !== undefined) return forwardPlainly(incoming, entry.plain.backend, entry.plain);
      if (entry !== undefined) return entry.action.run(incoming, prefixOf(entry), chance);
    }
    return NOT_FOUND;
  }

  explain(request: FrontRequest, chance: number): Decision {
    const incoming = new Incoming(request);
    const served = this.#listenerFor(incoming);
    if (!('listener' in served)) {
      return {
        outcome: served,
        considered: walk(this.#entries(request.port), incoming).considered.map((one) => ({ ...one, won: false })),
      };
    }
    if (served.http === undefined) {
      const [stream] = served.streams?.find(canonicalHost(request.sni)) ?? [];
      const outcome = this.#passOn(request, chance);
      if (stream === undefined) return { outcome, considered: [] };
      const why =
        stream.rule.pathType === 'SNI'
          ? `server name ${request.sni} is ${stream.rule.host}`
          : 'the oldest route of the listener';
      return { outcome, rule: stream.rule, considered: [{ rule: stream.rule, won: true, why }] };
    }
    const { winner, considered } = walk(inOrder(served.http.entries), incoming);
    if (winner === undefined) return { outcome: NOT_FOUND, considered };
    return { outcome: winner.action.run(incoming, prefixOf(winner), chance), rule: winner.rule, considered };
  }

  routes(host?: string): readonly RouteRow[] {
    const name = host === undefined ? undefined : canonicalHost(host);
    return this.#served.flatMap(({ listener, http, streams }) => {
      const rows = http === undefined ? streamRows(streams) : rowsOf(inOrder(http.entries));
      const { owner, spec } = listener;
      const note = `${owner.kind} ${namespaceOf(owner)}/${owner.metadata.name} listener ${spec.name} port ${spec.port}`;
      return rows
        .filter(({ rule }) => name === undefined || rule.host === '*' || hostMatches(rule.host, name))
        .map((row) => ({ ...row, notes: [note, ...row.notes] }));
    });
  }

  #entries(port: number): Entry[] {
    return inOrder(this.#tcp.get(port)?.served.flatMap(({ http }) => http?.entries ?? []) ?? []);
  }

  /** The listener that a request belongs to; or the answer where it belongs to none. */
  #listenerFor(incoming: Incoming): Served | Outcome {
    const { request, host } = incoming;
    const port = this.#tcp.get(request.port);
    if (port === undefined) return { kind: 'close', why: `no listener on port ${request.port}` };
    if (request.scheme === 'http') {
      if (host === '' && request.version !== '1.0' && request.host === undefined) return BAD_REQUEST;
      return port.plain.find(host)[0] ?? NOT_FOUND;
    }
    const [byName] = port.tls.find(canonicalHost(request.sni));
    if (byName === undefined) return { kind: 'close', why: `no listener for server name "${request.sni ?? ''}"` };
    // A connection is for the listener of its server name: other names of the port are for other connections.
    return byName.http === undefined || port.tls.find(host)[0] === byName ? byName : MISDIRECTED;
  }

  #passOn({ port, sni }: FrontRequest, chance: number): Outcome {
    const plan = this.connect({ port, transport: 'TCP', ...(sni !== undefined && { sni }) }, chance);
    if (plan.kind === 'stream') return { kind: 'pass-through', backend: plan.backend };
    return { kind: 'close', why: plan.kind === 'close' ? plan.why : 'the listener does not speak HTTP' };
  }
}

function factsOf(served: readonly Served[]): { names: string[]; tls: boolean } {
  const { protocol } = served[0]!.listener.spec;
  return { names: served.map(({ listener }) => listener.spec.name), tls: protocol === 'HTTPS' || protocol === 'TLS' };
}

function portOf(served: readonly Served[]): Port {
  const isTls = ({ listener }: Served) => listener.spec.protocol === 'HTTPS' || listener.spec.protocol === 'TLS';
  const byName = (list: readonly Served[]) =>
    new HostMap(new Map(list.map((one) => [one.listener.spec.hostname?.toLowerCase(), one])));
  return { served, plain: byName(served.filter((one) => !isTls(one))), tls: byName(served.filter(isTls)) };
}

function clientCertificateOf(view: GatewayView, { gateway }: GatewayNode): ObjectKey | undefined {
  const ref = gateway.spec.tls?.backend?.clientCertificateRef;
  if (ref === undefined) return undefined;
  const found = readCertificate(view, ref, { group: GATEWAY_GROUP, kind: 'Gateway', namespace: namespaceOf(gateway) });
  return isProblem(found) ? undefined : found.key;
}

function streamRows(streams: HostMap<Stream> | undefined): RouteRow[] {
  return (streams?.values ?? []).map(({ rule, targets }) => ({
    rule,
    notes: targets.flatMap(({ problem }) =>
      problem === undefined ? [] : [`closes the connection: ${problem.message}`],
    ),
  }));
}

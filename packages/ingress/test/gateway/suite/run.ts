import type { Gateway, HTTPRoute, KubeObject, ObjectStore, Route, Service } from '@netsim/manifest';
import {
  type Decision,
  type FrontRequest,
  type GatewayRouter,
  gatewayRouter,
  type HeaderField,
  meshRouter,
  type Outcome,
} from '../../../src/index.ts';
import { type Exchange, isComputed, mismatch } from './expectation.ts';
import type { Case, RequestData, SuiteTest } from './types.ts';
import { serverOf, worldOf } from './world.ts';

/** How one case came out; undefined: its request is known to the test's code only. */
export interface CaseResult {
  readonly id: string;
  readonly problem: string | undefined;
  readonly computed: boolean;
}

/** Runs the cases of a test against the gateways that it names. */
export function runTest(test: SuiteTest): CaseResult[] {
  const { store, own } = worldOf(test.manifests);
  const results: CaseResult[] = [];
  const groups = new Map<string, SuiteTest['tables'][number][]>();
  for (const table of inOrder(test.tables)) {
    const name = table.name.replace(/#\d+$/, '');
    groups.set(name, [...(groups.get(name) ?? []), table]);
  }
  const isMesh = test.features.includes('SupportMesh');
  const gateways = isMesh ? [] : gatewaysOf(test, store, own);
  for (const tables of groups.values()) {
    const cases = tables.map(({ name, cases: list }) =>
      list.map((one, i) => ({ id: `${test.shortName}/${name}[${i}]`, one })),
    );
    const run = (one: Case, gateway: Gateway | undefined) => {
      const exchanges = isMesh
        ? meshExchanges(one, tables[0]!.name, store, own)
        : gatewayExchanges(one, tables[0]!.name, gateway, store, own);
      if (exchanges === undefined) return { problem: undefined, computed: true };
      if (typeof exchanges === 'string') return { problem: exchanges, computed: false };
      return { problem: verdict(tables[0]!.name, one, exchanges), computed: false };
    };
    const tried = gateways.length === 0 ? [undefined] : gateways;
    const outcomes = tried.map((gateway) => cases.map((list) => list.map(({ one }) => run(one, gateway))));
    const score = (g: number, t: number) => outcomes[g]![t]!.filter(({ problem }) => problem === undefined).length;
    const chosen = assign(tried.length, cases.length, score);
    cases.forEach((list, t) => {
      list.forEach(({ id, one }, c) => {
        // A single table is asked of every gateway, calls one after the other of one gateway after the other.
        const everywhere =
          cases.length === 1 && !tables[0]!.name.startsWith('call:') && !/^expected/.test(tables[0]!.name);
        const all = everywhere ? outcomes.map((of) => of[t]![c]!) : [outcomes[chosen[t]!]![t]![c]!];
        const [first] = all.filter(({ problem }) => problem !== undefined);
        const repaired = first?.problem === undefined ? undefined : afterDeletion(test, one, store, own, tried);
        results.push({ id, problem: repaired === true ? undefined : first?.problem, computed: all[0]!.computed });
      });
    });
  }
  return results;
}

/** Tables in the order of the code: `call`, `call#2`, ... `call#10`. */
function inOrder(tables: SuiteTest['tables']): SuiteTest['tables'] {
  const number = (name: string) => Number(/#(\d+)$/.exec(name)?.[1] ?? 1);
  return tables.toSorted((a, b) => number(a.name) - number(b.name));
}

/** Gateways that a test names, in the order it names them. */
function gatewaysOf({ refs }: SuiteTest, store: ObjectStore, own: readonly KubeObject[]): Gateway[] {
  const named = Object.entries(refs).flatMap(([key, { Name }]) =>
    /gw/i.test(key) && typeof Name === 'string' ? [Name] : [],
  );
  const all = store.list<Gateway>('Gateway');
  const found = named.flatMap((name) => all.find(({ metadata }) => metadata.name === name) ?? []);
  const list = found.length > 0 ? found : own.filter((object): object is Gateway => object.kind === 'Gateway');
  return [...new Set(list)];
}

/** The gateway of each table: never back to an earlier one, and as many cases right as can be. */
function assign(gateways: number, tables: number, score: (gateway: number, table: number) => number): number[] {
  let best: { total: number; path: number[] }[] = Array.from({ length: gateways }, () => ({ total: 0, path: [] }));
  for (let t = 0; t < tables; t++) {
    let carried = { total: -1, path: [] as number[] };
    best = best.map((state, g) => {
      if (state.total > carried.total) carried = state;
      return { total: carried.total + score(g, t), path: [...carried.path, g] };
    });
  }
  return best.reduce((a, b) => (b.total > a.total ? b : a)).path;
}

/** A test that asks the same again and gets an error has deleted its ReferenceGrants in between. */
function afterDeletion(
  test: SuiteTest,
  one: Case,
  store: ObjectStore,
  own: readonly KubeObject[],
  gateways: readonly (Gateway | undefined)[],
): boolean {
  const again = test.tables
    .flatMap(({ cases }) => cases)
    .filter(({ Request }) => JSON.stringify(Request) === JSON.stringify(one.Request));
  const grants = store.list('ReferenceGrant');
  if (again.length < 2 || again[0] === one || grants.length === 0) return false;
  for (const { kind, metadata } of grants) store.delete(kind, metadata.namespace, metadata.name);
  routersOf.delete(store);
  const right = gateways.some((gateway) => {
    const exchanges = gatewayExchanges(one, '', gateway, store, own);
    return Array.isArray(exchanges) && exchanges.every((exchange) => mismatch(one, exchange) === undefined);
  });
  for (const grant of grants) store.put(grant);
  routersOf.delete(store);
  return right;
}

function verdict(table: string, one: Case, exchanges: readonly Exchange[]): string | undefined {
  const problems = exchanges.map((exchange) => mismatch(one, exchange));
  if (/^call:.*Failure/.test(table)) {
    const served = exchanges.some((exchange) => mismatch({}, exchange) === undefined);
    return served ? 'answered, though it should fail' : undefined;
  }
  // With client certificates the code asks one listener after the other: one of them must do as expected.
  if (/^expectedSucc/.test(table)) return problems.includes(undefined) ? undefined : problems[0];
  if (/^expectedFailure/.test(table))
    return exchanges.some(({ refuses }) => refuses) ? undefined : 'taken without a certificate';
  return problems.find((problem) => problem !== undefined);
}

const ADDRESS = '203.0.113.10';

/** The requests that a case stands for at a gateway; text where there is none; undefined where only the test's code knows. */
function gatewayExchanges(
  one: Case,
  table: string,
  gateway: Gateway | undefined,
  store: ObjectStore,
  own: readonly KubeObject[],
): Exchange[] | string | undefined {
  if (gateway === undefined) return 'no gateway';
  const router = routerOf(store, gateway);
  if (
    one.Service !== undefined ||
    one.Hostname !== undefined ||
    one.BackendIsTLS !== undefined ||
    one.Request === undefined
  ) {
    if (one.EchoRequest === undefined && one.EchoTwoRequest === undefined && one.EchoThreeRequest === undefined) {
      return streamExchanges(one, router, store, own);
    }
  }
  const requests = requestsOf(one, own);
  if (requests === undefined) return undefined;
  const { listeners } = gateway.spec;
  return requests.flatMap((data) => {
    const asked = Number(/:(\d+)$/.exec(data.host)?.[1]);
    const first = listeners.find(({ port }) => port === asked) ?? listeners[0]!;
    return (/^expected(Succ|Fail)/.test(table) ? listeners : [first]).map((listener) => {
      const isTls = listener.protocol === 'HTTPS' || listener.protocol === 'TLS';
      const host = data.host === '' ? ADDRESS : data.host;
      const sni = host.replace(/:\d+$/, '');
      const { port } = listener;
      const request: FrontRequest = { ...data, host, scheme: isTls ? 'https' : 'http', port, ...(isTls && { sni }) };
      const plan = router.connect({ port, transport: 'TCP', ...(isTls && { sni }) }, 0);
      const refuses = plan.kind === 'close' || (plan.kind === 'https' && plan.clientCertificate === 'required');
      checkExplained(router.decide(request, 0.5), router.explain(request, 0.5));
      return { request, store, refuses, decide: (chance) => router.decide(request, chance) };
    });
  });
}

/** `decide` and `explain` must say the same. */
function checkExplained(outcome: Outcome, explained: Decision): void {
  if (JSON.stringify(outcome) !== JSON.stringify(explained.outcome)) throw new Error('decide and explain differ');
}

const routersOf = new WeakMap<ObjectStore, Map<Gateway, GatewayRouter>>();

function routerOf(store: ObjectStore, gateway: Gateway): GatewayRouter {
  const routers = routersOf.get(store) ?? new Map<Gateway, GatewayRouter>();
  routersOf.set(store, routers);
  let router = routers.get(gateway);
  if (router === undefined) {
    const { namespace = 'default', name } = gateway.metadata;
    router = gatewayRouter(store, { namespace, name });
    routers.set(gateway, router);
  }
  return router;
}

type Data = Pick<FrontRequest, 'method' | 'version' | 'target' | 'headers'> & { readonly host: string };

function requestsOf(one: Case, own: readonly KubeObject[]): Data[] | undefined {
  const grpc = one.EchoRequest
    ? 'Echo'
    : one.EchoTwoRequest
      ? 'EchoTwo'
      : one.EchoThreeRequest
        ? 'EchoThree'
        : undefined;
  if (grpc !== undefined) {
    const { Authority: host = '', Metadata: metadata = {} } = one.RequestMetadata ?? {};
    const headers: HeaderField[] = [['content-type', 'application/grpc'], ...Object.entries(metadata)];
    return [
      {
        method: 'POST',
        version: '2',
        host,
        target: `/gateway_api_conformance.echo_basic.grpcecho.GrpcEcho/${grpc}`,
        headers,
      },
    ];
  }
  const { Request: request } = one;
  if (typeof request !== 'object') return undefined;
  if (isGo(request.Host) || isGo(request.Path)) return undefined;
  if (typeof one.Response === 'string') return undefined;
  const headers = Object.entries(typeof request.Headers === 'object' ? (request.Headers ?? {}) : {});
  const { Method: method = 'GET' } = request;
  const routes = own.filter((object): object is HTTPRoute => /Route$/.test(object.kind));
  // Host and path that the code puts together stand for each of the routes' own.
  const hosts = valuesOf(
    request.Host,
    routes.flatMap(({ spec }) => spec.hostnames ?? []),
  );
  const paths = valuesOf(
    request.Path,
    routes.flatMap(({ spec }) =>
      (spec.rules ?? []).flatMap(({ matches = [] }) => matches.flatMap(({ path }) => path?.value ?? [])),
    ),
  );
  return hosts.flatMap((host) =>
    paths.map((target) => ({ method, version: '1.1' as const, host, target: target === '' ? '/' : target, headers })),
  );
}

/** A variable of the test's code: nothing says what it is. */
function isGo(text: RequestData['Host']): boolean {
  return typeof text === 'object' || (typeof text === 'string' && /^tc\./.test(text));
}

function valuesOf(text: RequestData['Host'], all: readonly string[]): readonly string[] {
  if (typeof text === 'string' && isComputed(text)) return [...new Set(all)];
  return [typeof text === 'string' ? text : ''];
}

/** Connections without HTTP: to each socket, under each name of the test's routes; one of them must reach the backend. */
function streamExchanges(
  one: Case,
  router: GatewayRouter,
  store: ObjectStore,
  own: readonly KubeObject[],
): Exchange[] | string {
  const names = own
    .filter((object): object is Route => object.kind === 'TLSRoute')
    .flatMap(({ spec }) => spec.hostnames ?? []);
  const wanted = one.Backend ?? one.Service ?? '';
  const seen: string[] = [];
  for (const { port, transport } of router.sockets) {
    for (const sni of [undefined, ...names]) {
      const plan = router.connect({ port, transport, ...(sni !== undefined && { sni }) }, 0.5);
      if (plan.kind !== 'stream') continue;
      const server = serverOf(store, plan.backend);
      const name = plan.backend.kind === 'service' ? plan.backend.name : '';
      seen.push(`${server?.deployment} ${server?.namespace}`);
      const rightBackend = isComputed(wanted) || server?.deployment === wanted || name === wanted;
      const rightPlace = one.Namespace === undefined || server?.namespace === one.Namespace;
      // A backend sees TLS where the gateway does not end it, or starts it again.
      const isTls = sni !== undefined && (plan.certificates === undefined || plan.backendTls !== undefined);
      const rightTls = one.BackendIsTLS === undefined || one.BackendIsTLS === isTls;
      if (rightBackend && rightPlace && rightTls) return [];
    }
  }
  return `connections reach ${seen.length === 0 ? 'nothing' : seen.join(', ')}, not ${wanted}`;
}

/** A request of a pod in the mesh: the host names the Service that it goes to. */
function meshExchanges(
  one: Case,
  table: string,
  store: ObjectStore,
  own: readonly KubeObject[],
): Exchange[] | undefined {
  const { Request: request } = one;
  if (typeof request !== 'object' || isGo(request.Host)) return undefined;
  const parent = own
    .filter((object): object is HTTPRoute => /Route$/.test(object.kind))
    .flatMap(({ spec }) => spec.parentRefs ?? [])[0];
  const host = request.Host === undefined || isComputed(request.Host) ? (parent?.name ?? 'echo') : String(request.Host);
  const [authority = '', port = '80'] = host.split(':');
  const [name = '', namespace = 'gateway-conformance-mesh'] = authority.split('.');
  if (store.get<Service>('Service', namespace, name) === undefined) return undefined;
  const client = /^consumer/.test(table) ? 'gateway-conformance-mesh-consumer' : 'gateway-conformance-mesh';
  const router = meshRouter(store, { namespace, name }, client);
  const given = Object.entries(typeof request.Headers === 'object' ? (request.Headers ?? {}) : {});
  const headers = given.filter(([field]) => field !== 'Host');
  const isGrpc = request.Protocol === 'grpc';
  const target =
    typeof request.Path === 'string' && request.Path !== ''
      ? request.Path
      : isGrpc
        ? '/proto.EchoTestService/Echo'
        : '/';
  const front: FrontRequest = {
    scheme: 'http',
    method: isGrpc ? 'POST' : (request.Method ?? 'GET'),
    version: isGrpc ? '2' : '1.1',
    host: given.find(([field]) => field === 'Host')?.[1] ?? host,
    target,
    headers,
    port: Number(port),
  };
  const rewrites = JSON.stringify(own).includes('urlRewrite');
  return [
    { request: front, store, refuses: false, ignoresPath: !rewrites, decide: (chance) => router.decide(front, chance) },
  ];
}

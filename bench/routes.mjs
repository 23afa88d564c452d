// Routing decisions of the Ingress routers and of a Gateway's: from a request as a parser has it to the outcome, over hosts with
// twenty paths each. Every size is asked the same mixture: hosts and paths are drawn at random, each for itself, so that with
// 1,000 hosts hardly a request meets a rule that one before has met. Each host has Services of its own, so that the answers differ.
import { gatewayRouter, ingressRouter } from '@netsim/ingress';
import { measure } from './harness.mjs';
import { short } from './plot.mjs';
import { table } from './table.mjs';

const PATHS = 20;
/** As many for each size, and few enough that it is the router that is measured, not the memory of the requests. */
const REQUESTS = 2_000;
/** Seconds of decisions before any is counted: the compiler of the engine has seen all then. */
const WARM_UP = 0.5;
/** All sizes take turns, and the median turn counts: what else the machine does meets them alike. */
const TURNS = 9;

/** One Ingress a host, with paths of one to three elements. */
function view(hosts) {
  const objects = [
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'IngressClass',
      metadata: { name: 'nginx' },
      spec: { controller: 'k8s.io/ingress-nginx' },
    },
    ...servicesOf(hosts),
  ];
  for (let i = 0; i < hosts; i++) {
    const paths = Array.from({ length: PATHS }, (_, j) => ({
      path: pathOf(j),
      pathType: isExact(j) ? 'Exact' : 'Prefix',
      backend: { service: { name: serviceOf(i, j), port: { number: 80 } } },
    }));
    objects.push({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name: `ing-${i}`, namespace: 'default' },
      spec: { ingressClassName: 'nginx', rules: [{ host: hostOf(i), http: { paths } }] },
    });
  }
  return viewOf(objects);
}

/** One HTTPRoute a host, with the same paths. */
function gatewayView(hosts) {
  const apiVersion = 'gateway.networking.k8s.io/v1';
  const objects = [
    { apiVersion, kind: 'GatewayClass', metadata: { name: 'any' }, spec: { controllerName: 'example.com/controller' } },
    {
      apiVersion,
      kind: 'Gateway',
      metadata: { name: 'web', namespace: 'default' },
      spec: { gatewayClassName: 'any', listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] },
    },
    ...servicesOf(hosts),
  ];
  for (let i = 0; i < hosts; i++) {
    const rules = Array.from({ length: PATHS }, (_, j) => ({
      matches: [{ path: { type: isExact(j) ? 'Exact' : 'PathPrefix', value: pathOf(j) } }],
      backendRefs: [{ name: serviceOf(i, j), port: 80 }],
    }));
    objects.push({
      apiVersion,
      kind: 'HTTPRoute',
      metadata: { name: `route-${i}`, namespace: 'default' },
      spec: { parentRefs: [{ name: 'web' }], hostnames: [hostOf(i)], rules },
    });
  }
  return viewOf(objects);
}

/** Objects are found without a search, as in a store. */
function viewOf(objects) {
  const byName = new Map(
    objects.map((object) => [keyOf(object.kind, object.metadata.namespace, object.metadata.name), object]),
  );
  return {
    list: (kind) => objects.filter((object) => object.kind === kind),
    get: (kind, namespace, name) =>
      byName.get(keyOf(kind, namespace, name)) ?? byName.get(keyOf(kind, undefined, name)),
  };
}
const keyOf = (kind, namespace, name) => `${kind} ${namespace ?? ''} ${name}`;

function compile(profile, hosts) {
  if (profile === 'gateway') return gatewayRouter(gatewayView(hosts), { namespace: 'default', name: 'web' });
  return ingressRouter(view(hosts), { profile, controllerClass: 'k8s.io/ingress-nginx', now: 0 });
}

const service = (name) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { ports: [{ port: 80 }] },
});
const serviceOf = (i, j) => `svc-${i}-${j % 2}`;
const servicesOf = (hosts) => Array.from({ length: 2 * hosts }, (_, i) => service(serviceOf(i >> 1, i)));
const hostOf = (i) => `app-${i}.team-${i % 7}.example.com`;
const pathOf = (j) => [`/v${j}`, `/api/v${j}`, `/shop/items/kind-${j}`][j % 3];
const isExact = (j) => j % 5 === 0;
const targetOf = (j, id) => `${pathOf(j)}${isExact(j) ? '' : '/item'}?id=${id}`;

/** Requests as they come from a parser: texts of their own, not those of the rules. */
function requests(hosts, count) {
  const random = generator(1);
  return Array.from({ length: count }, (_, i) => ({
    scheme: 'http',
    method: 'GET',
    version: '1.1',
    host: Buffer.from(hostOf(random(hosts))).toString('latin1'),
    target: Buffer.from(targetOf(random(PATHS), i % 100)).toString('latin1'),
    headers: [
      ['User-Agent', 'curl/8.5.0'],
      ['Accept', '*/*'],
    ],
    port: 80,
    clientAddress: '192.0.2.7',
  }));
}

/** Whole numbers below a bound (mulberry32): one seed, one mixture. */
function generator(seed) {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** All requests, one after the other. */
function decideAll({ name, router, asked }) {
  let forwarded = 0;
  for (const request of asked) if (router.decide(request, 0.5).kind === 'forward') forwarded++;
  if (forwarded !== asked.length) throw new Error(`${name}: only ${forwarded} of ${asked.length} were forwarded`);
  return forwarded;
}

function warmUp(side, seconds) {
  const end = performance.now() + 1000 * seconds;
  while (performance.now() < end) decideAll(side);
}

/** @param {import('./run.mjs').Context} context */
export async function run({ smoke }) {
  const sizes = smoke ? [10, 100] : [10, 100, 1_000];
  const seconds = smoke ? 0.2 : 2;
  const results = [];
  for (const profile of ['spec', 'ingress-nginx', 'gateway']) {
    const sides = sizes.map((hosts) => {
      const start = performance.now();
      const router = compile(profile, hosts);
      const compileMilliseconds = performance.now() - start;
      const name = `${profile}, ${hosts} hosts`;
      return { hosts, name, router, compileMilliseconds, asked: requests(hosts, REQUESTS), turns: [] };
    });
    for (const side of sides) warmUp(side, Math.min(seconds, WARM_UP));
    for (let turn = 0; turn < TURNS; turn++) {
      for (const side of sides) {
        const { name, asked, turns } = side;
        turns.push(await measure(name, asked.length, () => decideAll(side), { seconds: seconds / TURNS }));
      }
    }
    for (const { hosts, compileMilliseconds, turns } of sides) {
      const decisions = turns.toSorted((a, b) => a.perSecond - b.perSecond)[turns.length >> 1];
      results.push({ profile, hosts, compileMilliseconds, decisions });
    }
  }
  console.log(`\nRouting decisions for HTTP requests, ${PATHS} paths a host`);
  console.log(
    table(
      ['profile', 'hosts', 'decisions/s', 'of 10 hosts', 'compiled in'],
      results.map(({ profile, hosts, compileMilliseconds, decisions }) => {
        const base = results.find((one) => one.profile === profile).decisions.perSecond;
        return [
          profile,
          hosts.toLocaleString('en'),
          short(decisions.perSecond),
          `${Math.round((100 * decisions.perSecond) / base)} %`,
          `${Math.round(compileMilliseconds)} ms`,
        ];
      }),
    ),
  );
  return results;
}

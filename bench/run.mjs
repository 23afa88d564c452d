// npm run bench: what netsim costs, beside what the real kernel costs in the same run. Nothing is asserted: read the ratios.
//   --smoke          small sizes, seconds: does it run at all
//   --only NAME      flows, rules, load or startup
//   --no-kernel      without the real kernel's side
//   --out FOLDER     for results.json and the plots (default bench/out)
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { short } from './plot.mjs';
import { table } from './table.mjs';

const { values: options } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    only: { type: 'string' },
    'no-kernel': { type: 'boolean', default: false },
    out: { type: 'string', default: fileURLToPath(new URL('./out/', import.meta.url)) },
  },
});
const { smoke } = options;
const wanted = (name) => options.only === undefined || options.only === name;
const results = {
  schemaVersion: 'netsim.dev/bench/v1',
  node: process.version,
  machine: `${cpus().length} x ${cpus()[0]?.model.trim()}`,
  smoke,
};
mkdirSync(options.out, { recursive: true });

if (wanted('flows')) await flows();
if (wanted('rules')) await rules();
if (wanted('load')) await load();
if (wanted('startup')) await startup();
writeFileSync(join(options.out, 'results.json'), `${JSON.stringify(results, undefined, 2)}\n`);
console.log(`\nwritten to ${options.out}`);

async function flows() {
  const { measureOurs } = await import('./our-side.mjs');
  const { compileGenerator, kernelMissing, measureKernel } = await import('./kernel-side.mjs');
  const missing = options['no-kernel'] ? ['a run without --no-kernel'] : kernelMissing();
  if (missing.length > 0) console.log(`real kernel: skipped: needs ${missing.join(', ')}`);
  const generator = missing.length > 0 ? undefined : compileGenerator();
  const sizes = smoke ? [1, 100] : [1, 100, 1_000, 10_000];
  // Connections that are made until conntrack is emptied, on both sides.
  const flowsPerRound = smoke ? 10_000 : 30_000;
  results.flows = [];
  try {
    for (const services of sizes) {
      const { plan, flow, ...ours } = await measureOurs(services, {
        seconds: smoke ? 0.3 : 2,
        flows: flowsPerRound,
      });
      const kernel =
        generator &&
        (await measureKernel(generator.program, plan, flow, {
          seconds: smoke ? 0.3 : 2,
          rounds: smoke ? 1 : 3,
          flowsPerRound,
        }));
      results.flows.push({ services, ours, kernel });
    }
  } finally {
    generator?.close();
  }
  const ratio = (ours, kernel) => (kernel === undefined ? '-' : `${(ours / kernel).toFixed(1)}x`);
  console.log(
    '\nA small UDP packet: pod, veth, bridge, service DNAT, conntrack, VXLAN, second node, bridge, veth, pod',
  );
  console.log(
    table(
      ['services', 'established/s', 'kernel', 'ratio', 'new flows/s', 'kernel', 'ratio'],
      results.flows.map(({ services, ours, kernel }) => [
        services.toLocaleString('en'),
        short(ours.established.perSecond),
        kernel ? short(kernel.established) : '-',
        ratio(ours.established.perSecond, kernel?.established),
        short(ours.fresh.perSecond),
        kernel ? short(kernel.fresh) : '-',
        ratio(ours.fresh.perSecond, kernel?.fresh),
      ]),
    ),
  );
  const first = results.flows[0];
  const last = results.flows.at(-1);
  const flat = last.ours.fresh.perSecond / first.ours.fresh.perSecond;
  console.log(`new flows at ${last.services.toLocaleString('en')} services against 1: ${(flat * 100).toFixed(0)} %`);
  const checks = results.flows.flatMap(({ ours }) => [ours.established.crossCheck, ours.fresh.crossCheck]);
  console.log(`tinybench against benchmark: ${Math.min(...checks).toFixed(2)} to ${Math.max(...checks).toFixed(2)}`);
  const { plot } = await import('./plot.mjs');
  const line = (name, of, dashed) => ({
    name,
    dashed,
    points: results.flows.filter((row) => of(row) !== undefined).map((row) => [row.services, 1 / of(row)]),
  });
  const series = [
    line('netsim, new flow', (row) => row.ours.fresh.perSecond),
    line('kernel, new flow', (row) => row.kernel?.fresh),
    line('netsim, established', (row) => row.ours.established.perSecond, true),
    line('kernel, established', (row) => row.kernel?.established, true),
  ].filter(({ points }) => points.length > 0);
  const svg = plot({ title: 'Cost of a packet through two nodes', xLabel: 'services', yLabel: 'seconds', series });
  writeFileSync(join(options.out, 'flows.svg'), svg);
}

async function rules() {
  const { measureRules } = await import('./rules.mjs');
  const sizes = smoke
    ? [[100, 2]]
    : [
        [1_000, 2],
        [1_000, 10],
        [5_000, 2],
        [5_000, 10],
      ];
  results.rules = measureRules({ sizes, runs: smoke ? 1 : 5 });
  console.log("\nkube-proxy's rules of one node, until a packet has been through them");
  console.log(
    table(
      ['services x endpoints', 'mode', 'from objects', 'one endpoint changed'],
      results.rules.map(({ services, endpoints, mode, build, change }) => [
        `${services.toLocaleString('en')} x ${endpoints}`,
        mode,
        `${build.toFixed(0)} ms`,
        `${change.toFixed(2)} ms`,
      ]),
    ),
  );
}

async function load() {
  const { measureLoad } = await import('./load.mjs');
  results.load = measureLoad({ sizes: smoke ? [100, 1_000] : [100, 1_000, 10_000], runs: smoke ? 1 : 3 });
  console.log('\nLoading a cluster from JSON, until the first packet is through');
  console.log(
    table(
      ['pods', 'services', 'nodes', 'load', 'with first trace', 'memory at most'],
      results.load.map(({ pods, services, nodes, loadMs, ms, rssMb }) => [
        pods.toLocaleString('en'),
        services.toLocaleString('en'),
        nodes,
        `${loadMs.toFixed(0)} ms`,
        `${ms.toFixed(0)} ms`,
        `${rssMb.toFixed(0)} MB`,
      ]),
    ),
  );
  const { plot } = await import('./plot.mjs');
  const points = results.load.map(({ pods, ms }) => [pods, ms / 1000]);
  const svg = plot({
    title: 'Loading a cluster',
    xLabel: 'pods',
    yLabel: 'seconds',
    series: [{ name: 'netsim', points }],
  });
  writeFileSync(join(options.out, 'load.svg'), svg);
}

async function startup() {
  const { measureStartup } = await import('./startup.mjs');
  results.startup = measureStartup({ runs: smoke ? 3 : 11 });
  const { traceMs, versionMs, nodeMs } = results.startup;
  console.log('\nWhole process, median');
  console.log(
    table(
      ['command', 'wall clock'],
      [
        ['netsim trace pod-a svc/kubia', `${traceMs.toFixed(0)} ms`],
        ['netsim --version', `${versionMs.toFixed(0)} ms`],
        ['node -e 0', `${nodeMs.toFixed(0)} ms`],
      ],
    ),
  );
}

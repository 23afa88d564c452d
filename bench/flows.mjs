// Packets of an established flow, and flows that are each new, beside the real kernel in the same run.
import { compileGenerator, kernelMissing, measureKernel } from './kernel-side.mjs';
import { compareNew, measureOurs } from './our-side.mjs';
import { plot, short } from './plot.mjs';
import { table } from './table.mjs';

const TURNS = 15;

/** @type {import('./run.mjs').Part['run']} */
export async function run({ smoke, kernel: withKernel, save }) {
  const missing = !withKernel ? ['a run without --no-kernel'] : kernelMissing();
  if (missing.length > 0) console.log(`real kernel: skipped: needs ${missing.join(', ')}`);
  const generator = missing.length > 0 ? undefined : compileGenerator();
  const sizes = smoke
    ? { iptables: [1, 100], nftables: [1, 100] }
    : { iptables: [1, 100, 1_000, 10_000], nftables: [1, 10_000] };
  // Connections that are made until conntrack is emptied, on both sides.
  const flowsPerRound = smoke ? 10_000 : 30_000;
  const results = [];
  try {
    for (const [mode, services] of Object.entries(sizes).flatMap(([mode, each]) => each.map((size) => [mode, size]))) {
      const { plan, flow, ...ours } = await measureOurs(services, mode, {
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
      results.push({ mode, services, ours, kernel });
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
      ['mode', 'services', 'established/s', 'kernel', 'ratio', 'new flows/s', 'kernel', 'ratio'],
      results.map(({ mode, services, ours, kernel }) => [
        mode,
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
  for (const [mode, each] of Object.entries(sizes)) {
    const ends = [each[0], each.at(-1)];
    const share = await compareNew(mode, ends, { turns: smoke ? 1 : TURNS, flows: flowsPerRound });
    const [few, many] = ends.map((size) => size.toLocaleString('en'));
    console.log(`${mode}: new flows at ${many} services against ${few}, in turns: ${Math.round(100 * share)} %`);
  }
  const checks = results.flatMap(({ ours }) => [ours.established.crossCheck, ours.fresh.crossCheck]);
  console.log(`tinybench against benchmark: ${Math.min(...checks).toFixed(2)} to ${Math.max(...checks).toFixed(2)}`);
  const line = (name, mode, of, dashed) => ({
    name,
    dashed,
    points: results
      .filter((row) => row.mode === mode && of(row) !== undefined)
      .map((row) => [row.services, 1 / of(row)]),
  });
  const series = [
    line('netsim, new flow', 'iptables', (row) => row.ours.fresh.perSecond),
    line('kernel, new flow', 'iptables', (row) => row.kernel?.fresh),
    line('netsim, established', 'iptables', (row) => row.ours.established.perSecond, true),
    line('kernel, established', 'iptables', (row) => row.kernel?.established, true),
    line('netsim, new, nftables', 'nftables', (row) => row.ours.fresh.perSecond),
    line('kernel, new, nftables', 'nftables', (row) => row.kernel?.fresh),
  ].filter(({ points }) => points.length > 0);
  const svg = plot({ title: 'Cost of a packet through two nodes', xLabel: 'services', yLabel: 'seconds', series });
  save('flows.svg', svg);
  return results;
}

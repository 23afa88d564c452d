// Time and memory to load a cluster from JSON text, each size in a process of its own so that memory is its own.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { largeCluster } from './clusters.mjs';
import { plot } from './plot.mjs';
import { table } from './table.mjs';

/** @type {import('./run.mjs').Part['run']} */
export function run({ smoke, save }) {
  const results = measureLoad({ sizes: smoke ? [100, 1_000] : [100, 1_000, 10_000], runs: smoke ? 1 : 3 });
  console.log('\nLoading a cluster from JSON, until the first packet is through');
  console.log(
    table(
      ['pods', 'services', 'nodes', 'load', 'with first trace', 'memory at most'],
      results.map(({ pods, services, nodes, loadMs, ms, rssMb }) => [
        pods.toLocaleString('en'),
        services.toLocaleString('en'),
        nodes,
        `${loadMs.toFixed(0)} ms`,
        `${ms.toFixed(0)} ms`,
        `${rssMb.toFixed(0)} MB`,
      ]),
    ),
  );
  const points = results.map(({ pods, ms }) => [pods, ms / 1000]);
  const svg = plot({
    title: 'Loading a cluster',
    xLabel: 'pods',
    yLabel: 'seconds',
    series: [{ name: 'netsim', points }],
  });
  save('load.svg', svg);
  return results;
}

/** @returns {{ pods: number, services: number, nodes: number, ms: number, rssMb: number, heapMb: number }[]} */
function measureLoad({ sizes, runs }) {
  const folder = mkdtempSync(join(tmpdir(), 'netsim-bench-'));
  try {
    return sizes.map((pods) => {
      const file = join(folder, `${pods}.json`);
      const items = largeCluster(pods);
      writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
      const results = Array.from({ length: runs }, () => child(file));
      results.sort((a, b) => a.ms - b.ms);
      const count = (kind) => items.filter((item) => item.kind === kind).length;
      return { pods, services: count('Service'), nodes: count('Node'), ...results[results.length >> 1] };
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function child(file) {
  const script = fileURLToPath(new URL('./load-child.mjs', import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, file], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`load of ${file}: ${stderr}`);
  return JSON.parse(stdout);
}

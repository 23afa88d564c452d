// The whole process of the main job, from fork to exit.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { table } from './table.mjs';

const program = fileURLToPath(new URL('../packages/cli/bin/netsim.js', import.meta.url));

/** @type {import('./run.mjs').Part['run']} */
export function run({ smoke }) {
  const results = measureStartup({ runs: smoke ? 3 : 11 });
  const { traceMs, versionMs, nodeMs } = results;
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
  return results;
}

/** Milliseconds of wall clock: the main job, and an empty Node process to compare with. */
function measureStartup({ runs }) {
  return {
    traceMs: median(runs, [program, 'trace', 'pod-a', 'svc/kubia']),
    versionMs: median(runs, [program, '--version']),
    nodeMs: median(runs, ['-e', '0']),
  };
}

function median(runs, args) {
  const times = [];
  for (let i = 0; i <= runs; i++) {
    const start = process.hrtime.bigint();
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env: cleanEnvironment() });
    if (status !== 0) throw new Error(`${args.join(' ')}: exit ${status}: ${stderr}`);
    if (i > 0) times.push(Number(process.hrtime.bigint() - start) / 1e6); // the first fills the file cache
  }
  times.sort((a, b) => a - b);
  return times[times.length >> 1];
}

/** Flags for this process must not slow the one that is measured. */
function cleanEnvironment() {
  const { NODE_OPTIONS: _, ...rest } = process.env;
  return rest;
}

// The same cluster in the real kernel, driven by a small C program compiled on the spot.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildLab, missingForLab } from '@netsim/lab';

/** Why the real kernel cannot be measured here; empty where it can. */
export function kernelMissing() {
  return missingForLab();
}

/** Flows of one round: conntrack's table (262,144 entries by default) must hold all of them on every node. */
const ROUND = 120_000;

const COMPILER = 'cc';

/** Compiles the generator; `close` removes it. */
export function compileGenerator() {
  const folder = mkdtempSync(join(tmpdir(), 'netsim-bench-'));
  const program = join(folder, 'kernel-flows');
  const source = fileURLToPath(new URL('./native/kernel-flows.c', import.meta.url));
  const { status, stderr } = spawnSync(COMPILER, ['-O2', '-pthread', '-o', program, source], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`cc: ${stderr}`);
  return { program, close: () => rmSync(folder, { recursive: true, force: true }) };
}

/**
 * Packets and flows a second through a plan, counted at the receiver.
 * @param {string} program from {@link compileGenerator}
 * @param {import('@netsim/kernel').WorldPlan} plan
 * @param {{ source: string, sink: string, sinkPort: number, sourceBlock: string, nodes: string[], targets: { ip: string, port: number }[] }} flow
 */
export async function measureKernel(program, plan, flow, { seconds, rounds, flowsPerRound = ROUND }) {
  const lab = await buildLab(plan, { passive: true });
  try {
    const netns = (name) => `/run/netns/${lab.realName(name)}`;
    const ends = [netns(flow.source), netns(flow.sink), String(flow.sinkPort)];
    const run = (args, targets) => generate(program, [...ends, ...args], targets);
    const established = run(['established', String(seconds)], flow.targets.slice(0, 1));
    const nodes = flow.nodes.map(netns);
    const fresh = run(['new', String(flowsPerRound), String(rounds), flow.sourceBlock, ...nodes], flow.targets);
    return { established: rate(established), fresh: rate(fresh), lost: 1 - fresh.received / fresh.sent };
  } finally {
    await lab.down();
  }
}

function generate(program, args, targets) {
  const input = targets.map(({ ip, port }) => `${ip} ${port}\n`).join('');
  const { status, stdout, stderr } = spawnSync(program, args, { input, encoding: 'utf8' });
  if (status !== 0) throw new Error(`kernel-flows ${args.join(' ')}: ${stderr}`);
  return JSON.parse(stdout);
}

function rate({ received, seconds }) {
  return received / seconds;
}

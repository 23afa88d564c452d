import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WorldPlan } from '@netsim/kernel';
import { formatIp } from '@netsim/wire';
import { buildLab, LAB_PREFIX, removeLabs } from './lab.ts';
import type { RandomClusterOptions } from './random-cluster.ts';
import { renderDisagreement, reportLine } from './report.ts';
import { missingForPlan } from './requirements.ts';
import { verify } from './verify.ts';

/** Where the commands write; each call is one or more whole lines without the last newline. */
export interface LabOutput {
  /** Results. */
  write(text: string): void;
  /** Progress and warnings. */
  note(text: string): void;
}

/** Labs of `lab up` are not tied to a process. */
const UP_PREFIX = `${LAB_PREFIX}-up`;

/** `netsim lab up`: builds the plan and leaves it there. Returns the exit status. */
export async function labUp(plan: WorldPlan, output: LabOutput): Promise<number> {
  const missing = missingForPlan(plan);
  if (missing.length > 0) {
    output.note(`lab up: needs ${missing.join(', ')}`);
    return 2;
  }
  removeLabs({ all: true, prefix: UP_PREFIX });
  const lab = await buildLab(plan, { prefix: UP_PREFIX, passive: true, realTiming: true, stay: true, readable: true });
  const width = Math.max(...plan.netns.map(({ name }) => lab.realName(name).length)) + 2;
  output.write(`${'NETNS'.padEnd(width)}ADDRESSES`);
  for (const { name, addresses } of plan.netns) {
    output.write(`${lab.realName(name).padEnd(width)}${addresses.map(({ address }) => formatIp(address)).join(' ')}`);
  }
  const some = plan.netns.find((netns) => netns.label !== 'host') ?? plan.netns[0];
  if (some !== undefined)
    output.write(`\nenter one: ip netns exec ${lab.realName(some.name)} bash\nremove all: netsim lab down`);
  output.note('Nothing listens in these pods: start what you need with `ip netns exec`.');
  return 0;
}

/** `netsim lab down`: removes what `lab up` made, and what labs of crashed processes left behind. */
export function labDown(output: LabOutput): number {
  const removed = [...removeLabs({ all: true, prefix: UP_PREFIX }), ...removeLabs()];
  output.write(removed.length === 0 ? 'nothing to remove' : `removed ${removed.length} network namespaces`);
  return 0;
}

/** `netsim lab verify`. Exit status 0 where all agree or where nothing can be compared (said so), else 1. */
export async function labVerify(
  options: RandomClusterOptions & {
    readonly probes?: number;
    readonly seed?: number;
    readonly clusters?: number;
    /** Folder that gets one JSON file for each disagreement. */
    readonly caseFolder?: string;
  },
  output: LabOutput,
): Promise<number> {
  const { probes = 1000, seed = 1, clusters, caseFolder, proxyMode = 'mixed', ipFamily = 'mixed' } = options;
  const report = await verify({
    probes,
    seed,
    proxyMode,
    ipFamily,
    ...(clusters === undefined ? {} : { clusters }),
    onCluster: (done, of, disagreements) => {
      if (done % 10 === 0 || done === of)
        output.note(`lab verify: ${done}/${of} clusters, ${disagreements} disagreements`);
    },
  });
  for (const disagreement of report.disagreements.slice(0, 20)) output.write(renderDisagreement(disagreement));
  if (caseFolder !== undefined && report.disagreements.length > 0) {
    mkdirSync(caseFolder, { recursive: true });
    report.disagreements.forEach((disagreement, i) => {
      const file = join(caseFolder, `seed-${seed}-case-${i + 1}.json`);
      writeFileSync(file, `${JSON.stringify(disagreement, undefined, 1)}\n`);
    });
    output.note(`lab verify: ${report.disagreements.length} cases written to ${caseFolder}`);
  }
  output.write(reportLine(report));
  return report.disagreements.length === 0 ? 0 : 1;
}

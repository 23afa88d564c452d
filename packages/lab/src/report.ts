import { renderDifferences } from './compare.ts';
import { describeProbe } from './observation.ts';
import type { Disagreement, VerifyReport } from './verify.ts';

/** `lab verify: seed 7, 50 clusters, 1000 probes: 1000 agree`. */
export function reportLine(report: VerifyReport): string {
  const { seed, clusters, probes, agreed, repeated, missing } = report;
  if (missing.length > 0) return `lab verify: skipped: needs ${missing.join(', ')}`;
  const differ = probes === agreed ? '' : `, ${probes - agreed} do not`;
  const again = repeated === 0 ? '' : ` (${repeated} asked twice)`;
  return `lab verify: seed ${seed}, ${clusters} clusters, ${probes} probes: ${agreed} agree${differ}${again}`;
}

/** A disagreement as a case that one can follow by hand. */
export function renderDisagreement(disagreement: Disagreement): string {
  const { seed, cluster, fault, series, differences, objects } = disagreement;
  const lines = [`seed ${seed}, cluster ${cluster}${fault === undefined ? '' : ` (${fault})`}:`];
  for (const probe of series) lines.push(`  probe ${describeProbe(probe)}`);
  lines.push(renderDifferences(differences));
  const names = objects.map((object) => `${object.kind.toLowerCase()}/${object.metadata.name}`);
  lines.push(`  objects: ${names.join(' ')}`);
  return lines.join('\n');
}

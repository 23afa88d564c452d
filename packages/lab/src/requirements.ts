import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import type { WorldPlan } from '@netsim/kernel';

/** Programs that the lab runs, with the Debian package that brings each. */
const programs: readonly (readonly [program: string, debianPackage: string])[] = [
  ['ip', 'iproute2'],
  ['bridge', 'iproute2'],
  ['iptables-nft-restore', 'iptables'],
  ['iptables-nft-save', 'iptables'],
  ['nft', 'nftables'],
  ['nsenter', 'util-linux'],
  ['cc', 'gcc'],
];

/**
 * What is missing here for a lab, as phrases that can follow `needs`: empty where a lab can be built.
 * `path` is the PATH to look in.
 */
export function missingForLab(path = process.env.PATH ?? ''): string[] {
  if (process.platform !== 'linux') return ['Linux'];
  const missing: string[] = [];
  if (process.geteuid?.() !== 0) missing.push('root');
  const folders = [...path.split(':'), '/usr/sbin', '/sbin'].filter((folder) => folder !== '');
  for (const [program, debianPackage] of programs) {
    if (!folders.some((folder) => isExecutable(join(folder, program)))) missing.push(`${program} (${debianPackage})`);
  }
  return missing;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** As {@link missingForLab}, and what no lab of this plan could have. */
export function missingForPlan(plan: WorldPlan): string[] {
  const missing = missingForLab();
  if (plan.virtualServices !== undefined) missing.push('another mode of kube-proxy: the lab has no IPVS');
  return missing;
}

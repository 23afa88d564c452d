import type { Finding } from '@netsim/manifest';
import { ManifestError } from '@netsim/manifest';
import type { CommandContext } from '../context.ts';

/** Findings that say that nothing could be read: not an answer about the manifests, but an error of the call. */
const unusable = new Set(['unreadable', 'no-manifests']);

/** `netsim lint`: 0 where nothing is found, 1 where something is, 2 where the input cannot be read. */
export async function lint(context: CommandContext): Promise<number> {
  const output = context.output(['text', 'json', 'yaml']);
  const findings = await findingsOf(context);
  const render = await import('@netsim/render');
  const plain = { schemaVersion: 'netsim.dev/v1', kind: 'Findings', findings };
  if (output === 'json') context.out(`${JSON.stringify(plain, undefined, 2)}\n`);
  else if (output === 'yaml') context.out(render.toYaml(JSON.parse(JSON.stringify(plain))));
  else context.out(await context.findingsText(findings));
  if (findings.some(({ code }) => unusable.has(code))) return 2;
  return findings.length > 0 ? 1 : 0;
}

async function findingsOf(context: CommandContext): Promise<readonly Finding[]> {
  try {
    return (await context.loadCluster()).findings;
  } catch (error) {
    if (error instanceof ManifestError) return error.findings;
    throw error;
  }
}

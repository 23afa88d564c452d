import type { Finding } from '@netsim/manifest';
import { ManifestError } from '@netsim/manifest';
import type { CommandContext } from '../context.ts';
import { formats } from '../formats.ts';

/** `netsim lint`: 0 where nothing is found, 1 where there are warnings, 2 where the API server would refuse the input or it cannot be read. */
export async function lint(context: CommandContext): Promise<number> {
  const output = context.output(formats.lint);
  const findings = await findingsOf(context);
  if (output !== 'text') await context.printData(output, 'Findings', { findings });
  else context.out(await context.findingsText(findings));
  if (findings.some(({ severity }) => severity === 'error')) return 2;
  return findings.length > 0 ? 1 : 0;
}

async function findingsOf(context: CommandContext): Promise<readonly Finding[]> {
  try {
    return (await context.buildCluster()).findings;
  } catch (error) {
    if (error instanceof ManifestError) return error.findings;
    throw error;
  }
}

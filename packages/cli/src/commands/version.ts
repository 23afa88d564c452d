import type { CommandContext } from '../context.ts';
import { formats } from '../formats.ts';
import { packageVersion } from '../version.ts';

export async function version(context: CommandContext): Promise<number> {
  const info = { netsim: packageVersion(), node: process.version, platform: `${process.platform}/${process.arch}` };
  const output = context.output(formats.version);
  if (output !== 'text') await context.printData(output, 'Version', info);
  else
    context.out(`netsim ${info.netsim} (node ${info.node}, ${info.platform})
`);
  return 0;
}

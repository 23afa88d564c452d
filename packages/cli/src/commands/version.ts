import type { CommandContext } from '../context.ts';
import { packageVersion } from '../version.ts';

export async function version(context: CommandContext): Promise<number> {
  const info = { netsim: packageVersion(), node: process.version, platform: `${process.platform}/${process.arch}` };
  switch (context.output(['text', 'json', 'yaml'])) {
    case 'json':
      context.out(`${JSON.stringify({ schemaVersion: 'netsim.dev/v1', kind: 'Version', ...info }, undefined, 2)}\n`);
      break;
    case 'yaml':
      context.out(`schemaVersion: netsim.dev/v1\nkind: Version\n`);
      for (const [key, value] of Object.entries(info)) context.out(`${key}: ${value}\n`);
      break;
    default:
      context.out(`netsim ${info.netsim} (node ${info.node}, ${info.platform})\n`);
  }
  return 0;
}

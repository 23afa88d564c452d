import type { LabIpFamily, LabOutput, LabProxyMode } from '@netsim/lab';
import { CliError, type CommandContext } from '../context.ts';
import { formats } from '../formats.ts';

export interface LabOptions {
  readonly probes?: number;
  readonly clusters?: number;
  readonly cases?: string;
  readonly proxyMode?: LabProxyMode;
  readonly ipFamily?: LabIpFamily;
}

/** `netsim lab up|down|verify`: the same cluster in the real kernel. */
export async function runLab(context: CommandContext, command: string, options: LabOptions): Promise<number> {
  context.output(formats.lab);
  const lab = await import('@netsim/lab');
  const output: LabOutput = {
    write: (text) => context.out(`${text}\n`),
    note: (text) => context.err(`${text}\n`),
  };
  switch (command) {
    case 'up':
      return lab.labUp((await context.loadCluster()).plan(), output);
    case 'down':
      return lab.labDown(output);
    case 'verify': {
      const { probes, clusters, cases, proxyMode, ipFamily } = options;
      const { seed } = context.options;
      return lab.labVerify(
        {
          ...(probes === undefined ? {} : { probes }),
          ...(seed === undefined ? {} : { seed }),
          ...(clusters === undefined ? {} : { clusters }),
          ...(cases === undefined ? {} : { caseFolder: cases }),
          ...(proxyMode === undefined ? {} : { proxyMode }),
          ...(ipFamily === undefined ? {} : { ipFamily }),
        },
        output,
      );
    }
    default:
      throw new CliError(`unknown lab command "${command}"`);
  }
}

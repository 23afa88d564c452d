import { CliError, type CommandContext } from '../context.ts';

export interface LabOptions {
  readonly probes?: number;
  readonly clusters?: number;
}

export async function runLab(_context: CommandContext, command: string, _options: LabOptions): Promise<number> {
  throw new CliError(`lab ${command} is not there yet`);
}

import type { CommandContext } from '../context.ts';
import { formats } from '../formats.ts';

export interface ExecOptions {
  readonly container?: string;
}

/** `netsim exec`: the tool's own output and exit status. */
export async function exec(
  context: CommandContext,
  target: string,
  argv: readonly string[],
  { container }: ExecOptions,
): Promise<number> {
  context.output(formats.exec);
  const cluster = await context.loadCluster();
  const { namespace } = context.options;
  const { stdout, stderr, code } = await cluster.exec(target, [...argv], {
    ...(namespace === undefined ? {} : { namespace }),
    ...(container === undefined ? {} : { container }),
  });
  context.out(stdout);
  context.err(stderr);
  return code;
}

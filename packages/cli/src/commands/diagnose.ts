import type { CommandContext } from '../context.ts';
import { formats } from '../formats.ts';

export interface DiagnoseOptions {
  readonly from?: string;
  readonly protocol?: 'tcp' | 'udp' | 'sctp' | 'icmp';
}

/** `netsim diagnose`: 0 where every point is in order, 1 where one is not, or where the manifests do not say enough. */
export async function diagnose(context: CommandContext, to: string, options: DiagnoseOptions): Promise<number> {
  const output = context.output(formats.diagnose);
  const { namespace } = context.options;
  const { from, protocol } = options;
  const cluster = await context.loadCluster();
  const diagnosis = cluster.diagnose({
    to,
    ...(from !== undefined && { from }),
    ...(protocol !== undefined && { protocol }),
    ...(namespace !== undefined && { namespace }),
  });
  const render = await import('@netsim/render');
  const { columns } = context.io;
  if (output === 'text')
    context.out(
      render.renderDiagnosis(diagnosis, { color: context.color, ...(columns !== undefined && { width: columns }) }),
    );
  else await context.printData(output, 'Diagnosis', diagnosis);
  return diagnosis.verdict === 'ok' ? 0 : 1;
}

import { writeFileSync } from 'node:fs';
import type { Disposition, Trace } from '@netsim/trace';
import { CliError, type CommandContext } from '../context.ts';

export interface TraceOptions {
  readonly protocol?: 'tcp' | 'udp' | 'sctp' | 'icmp';
  readonly detail?: 'minimal' | 'summary' | 'full';
  readonly allPaths?: boolean;
  readonly endpoint?: string;
  readonly count?: number;
  readonly pcap?: string;
}

/** What counts as yes: it arrived, or it left the cluster on its way to where it was sent. */
const good: ReadonlySet<Disposition> = new Set(['DELIVERED', 'EXITS_CLUSTER']);

/** `netsim trace`: 0 where every path shown ends well, else 1. */
export async function trace(context: CommandContext, from: string, to: string, options: TraceOptions): Promise<number> {
  const output = context.output(['text', 'wide', 'json', 'yaml']);
  if (options.allPaths === true && options.count !== undefined)
    throw new CliError('--count and --all-paths exclude each other');
  const { namespace } = context.options;
  const cluster = await context.loadCluster();
  await context.warn(cluster);
  const log = await context.logger();
  const started = performance.now();
  const result = cluster.trace({
    from,
    to,
    ...(namespace === undefined ? {} : { namespace }),
    ...(options.protocol === undefined ? {} : { protocol: options.protocol }),
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(options.count === undefined ? {} : { count: options.count }),
    allPaths: options.allPaths === true,
  });
  log.debug({ milliseconds: performance.now() - started, paths: result.paths.length }, 'traced');
  const render = await import('@netsim/render');
  context.out(show(result));
  return result.paths.every(({ disposition }) => good.has(disposition)) ? 0 : 1;

  function show(done: Trace): string {
    switch (output) {
      case 'json':
        return render.renderTraceJson(done);
      case 'yaml':
        return render.renderTraceYaml(done);
      default:
        return render.renderTrace(done, {
          detail: options.detail ?? 'summary',
          wide: output === 'wide',
          color: context.color,
        });
    }
  }
}
void writeFileSync;

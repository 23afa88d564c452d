import { type ManifestSource, readManifestFiles } from '@netsim/manifest';
import { CliError, type CommandContext } from '../context.ts';
import { formats } from '../formats.ts';

/** `netsim test`: 0 where every expectation is met, else 1. */
export async function test(context: CommandContext, files: readonly string[]): Promise<number> {
  const output = context.output(formats.test);
  const { checkExpectations, readExpectations } = await import('netsim');
  const sources = await sourcesOf(context, files);
  const expectations = readExpectations(sources, { mayHoldOthers: (file) => !files.includes(file) });
  if (expectations.length === 0) throw new CliError(`no object of kind Expectations in ${files.join(', ')}`);
  const cluster = await context.loadCluster();
  const report = await checkExpectations(cluster, expectations);
  const { renderJunit, renderReport, renderTap } = await import('@netsim/render');
  const { columns } = context.io;
  switch (output) {
    case 'text':
      context.out(renderReport(report, { color: context.color, ...(columns !== undefined && { width: columns }) }));
      break;
    case 'junit':
      context.out(renderJunit(report));
      break;
    case 'tap':
      context.out(renderTap(report));
      break;
    default:
      await context.printData(output, report.kind, report);
  }
  return report.failed === 0 ? 0 : 1;
}

async function sourcesOf(context: CommandContext, files: readonly string[]): Promise<readonly ManifestSource[]> {
  const { filename = [], recursive = false } = context.options;
  if (files.includes('-') && filename.includes('-')) {
    throw new CliError('standard input is either the manifests (-f -) or the expectations (-), not both');
  }
  const stdin = files.includes('-') ? await context.io.readStdin() : '';
  const { sources, findings } = readManifestFiles(files, { recursive, stdin });
  if (findings.length > 0) {
    const { ManifestError } = await import('@netsim/manifest');
    throw new ManifestError(findings);
  }
  return sources;
}

import type { Lookup } from 'netsim';
import type { CommandContext } from '../context.ts';

/** `netsim dns`: 0 where the name has what was asked for, else 1. */
export async function dns(
  context: CommandContext,
  from: string,
  name: string,
  type: string | undefined,
): Promise<number> {
  const output = context.output(['text', 'json', 'yaml']);
  const { namespace } = context.options;
  const cluster = await context.loadCluster();
  const found = cluster.lookup({
    from,
    name,
    ...(type !== undefined && { type }),
    ...(namespace !== undefined && { namespace }),
  });
  // Those about an object were told when the manifests were read.
  context.err(await context.findingsText(found.findings.filter(({ object }) => object === undefined)));
  if (output === 'text') context.out(text(found));
  else await context.printData(output, 'Lookup', found);
  return found.answers.length > 0 ? 0 : 1;
}

function text({ name, queries, answers, error, elapsedMs, from }: Lookup): string {
  const rows = queries.map((query, i) => [
    String(i + 1),
    `${query.at}ms`,
    `${query.server}/${query.transport}`,
    query.name,
    query.type,
    query.rcode,
    query.answers.join(', '),
  ]);
  const widths = rows.reduce<number[]>((all, row) => row.map((cell, i) => Math.max(all[i] ?? 0, cell.length)), []);
  const lines = rows.flatMap((row, at) => {
    const line = row
      .map((cell, i) => (i < 2 ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join(' ')
      .trimEnd();
    const { reason } = queries[at]!;
    return reason === undefined ? [line] : [`# ${reason}`, line];
  });
  if (from === 'hosts') lines.push('# /etc/hosts has the name: no server is asked');
  if (from === 'numeric') lines.push('# an address needs no look-up');
  const end = answers.length > 0 ? answers.join(', ') : `not found${error === undefined ? '' : ` (${error})`}`;
  const count = `${queries.length} ${queries.length === 1 ? 'query' : 'queries'}, ${elapsedMs}ms`;
  return [...lines, `${name}: ${end} (${count})`, ''].join('\n');
}

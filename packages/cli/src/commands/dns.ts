import type { Lookup } from 'netsim';
import type { CommandContext } from '../context.ts';
import { formats } from '../formats.ts';

/** `netsim dns`: 0 where the name has what was asked for, else 1. */
export async function dns(
  context: CommandContext,
  from: string,
  name: string,
  type: string | undefined,
): Promise<number> {
  const output = context.output(formats.dns);
  const { namespace } = context.options;
  const cluster = await context.loadCluster();
  const found = cluster.lookup({
    from,
    name,
    forwards: true,
    ...(type !== undefined && { type }),
    ...(namespace !== undefined && { namespace }),
  });
  // Those about an object were told when the manifests were read.
  context.err(await context.findingsText(found.findings.filter(({ object }) => object === undefined)));
  if (output === 'text') context.out(text(found));
  else await context.printData(output, 'Lookup', found);
  return found.answers.length > 0 ? 0 : 1;
}

/** Whom a name server has asked in its turn, in the order of the first time. */
function forwardLines(forwards: NonNullable<Lookup['queries'][number]['forwards']>): string[] {
  const told = new Map<string, { times: number; end: string }>();
  for (const { node, netns, server, port, transport, answered, path } of forwards) {
    const asked = `${netns === 'host' ? node : netns} asks ${server}${port === 53 ? '' : ` port ${port}`}/${transport}`;
    const end = answered ? '' : `: no reply (${path.disposition}: ${path.reason})`;
    const known = told.get(asked + end);
    if (known === undefined) told.set(asked + end, { times: 1, end });
    else known.times++;
  }
  return [...told].map(([key, { times, end }]) => {
    const asked = key.slice(0, key.length - end.length);
    return `# ${asked}${times === 1 ? '' : ` ${times} times`}${end}`;
  });
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
    const { reason, forwards = [] } = queries[at]!;
    return [...(reason === undefined ? [] : [`# ${reason}`]), line, ...forwardLines(forwards)];
  });
  if (from === 'hosts') lines.push('# /etc/hosts has the name: no server is asked');
  if (from === 'numeric') lines.push('# an address needs no look-up');
  const end = answers.length > 0 ? answers.join(', ') : `not found${error === undefined ? '' : ` (${error})`}`;
  const count = `${queries.length} ${queries.length === 1 ? 'query' : 'queries'}, ${elapsedMs}ms`;
  return [...lines, `${name}: ${end} (${count})`, ''].join('\n');
}

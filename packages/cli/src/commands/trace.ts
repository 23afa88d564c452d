import { writeFileSync } from 'node:fs';
import type { Disposition, Trace } from '@netsim/trace';
import type { Cluster, TraceOptions as ClusterTraceOptions } from 'netsim';
import { CliError, type CommandContext } from '../context.ts';
import { formats } from '../formats.ts';

export interface TraceOptions {
  readonly protocol?: 'tcp' | 'udp' | 'sctp' | 'icmp';
  readonly detail: 'minimal' | 'summary' | 'full';
  readonly allPaths?: boolean;
  readonly endpoint?: string;
  readonly count?: number;
  readonly pcap?: string;
  readonly dns?: boolean;
  readonly method?: string;
  readonly header?: readonly string[];
}

/** What counts as yes: it arrived, or it left the cluster on its way to where it was sent (and nothing is to be mended). */
const good: ReadonlySet<Disposition> = new Set(['DELIVERED', 'EXITS_CLUSTER']);

/** `netsim trace`: 0 where every path shown ends well, else 1. */
export async function trace(context: CommandContext, from: string, to: string, options: TraceOptions): Promise<number> {
  const output = context.output(formats.trace);
  const { protocol, allPaths = false, endpoint, count, pcap, detail, dns = false } = options;
  const ways = [
    allPaths ? '--all-paths' : '',
    endpoint === undefined ? '' : '--endpoint',
    count === undefined ? '' : '--count',
  ];
  const chosen = ways.filter((flag) => flag !== '');
  if (chosen.length > 1) throw new CliError(`${chosen.join(' and ')} exclude each other`);

  const { namespace } = context.options;
  const cluster = await context.loadCluster();
  const result = await run(context, cluster, pcap, {
    from,
    to,
    allPaths,
    dns,
    ...(namespace === undefined ? {} : { namespace }),
    ...(protocol === undefined ? {} : { protocol }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(count === undefined ? {} : { count }),
    ...(options.method === undefined ? {} : { method: methodOf(options.method) }),
    ...(options.header === undefined ? {} : { headers: options.header.map(headerOf) }),
  });

  if (dns && result.resolution === undefined) context.err(`note: ${noName(result)}\n`);
  const render = await import('@netsim/render');
  // With the capture on stdout the trace itself goes where it does not disturb it.
  const write = (text: string) => (pcap === '-' ? context.err(text) : context.out(text));
  if (output === 'json') write(render.renderTraceJson(result));
  else if (output === 'yaml') write(render.renderTraceYaml(result));
  else if (count !== undefined) {
    const rows = result.paths.map(({ disposition, backend, probability }) => ({
      disposition,
      requests: Math.round(probability * count),
      ...(backend === undefined ? {} : { backend }),
    }));
    write(render.renderSpread(rows, { color: context.color }));
  } else {
    const { columns } = context.io;
    write(
      render.renderTrace(result, {
        detail,
        wide: output === 'wide',
        color: context.color,
        ...(columns === undefined ? {} : { width: columns }),
      }),
    );
  }
  const well = result.paths.every(
    ({ disposition, advice, http }) => good.has(disposition) && advice === undefined && (http?.status ?? 200) < 400,
  );
  return well ? 0 : 1;
}

/** Why no server was asked, where the way of the queries was wanted. */
function noName({ source, destination: { kind, name, text } }: Trace): string {
  if (kind !== 'Service' && kind !== 'Pod') return `${text} is no name: no server is asked`;
  if (source.kind !== 'Pod') return `only pods ask the cluster's DNS: the packet goes to the address of ${text}`;
  return `pod "${name}" has no DNS name (it needs hostname and subdomain): the packet goes to its address`;
}

/** Why a file cannot be written, without Node's code and the path again. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/^E[A-Z]+: /, '').replace(/, \w+( '.*')?$/, '');
}

function methodOf(text: string): string {
  if (!/^[A-Za-z]+$/.test(text)) throw new CliError(`--method: ${JSON.stringify(text)} is no method`);
  return text.toUpperCase();
}

function headerOf(text: string): readonly [string, string] {
  const found = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):\s*([^\r\n]*)$/.exec(text);
  if (found === null) throw new CliError(`--header: write "Name: value" in place of ${JSON.stringify(text)}`);
  return [found[1]!, found[2]!];
}

async function run(
  context: CommandContext,
  cluster: Cluster,
  pcap: string | undefined,
  options: ClusterTraceOptions,
): Promise<Trace> {
  const started = performance.now();
  const { trace: result, pcapng } =
    pcap === undefined ? { trace: cluster.trace(options), pcapng: undefined } : cluster.traceWithCapture(options);
  const log = await context.logger();
  log.debug({ milliseconds: Math.round(performance.now() - started), paths: result.paths.length }, 'traced');
  if (pcapng === undefined) return result;
  if (pcap === '-') context.out(pcapng);
  else {
    try {
      writeFileSync(pcap!, pcapng);
    } catch (error) {
      throw new CliError(`--pcap ${pcap}: ${reasonOf(error)}`);
    }
  }
  return result;
}

import { readFileSync } from 'node:fs';
import type { Finding } from '@netsim/manifest';
import type { Cluster } from 'netsim';
import { type ColorChoice, wantsColor } from './color.ts';
import type { CliIo } from './io.ts';
import { createLogger, type Logger, type LogLevel } from './log.ts';

/** The flags that every command takes. */
export interface GlobalOptions {
  readonly filename?: readonly string[];
  readonly recursive?: boolean;
  readonly kustomize?: string;
  readonly namespace?: string;
  readonly output?: string;
  readonly seed?: number;
  readonly color: ColorChoice;
  readonly logLevel?: LogLevel;
}

/** A mistake of the user: one line on stderr, exit status 2. */
export class CliError extends Error {
  override readonly name = 'CliError';
}

/** Text without the control characters that a terminal would obey. */
export function printable(text: string): string {
  return text.replace(/(?![\n\t])\p{Cc}/gu, '\ufffd');
}

/** What a command works with. */
export class CommandContext {
  readonly io: CliIo;
  readonly options: GlobalOptions;
  readonly color: boolean;
  /** The input has errors, though the command could still answer: exit status 2. */
  badInput = false;

  constructor(io: CliIo, options: GlobalOptions) {
    this.io = io;
    this.options = options;
    this.color = wantsColor(options.color, io);
  }

  get namespace(): string {
    return this.options.namespace ?? 'default';
  }

  out(text: string | Uint8Array): void {
    if (text.length > 0) this.io.stdout.write(text);
  }

  err(text: string): void {
    if (text !== '') this.io.stderr.write(text);
  }

  /** A message that may repeat what the user or a manifest wrote: it must not move the cursor or change colours. */
  say(text: string): void {
    this.err(printable(text));
  }

  logger(): Promise<Logger> {
    return createLogger(this.options.logLevel, this.io.stderr);
  }

  /** The value of `-o`, which must be one of those that the command knows. */
  output<T extends string>(known: readonly T[]): T {
    const { output = known[0]! } = this.options;
    const found = known.find((format) => format === output);
    if (found === undefined) throw new CliError(`unknown output format "${output}", known: ${known.join(', ')}`);
    return found;
  }

  /** A document of this program's own, for `-o json` and `-o yaml`. */
  async printData(output: 'json' | 'yaml', kind: string, content: object): Promise<void> {
    const text = JSON.stringify({ schemaVersion: 'netsim.dev/v1', kind, ...content }, undefined, 2);
    if (output === 'json') return this.out(`${text}\n`);
    const { toYaml } = await import('@netsim/render');
    this.out(toYaml(JSON.parse(text)));
  }

  /**
   * Builds the cluster of the `-f` and `-k` flags; the demo cluster where none is given, which stderr then says. Findings are
   * told on stderr, those of the control loops too (an address given twice, ...). What cannot be is refused: only with
   * `look` it may still be looked at, as `badInput` then says.
   */
  async loadCluster({ look = false }: { look?: boolean } = {}): Promise<Cluster> {
    const cluster = await this.buildCluster();
    const { findings } = cluster;
    if (findings.some(({ severity }) => severity === 'error')) {
      const { ManifestError } = await import('@netsim/manifest');
      if (!look) throw new ManifestError(findings);
      this.badInput = true;
    }
    if (findings.length > 0) this.err(await this.findingsText(findings));
    for (const note of cluster.notes) this.say(`note: ${note}\n`);
    return cluster;
  }

  /** The cluster, and nothing said of its findings. */
  async buildCluster({ quiet = false }: { quiet?: boolean } = {}): Promise<Cluster> {
    const { filename = [], recursive = false, kustomize, namespace, seed } = this.options;
    const common = { ...(namespace === undefined ? {} : { namespace }), ...(seed === undefined ? {} : { seed }) };
    const started = performance.now();
    const { Cluster: ClusterClass } = await import('netsim');
    let cluster: Cluster;
    if (filename.length === 0 && kustomize === undefined) {
      if (!quiet) this.err('no -f given: using the built-in demo cluster "kubia" (netsim demo prints its manifests)\n');
      cluster = await ClusterClass.load({ demo: 'kubia', ...common });
    } else {
      const stdin = filename.includes('-') ? await this.io.readStdin() : undefined;
      const yaml = kustomize === undefined ? undefined : await this.#kustomize(kustomize);
      cluster = await ClusterClass.load({
        files: [...filename],
        recursive,
        ...(stdin === undefined ? {} : { stdin }),
        ...(yaml === undefined ? {} : { yaml }),
        ...common,
      });
    }
    const log = await this.logger();
    log.debug({ milliseconds: Math.round(performance.now() - started), files: filename }, 'cluster loaded');
    return cluster;
  }

  /** Findings as text; on a terminal with the line in question and a caret. */
  async findingsText(findings: readonly Finding[]): Promise<string> {
    const { renderFindings } = await import('@netsim/render');
    const { columns, isTTY } = this.io;
    return renderFindings(findings, {
      color: this.color,
      ...(columns === undefined ? {} : { width: columns }),
      ...(isTTY ? { source: readSource } : {}),
    });
  }

  async #kustomize(directory: string): Promise<string> {
    const { kustomize } = await import('./kustomize.ts');
    return kustomize(directory, this.io.env);
  }
}

/** Text of a manifest file, to show a line of it; nothing for what is no file, such as standard input. */
function readSource(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

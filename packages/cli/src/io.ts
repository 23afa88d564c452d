/** Everything outside that the command line touches. Tests put their own in place. */
export interface CliIo {
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether stdout is a terminal. */
  readonly isTTY: boolean;
  /** Width of the terminal; absent where there is none. */
  readonly columns?: number | undefined;
  /** Everything on stdin, for `-f -`. */
  readStdin(): Promise<string>;
}

export interface Sink {
  write(data: string | Uint8Array): unknown;
}

/**
 * The process's own streams. A reader that goes away (`netsim ... | head -1`) is no error: what is left is written to
 * nobody, and the exit status stays what it is.
 */
export function processIo(): CliIo {
  const quiet = (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  };
  for (const stream of [process.stdout, process.stderr]) {
    if (stream.listenerCount('error') === 0) stream.on('error', quiet);
  }
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    isTTY: process.stdout.isTTY === true,
    columns: process.stdout.columns,
    readStdin,
  };
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

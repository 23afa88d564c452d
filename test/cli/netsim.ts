import { run } from '@netsim/cli';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly bytes: Uint8Array;
  /** How long it took. */
  readonly milliseconds: number;
}

/** Runs a command line in this process, as a user's shell would run `netsim`. */
export async function netsim(
  argv: readonly string[],
  { stdin = '', isTTY = false }: { readonly stdin?: string; readonly isTTY?: boolean } = {},
): Promise<Ran> {
  const written = { stdout: '', stderr: '' };
  const chunks: Uint8Array[] = [];
  const sink = (name: keyof typeof written) => ({
    write: (data: string | Uint8Array) => {
      if (typeof data === 'string') written[name] += data;
      else chunks.push(data);
    },
  });
  const started = performance.now();
  const code = await run(argv, {
    stdout: sink('stdout'),
    stderr: sink('stderr'),
    env: { PATH: process.env.PATH ?? '' },
    isTTY,
    columns: undefined,
    readStdin: async () => stdin,
  });
  return { code, ...written, bytes: Buffer.concat(chunks), milliseconds: performance.now() - started };
}

import { run } from '../src/index.ts';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** What was written as bytes. */
  readonly bytes: Uint8Array;
}

/** Runs a command line in this process, as `netsim ...` would. */
export async function netsim(
  argv: readonly string[],
  options: { env?: Record<string, string>; isTTY?: boolean; stdin?: string } = {},
): Promise<Ran> {
  let stdout = '';
  let stderr = '';
  const chunks: Uint8Array[] = [];
  const sink = (text: (more: string) => void) => ({
    write: (data: string | Uint8Array) => {
      if (typeof data === 'string') text(data);
      else chunks.push(data);
    },
  });
  const code = await run(argv, {
    stdout: sink((more) => {
      stdout += more;
    }),
    stderr: sink((more) => {
      stderr += more;
    }),
    env: { PATH: process.env.PATH ?? '', ...options.env },
    isTTY: options.isTTY ?? false,
    columns: undefined,
    readStdin: async () => options.stdin ?? '',
  });
  return { code, stdout, stderr, bytes: Buffer.concat(chunks) };
}

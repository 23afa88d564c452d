import { type CliIo, processIo } from './io.ts';
import { runProgram } from './program.ts';

export type { CliIo, Sink } from './io.ts';

/**
 * Runs one command line and returns the exit status: 0 yes, 1 no, 2 usage or input error, 130 interrupted.
 * Never ends the process. Parts of `io` that are not given are the process's own.
 */
export async function run(argv: readonly string[], io: Partial<CliIo> = {}): Promise<number> {
  return runProgram(argv, { ...processIo(), ...io });
}

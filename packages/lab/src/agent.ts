import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { runCommand } from './command.ts';

/** Where the C sources stand, seen from `src/` and from `dist/` alike. */
const sourceFolder = fileURLToPath(new URL('../src/agent/', import.meta.url));

/** Compiles the helper program into a folder of its own; whoever asked removes the folder. */
export async function compileAgent(): Promise<{ readonly program: string; remove(): void }> {
  const folder = mkdtempSync(join(tmpdir(), 'netsim-lab-'));
  const program = join(folder, 'netsim-lab-agent');
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  const sources = readdirSync(sourceFolder).filter((file) => file.endsWith('.c'));
  try {
    await runCommand(['cc', '-O1', '-o', program, ...sources.map((file) => join(sourceFolder, file))]);
  } catch (error) {
    remove();
    throw error;
  }
  return { program, remove };
}

/** A running helper program: one request a line, one JSON answer a line, in order. */
export class Agent {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting: { resolve(value: unknown): void; reject(error: Error): void; line: string }[] = [];
  #ended: Error | undefined;

  constructor(program: string) {
    this.#child = spawn(program, [], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stderr.resume();
    this.#child.stdin.on('error', () => {});
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const asked = this.#waiting.shift();
      if (asked === undefined) return;
      const answer = JSON.parse(line) as { error?: string; errno?: string };
      if (answer.error === undefined) asked.resolve(answer);
      else asked.reject(new Error(`lab agent: ${asked.line}: ${answer.error}: ${answer.errno ?? ''}`));
    });
    const ended = (error: Error): void => {
      this.#ended = error;
      for (const asked of this.#waiting.splice(0)) asked.reject(error);
    };
    this.#child.on('error', ended);
    this.#child.on('exit', (status, signal) => ended(new Error(`lab agent ended (${signal ?? status})`)));
  }

  /** Sends one request. Rejects where the agent says `error`, or has ended. */
  ask<T = object>(...words: readonly (string | number)[]): Promise<T> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const line = words.join(' ');
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ resolve: (value) => resolve(value as T), reject, line });
      this.#child.stdin.write(`${line}\n`);
    });
  }

  stop(): void {
    this.#child.stdin.end();
    this.#child.kill('SIGKILL');
  }
}

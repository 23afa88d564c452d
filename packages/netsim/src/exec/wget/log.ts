import type { ExecContext, ToolResult } from '../tool.ts';
import type { Options } from './options.ts';

/** What one URL came to, with the words of either program. */
export class Log {
  readonly #gnu: boolean;
  readonly #options: Options;
  readonly #now: () => Date;
  stdout = '';
  stderr = '';

  constructor({ userland, dns }: ExecContext, options: Options) {
    this.#gnu = userland === 'gnu';
    this.#options = options;
    this.#now = () => dns?.now() ?? new Date(0);
  }

  get time(): string {
    return this.#now().toISOString().slice(0, 19).replace('T', ' ');
  }

  gnu(text: string): void {
    if (this.#gnu && !this.#options.quiet) this.stderr += text;
  }

  busybox(text: string): void {
    if (!this.#gnu && !this.#options.quiet) this.stderr += text;
  }

  /** BusyBox tells errors in spite of -q. */
  end(gnuStatus: number, busyboxError: string): ToolResult {
    if (!this.#gnu) this.stderr += `wget: ${busyboxError}\n`;
    return { stdout: this.stdout, stderr: this.stderr, code: this.#gnu ? gnuStatus : 1 };
  }
}

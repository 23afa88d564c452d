import { execFileSync, spawn } from 'node:child_process';

/** Thrown where a program of the lab fails: its command line and what it wrote on stderr. */
class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly argv: readonly string[];
  readonly stderr: string;
  constructor(argv: readonly string[], stderr: string, status: number | null) {
    super(`${argv.join(' ')}: exit ${status ?? 'by signal'}: ${stderr.trim()}`);
    this.argv = argv;
    this.stderr = stderr;
  }
}

/** Runs a program to its end and returns its stdout. `input` goes to its stdin. */
export function runCommand(argv: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(argv[0]!, argv.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.stdin.on('error', () => {}); // a child that ends early says why on stderr
    child.on('error', (error) => reject(new CommandError(argv, error.message, null)));
    child.on('close', (status) => {
      if (status === 0) resolve(stdout);
      else reject(new CommandError(argv, stderr, status));
    });
    child.stdin.end(input);
  });
}

/** As {@link runCommand}, for places that cannot wait: cleaning up while the process ends. Never throws. */
export function runCommandNow(argv: readonly string[], input = ''): string {
  try {
    return execFileSync(argv[0]!, argv.slice(1), { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] });
  } catch {
    return '';
  }
}

/** Runs `work` over the items, a few at a time. */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
}

import { readFileSync } from 'node:fs';

/** A command of a Markdown console block, and what the page says it prints. */
export interface ConsoleCommand {
  readonly file: string;
  /** Line of the command, from 1. */
  readonly line: number;
  readonly command: string;
  /** Lines printed, standard output and standard error as they come; a last `[exit N]` where the status is not 0. */
  readonly expected: string;
}

/** Reads the ```console blocks of a page: each `$ command` with the lines that follow it. */
export function consoleCommands(file: string): ConsoleCommand[] {
  const found: ConsoleCommand[] = [];
  let inBlock = false;
  let current: { line: number; command: string; output: string[] } | undefined;
  const flush = (): void => {
    if (current === undefined) return;
    found.push({ file, line: current.line, command: current.command, expected: current.output.join('\n') });
    current = undefined;
  };
  for (const [index, text] of readFileSync(file, 'utf8').split('\n').entries()) {
    if (!inBlock) {
      inBlock = text === '```console';
      continue;
    }
    if (text === '```') {
      flush();
      inBlock = false;
    } else if (text.startsWith('$ ')) {
      flush();
      current = { line: index + 1, command: text.slice(2), output: [] };
    } else current?.output.push(text);
  }
  return found;
}

/** Puts what the commands really printed into the page, for a person to review. */
export function withOutputs(page: string, outputs: ReadonlyMap<number, string>): string {
  const result: string[] = [];
  let inBlock = false;
  let skipping = false;
  for (const [index, text] of page.split('\n').entries()) {
    if (!inBlock) {
      inBlock = text === '```console';
      result.push(text);
      continue;
    }
    if (text === '```') {
      inBlock = false;
      skipping = false;
      result.push(text);
      continue;
    }
    if (text.startsWith('$ ')) {
      const output = outputs.get(index + 1);
      result.push(text);
      skipping = output !== undefined;
      if (output !== undefined && output !== '') result.push(output);
      continue;
    }
    if (!skipping) result.push(text);
  }
  return result.join('\n');
}

/** Splits a command into words as a shell does, for the quoting that the pages use. */
export function shellWords(command: string): string[] {
  return [...command.matchAll(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g)].map((match) =>
    match[0].replace(
      /"([^"]*)"|'([^']*)'/g,
      (_, double: string | undefined, single: string | undefined) => double ?? single ?? '',
    ),
  );
}

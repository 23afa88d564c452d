import { type Finding, formatFinding } from '@netsim/manifest';
import { painter, printable } from './style.ts';

export interface RenderFindingsOptions {
  readonly color?: boolean;
  /** Text of a file by its name, as it stands in the findings: then the line in question is shown, with a caret under the place. */
  readonly source?: (file: string) => string | undefined;
  /** Columns of the terminal, for long source lines. Default 100. */
  readonly width?: number;
}

/** Characters of one finding that are shown. */
const LONGEST = 2000;

/**
 * Findings as `error: FILE:LINE:COLUMN: what (what was meant)`, one after the other, each line ended; in the order given.
 * Empty for none.
 */
export function renderFindings(findings: readonly Finding[], options: RenderFindingsOptions = {}): string {
  const { color = false, source, width = 100 } = options;
  const paint = painter(color);
  const texts = new Map<string, readonly string[] | undefined>();
  const lines: string[] = [];
  for (const finding of findings) {
    const { severity, file, line, column = 1 } = finding;
    const tone = severity === 'error' ? 'bad' : 'unsure';
    const message = cut(printable(formatFinding(finding)));
    lines.push(paint(tone, `${severity}:`) + message.slice(severity.length + 1));
    const text = file === undefined || line === undefined ? undefined : linesOf(file)?.[line - 1];
    if (text === undefined) continue;
    const margin = String(line).padStart(5);
    const { shown, caret } = excerpt(text, column, Math.max(40, width - margin.length - 3));
    lines.push(`${paint('faint', `${margin} |`)} ${shown}`.trimEnd());
    lines.push(`${paint('faint', `${' '.repeat(margin.length)} |`)} ${paint(tone, caret)}`);
  }
  return lines.map((line) => `${line}\n`).join('');

  function linesOf(file: string): readonly string[] | undefined {
    if (!texts.has(file)) texts.set(file, source?.(file)?.split(/\r?\n/));
    return texts.get(file);
  }
}

/** What is wrong may be a name of a million letters. */
function cut(message: string): string {
  return message.length <= LONGEST ? message : `${message.slice(0, LONGEST)}…`;
}

/** The part of a line around a column (from 1), and carets under the word that begins there. Control characters become blanks. */
function excerpt(text: string, column: number, width: number): { shown: string; caret: string } {
  const clean = text.replace(/\p{Cc}/gu, ' ');
  const at = Math.min(Math.max(column - 1, 0), clean.length);
  const word = /^[\w./-]+/.exec(clean.slice(at))?.[0].length ?? 1;
  const start = at + word <= width ? 0 : Math.max(0, at - Math.floor(width / 3));
  const prefix = start === 0 ? '' : '…';
  const end = start + width - prefix.length;
  const shown = `${prefix}${clean.slice(start, end)}${clean.length > end ? '…' : ''}`;
  const length = Math.max(1, Math.min(word, end - at));
  return { shown, caret: `${' '.repeat(at - start + prefix.length)}${'^'.repeat(length)}` };
}

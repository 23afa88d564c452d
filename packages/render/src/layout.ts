import type { Paint, Tone } from './style.ts';

export const DEFAULT_WIDTH = 100;
/** Between columns, as kubectl has it. */
const GAP = '   ';

export interface Cell {
  readonly text: string;
  readonly tone: Tone;
}

/** Lines with aligned columns, three spaces apart, and no trailing blanks. */
export function table(
  header: readonly string[],
  rows: readonly (readonly (string | Cell)[])[],
  paint: Paint,
): string[] {
  const cells: readonly Cell[][] = [header, ...rows].map((row) =>
    row.map((cell) => (typeof cell === 'string' ? { text: cell, tone: 'plain' } : cell)),
  );
  const widths = header.map((_, column) => Math.max(...cells.map((row) => row[column]?.text.length ?? 0)));
  return cells.map((row) => {
    const last = row.findLastIndex((cell) => cell.text !== '');
    return row
      .slice(0, last + 1)
      .map((cell, column) => paint(cell.tone, cell.text) + (column === last ? '' : pad(cell.text, widths[column])))
      .join('');
  });
}

function pad(text: string, width: number): string {
  return ' '.repeat(width - text.length) + GAP;
}

/** Breaks text at spaces into lines of at most `width`; a word that is longer stands alone on its line. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  lines.push(line);
  return lines.map((each) => each.trimEnd());
}

/** A label and text after it; what does not fit goes on, indented as far as the text began. */
export function paragraph(label: string, text: string, width: number): string[] {
  const [first, ...rest] = wrap(text, Math.max(20, width - label.length - 1));
  return [`${label} ${first}`.trimEnd(), ...rest.map((line) => ' '.repeat(label.length + 1) + line)];
}

/**
 * Elastic tabstops, as Go's text/tabwriter aligns kubectl's output: a cell ends with a tab, and a column is a run of
 * consecutive lines that all have a cell there. Text after the last tab of a line belongs to no column.
 */
export interface TabOptions {
  /** Least width of a column, padding included. */
  readonly minWidth: number;
  /** Spaces after the widest cell of a column. */
  readonly padding: number;
}

/** What `kubectl get` uses. */
export const TABLE_TABS: TabOptions = { minWidth: 6, padding: 3 };
/** What `kubectl describe` uses. */
export const DESCRIBE_TABS: TabOptions = { minWidth: 0, padding: 2 };

/** Aligns lines of tab-separated cells. */
export function alignTabs(text: string, { minWidth, padding }: TabOptions): string {
  const lines = text.split('\n').map((line) => line.split('\t'));
  for (let column = 0; ; column++) {
    let any = false;
    for (let first = 0; first < lines.length; ) {
      if (!hasCell(lines[first]!, column)) {
        first++;
        continue;
      }
      any = true;
      let end = first;
      let width = minWidth;
      while (end < lines.length && hasCell(lines[end]!, column)) {
        width = Math.max(width, displayLength(lines[end]![column]!) + padding);
        end++;
      }
      for (let i = first; i < end; i++) lines[i]![column] = pad(lines[i]![column]!, width);
      first = end;
    }
    if (!any) return lines.map((cells) => cells.join('')).join('\n');
  }
}

function hasCell(cells: readonly string[], column: number): boolean {
  return column < cells.length - 1;
}

/** Go counts runes, not UTF-16 units. */
function displayLength(text: string): number {
  let length = 0;
  for (const _ of text) length++;
  return length;
}

function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - displayLength(text)));
}

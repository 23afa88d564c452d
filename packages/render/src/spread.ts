import type { Disposition, Path } from '@netsim/trace';
import { table } from './layout.ts';
import { dispositionTone, painter } from './style.ts';
import { endpoint, receiverName } from './trace/names.ts';

/** How many of many requests went one way. */
export interface SpreadRow {
  readonly disposition: Disposition;
  readonly backend?: Path['backend'];
  readonly requests: number;
}

export interface RenderSpreadOptions {
  readonly color?: boolean;
}

/** Where many requests to one destination went: a table, the most used first. For `netsim trace --count N`. */
export function renderSpread(rows: readonly SpreadRow[], options: RenderSpreadOptions = {}): string {
  const total = rows.reduce((sum, row) => sum + row.requests, 0);
  const sorted = rows.toSorted((a, b) => b.requests - a.requests || compare(nameOf(a), nameOf(b)));
  const lines = table(
    ['BACKEND', 'ADDRESS', 'RESULT', 'REQUESTS', 'PERCENT'],
    sorted.map((row) => [
      nameOf(row),
      row.backend === undefined ? '<none>' : endpoint(row.backend.ip, row.backend.port),
      { text: row.disposition, tone: dispositionTone(row.disposition) },
      String(row.requests),
      `${((row.requests / total) * 100).toFixed(1)}%`,
    ]),
    painter(options.color ?? false),
  );
  return lines.map((line) => `${line}\n`).join('');
}

function nameOf(row: SpreadRow): string {
  return receiverName(row) ?? '<none>';
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

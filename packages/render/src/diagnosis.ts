import type { Cause } from '@netsim/trace';
import { DEFAULT_WIDTH, wrap } from './layout.ts';
import { painter, printable, type Tone } from './style.ts';
import { causeText, objectName } from './trace/names.ts';

/** What is shown of a diagnosis (`Cluster.diagnose`). */
export interface ShownDiagnosis {
  readonly source: { readonly kind: string; readonly namespace?: string; readonly name: string };
  readonly destination: { readonly text: string };
  readonly verdict: 'ok' | 'fail' | 'unknown';
  readonly points: readonly {
    readonly id: string;
    readonly status: 'ok' | 'fail' | 'unknown' | 'skipped';
    readonly text: string;
    readonly cause?: Cause;
    readonly advice?: string;
  }[];
}

const words = { ok: 'ok', fail: 'FAIL', unknown: 'unknown', skipped: 'skipped' } as const;
const tones: Readonly<Record<keyof typeof words, Tone>> = {
  ok: 'good',
  fail: 'bad',
  unknown: 'unsure',
  skipped: 'faint',
};

/** A checklist: a line for each point, under the one that is wrong which line to change and what to write. */
export function renderDiagnosis(
  { source, destination, verdict, points }: ShownDiagnosis,
  options: { readonly color?: boolean; readonly width?: number } = {},
): string {
  const { color = false, width = DEFAULT_WIDTH } = options;
  const paint = painter(color);
  const lines = [`${objectName(source)}  ->  ${printable(destination.text)}`];
  const label = Math.max(...points.map(({ id }) => id.length));
  const indent = ' '.repeat(9 + label + 2);
  const room = Math.max(40, width - indent.length);
  // What was not looked at any more is one line.
  const wrong = points.findIndex(({ status }) => status === 'fail');
  const rest = wrong < 0 ? [] : points.slice(wrong + 1);
  for (const { id, status, text, cause, advice } of points.slice(0, points.length - rest.length)) {
    const [first = '', ...more] = wrap(printable(text), room);
    const head = `${paint(tones[status], words[status])}${' '.repeat(9 - words[status].length)}${id.padEnd(label)}  `;
    lines.push(head + (status === 'skipped' ? paint('faint', first) : first));
    lines.push(...more.map((line) => indent + line));
    for (const [what, said] of [
      ['because', cause === undefined ? undefined : causeText(cause)],
      ['advice', advice],
    ] as const) {
      if (said === undefined) continue;
      const [start = '', ...others] = wrap(printable(`${what}: ${said}`), room);
      lines.push(indent + paint('strong', `${what}:`) + start.slice(what.length + 1));
      lines.push(...others.map((line) => `${indent}${' '.repeat(what.length + 2)}${line}`));
    }
  }
  if (rest.length > 0) lines.push(paint('faint', `skipped  ${rest.map(({ id }) => id).join(', ')}`));
  lines.push(
    `verdict: ${paint(tones[verdict], words[verdict])}${verdict === 'ok' ? '' : ` at ${points.find(({ status }) => status === verdict)!.id}`}`,
  );
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

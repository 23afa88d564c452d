import type { Trace } from '@netsim/trace';
import { DEFAULT_WIDTH } from '../layout.ts';
import { painter, printable } from '../style.ts';
import { fullLines } from './full.ts';
import { minimalLines } from './minimal.ts';
import { summaryLines } from './summary.ts';

export type Detail = 'minimal' | 'summary' | 'full';

export interface RenderTraceOptions {
  /** Default `summary`. */
  readonly detail?: Detail;
  /** Whole chain names, more steps, and no line is broken. */
  readonly wide?: boolean;
  /** Default false. */
  readonly color?: boolean;
  /** Columns of the terminal. Default 100. */
  readonly width?: number;
}

/** A trace as text, each line ended. No line has trailing blanks. */
export function renderTrace(original: Trace, options: RenderTraceOptions = {}): string {
  const { detail = 'summary', wide = false, color = false, width = DEFAULT_WIDTH } = options;
  const paint = painter(color);
  const trace = withoutControls(original);
  return `${lines().join('\n')}\n`;

  function lines(): string[] {
    switch (detail) {
      case 'minimal':
        return minimalLines(trace);
      case 'summary':
        return summaryLines(trace, { wide, width }, paint);
      case 'full':
        return fullLines(trace, paint);
    }
  }
}

/** The trace itself, but for the rare one whose text would not be fit for a terminal. */
function withoutControls(trace: Trace): Trace {
  const json = JSON.stringify(trace);
  // JSON writes each control character as an escape, except DEL and the C1 set.
  if (!/\\u00[01]|\\[bfnrt]|[\u007f-\u009f]/.test(json)) return trace;
  return JSON.parse(json, (_key, value: unknown) => (typeof value === 'string' ? printable(value) : value));
}

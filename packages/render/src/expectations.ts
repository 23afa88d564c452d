import type { Trace } from '@netsim/trace';
import { painter, printable } from './style.ts';
import { renderTrace } from './trace/render.ts';

/** What is shown of a run of expectations. */
export interface ShownReport {
  readonly passed: number;
  readonly failed: number;
  readonly results: readonly {
    readonly name: string;
    readonly ok: boolean;
    readonly from: string;
    readonly to: string;
    readonly file: string;
    readonly line: number;
    readonly problems: readonly string[];
    readonly trace: Trace;
  }[];
}

/** A line for each expectation; under one that is not met what is wrong, and the trace. */
export function renderReport(
  { passed, failed, results }: ShownReport,
  options: { readonly color?: boolean; readonly width?: number } = {},
): string {
  const paint = painter(options.color ?? false);
  const lines: string[] = [];
  for (const result of results) {
    const mark = result.ok ? paint('good', 'ok') : paint('bad', 'FAIL');
    lines.push(`${mark}${result.ok ? '   ' : ' '}${printable(result.name)}${result.ok ? '' : `  (${place(result)})`}`);
    if (result.ok) continue;
    for (const problem of result.problems) lines.push(`     ${printable(problem)}`);
    lines.push(...traceLines(result.trace, options).map((line) => `     ${line}`.trimEnd()));
  }
  lines.push(`${paint(failed > 0 ? 'bad' : 'good', `${passed} passed, ${failed} failed`)}`);
  return `${lines.join('\n')}\n`;
}

/** The Test Anything Protocol, version 13; the trace of one that fails as its diagnostics. */
export function renderTap({ results }: ShownReport): string {
  const lines = ['TAP version 13', `1..${results.length}`];
  results.forEach((result, at) => {
    const name = printable(result.name).replaceAll('\\', '\\\\').replaceAll('#', '\\#');
    lines.push(`${result.ok ? 'ok' : 'not ok'} ${at + 1} - ${name}`);
    if (!result.ok) lines.push(...failure(result).map((line) => `# ${line}`.trimEnd()));
  });
  return `${lines.join('\n')}\n`;
}

/** JUnit's XML, as CI systems read it. */
export function renderJunit({ failed, results }: ShownReport): string {
  const counts = `tests="${results.length}" failures="${failed}"`;
  const cases = results.flatMap((result) => {
    const head = `    <testcase name="${xml(result.name)}" classname="${xml(result.file)}" file="${xml(result.file)}" line="${result.line}"`;
    if (result.ok) return [`${head}/>`];
    const message = xml(result.problems.join('; '));
    return [
      `${head}>`,
      `      <failure message="${message}">${xml(failure(result).join('\n'))}</failure>`,
      '    </testcase>',
    ];
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="netsim" ${counts}>`,
    `  <testsuite name="netsim" ${counts}>`,
    ...cases,
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

type Result = ShownReport['results'][number];

function place({ file, line }: Result): string {
  return `${file}:${line}`;
}

/** What is wrong with one, in lines, without colour. */
function failure(result: Result): string[] {
  return [place(result), ...result.problems.map(printable), ...traceLines(result.trace, {})];
}

function traceLines(trace: Trace, options: { readonly color?: boolean; readonly width?: number }): string[] {
  return renderTrace(trace, { detail: trace.paths.length > 1 ? 'minimal' : 'summary', ...options })
    .trimEnd()
    .split('\n');
}

/** Text for an attribute or an element; characters that XML cannot hold are replaced. */
function xml(text: string): string {
  const allowed = text.replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd');
  return allowed.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

import { nearest } from '@netsim/manifest';
import { dispositions } from './dispositions.ts';
import { dropReasons } from './drop-reasons.ts';
import type { Explanation } from './explanation.ts';
import { findings } from './findings.ts';
import { gkeFindings } from './gke-findings.ts';
import { ingressFindings } from './ingress-findings.ts';

export interface ExplainedCode extends Explanation {
  readonly code: string;
  readonly type: 'disposition' | 'drop reason' | 'finding';
}

/** Everything that can be explained, by type. A code of two types stands there twice. */
export function allCodes(): ExplainedCode[] {
  const of = (type: ExplainedCode['type'], table: Readonly<Record<string, Explanation>>) =>
    Object.entries(table).map(([code, explanation]) => ({ code, type, ...explanation }));
  return [
    ...of('disposition', dispositions),
    ...of('drop reason', dropReasons),
    ...of('finding', findings),
    ...of('finding', ingressFindings),
    ...of('finding', gkeFindings),
  ];
}

/** What a code means: any case, `-` and `_` alike, with or without SKB_DROP_REASON_. */
export function findCode(text: string): ExplainedCode[] {
  const wanted = normal(text);
  return allCodes().filter(({ code }) => normal(code) === wanted);
}

export function suggestCode(text: string): string | undefined {
  return nearest(
    text,
    allCodes().map(({ code }) => code),
  );
}

function normal(code: string): string {
  return code
    .toUpperCase()
    .replaceAll('-', '_')
    .replace(/^SKB_DROP_REASON_/, '');
}

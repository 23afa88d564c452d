import type { Leg, Path, Step, Trace } from '@netsim/trace';
import { DEFAULT_WIDTH, paragraph, table, wrap } from '../layout.ts';
import { dispositionTone, type Paint } from '../style.ts';
import { causeText, destinationTitle, endpoint, netnsName, objectName, receiverName, share } from './names.ts';
import { forwarderText, forwardTraces, queryTraces, resolutionText } from './queries.ts';
import { legRows, type Row, type RowOptions } from './rows.ts';

export interface SummaryOptions {
  readonly wide: boolean;
  readonly width: number;
}

/** Where the verdict of a path stands, if what is before leaves room. */
const VERDICT_COLUMN = 58;
const TITLE_WIDTH = DEFAULT_WIDTH - 2;

/** A dozen lines for a path: who to whom, what changed the packet or its way, how it ended, why, and what to do. */
export function summaryLines(trace: Trace, options: SummaryOptions, paint: Paint): string[] {
  const [only, ...others] = trace.paths;
  const lines = only !== undefined && others.length === 0 ? [titled(trace, only, paint)] : overview(trace, paint);
  lines.push(...resolutionLines(trace, options, paint));
  const told: Row[][] = [];
  trace.paths.forEach((path, index) => {
    if (trace.paths.length > 1) lines.push('', pathTitle(path, index, trace, paint));
    const rows = legRows(path.request, trace, rowOptions(path, options));
    lines.push(...rowLines(rows, told, options, paint));
    told.push(rows);
    lines.push(...endLines(path, trace, options, paint));
  });
  return lines;
}

function rowOptions(path: Path, { wide }: SummaryOptions): RowOptions {
  return { wide, leaves: path.disposition === 'EXITS_CLUSTER' };
}

/** `pod/pod-a  ->  svc/kubia:80 (10.106.139.160, tcp)`. */
export function title(trace: Trace): string {
  return `${objectName(trace.source)}  ->  ${destinationTitle(trace)}`;
}

/** As {@link title}, with the verdict of the only path. */
export function titled(trace: Trace, path: Path, paint: Paint): string {
  return lineUp(title(trace), verdictText(path).length) + verdict(path, paint);
}

/** The title and blanks, up to where something of that length is put: in its column where the line has room for it. */
function lineUp(text: string, length: number): string {
  return `${text.padEnd(Math.min(VERDICT_COLUMN, TITLE_WIDTH - length))}  `;
}

function verdict(path: Path, paint: Paint): string {
  const text = verdictText(path);
  const { disposition } = path;
  return paint(dispositionTone(disposition), disposition) + text.slice(disposition.length);
}

function verdictText(path: Path): string {
  const receiver = receiverName(path);
  const status = path.http?.status;
  const answer = status === undefined || status === 0 ? '' : `   HTTP ${status}`;
  return `${receiver === undefined ? path.disposition : `${path.disposition}   ${receiver}`}${answer}`;
}

function overview(trace: Trace, paint: Paint): string[] {
  const rows = trace.paths.map((path) => [
    share(path.probability),
    { text: path.disposition, tone: dispositionTone(path.disposition) },
    receiverName(path) ?? '<none>',
    path.backend === undefined ? '' : endpoint(path.backend.ip, path.backend.port),
  ]);
  const head = `${lineUp(title(trace), 0)}${trace.paths.length} paths`;
  return [head, '', ...table(['PROBABILITY', 'RESULT', 'BACKEND', 'ADDRESS'], rows, paint)];
}

export function pathTitle(path: Path, index: number, trace: Trace, paint: Paint): string {
  const text = `path ${index + 1} of ${trace.paths.length}, p=${share(path.probability)}`;
  return `${paint('strong', text)}   ${verdict(path, paint)}`;
}

/** The look-up in a line; with its packets, each query and its way before the packet that was wanted. */
function resolutionLines(trace: Trace, options: SummaryOptions, paint: Paint): string[] {
  const { resolution } = trace;
  if (resolution === undefined) return [];
  const width = options.wide ? Number.POSITIVE_INFINITY : options.width;
  const lines = paragraph('dns:', resolutionText(resolution), width);
  const queries = queryTraces(trace);
  const told: Row[][] = [];
  for (const { query, number, path, trace: own } of queries) {
    const head = `query ${number}  ${query.name} ${query.type}  ->  ${destinationTitle(own)}`;
    lines.push('', paint('strong', lineUp(head, verdictText(path).length)) + verdict(path, paint));
    const rows = legRows(path.request, own, rowOptions(path, options));
    lines.push(...rowLines(rows, told, options, paint, 'query'));
    told.push(rows);
    lines.push(...endLines(path, own, options, paint));
    for (const { forward, times, trace: onward } of forwardTraces(query, trace)) {
      const often = times === 1 ? '' : ` (${times} times)`;
      const ahead = `forwarded by ${forwarderText(forward)}  ->  ${destinationTitle(onward)}${often}`;
      lines.push(paint('strong', lineUp(ahead, verdictText(forward.path).length)) + verdict(forward.path, paint));
      const hops = legRows(forward.path.request, onward, rowOptions(forward.path, options));
      lines.push(...rowLines(hops, [], options, paint));
      lines.push(...endLines(forward.path, onward, options, paint));
    }
    lines.push(...paragraph('answer:', [query.rcode, ...query.answers].join(', '), width));
  }
  if (queries.length > 0) {
    lines.push('');
    if (trace.paths.some(({ request }) => request.hops.length > 0)) lines.push(paint('strong', title(trace)));
  }
  return lines;
}

/** Rows in aligned columns, numbered. Where a path begins as one told before did, its beginning is not told again. */
function rowLines(
  rows: readonly Row[],
  told: readonly (readonly Row[])[],
  options: SummaryOptions,
  paint: Paint,
  of = 'path',
): string[] {
  const [same, like] = longestPrefix(rows, told);
  const folded = same >= 2 ? same : 0;
  const lines: string[] = [];
  const digits = Math.max(2, String(rows.length).length);
  if (folded > 0) lines.push(paint('faint', `${`1-${folded}`.padStart(digits)} as in ${of} ${like + 1}`));
  const width = (cell: (row: Row) => string) => Math.max(0, ...rows.map((row) => cell(row).length));
  const node = width((row) => row.node);
  const place = width((row) => row.place);
  const what = width((row) => row.what);
  const indent = digits + node + place + what + 6;
  rows.forEach((row, index) => {
    if (index < folded) return;
    const number = paint('faint', String(index + 1).padStart(digits));
    const head = `${row.node.padEnd(node)} ${row.place.padEnd(place)}  ${row.what.padEnd(what)}`;
    const details = row.details.flatMap((detail) =>
      options.wide ? [detail] : wrapDetail(detail, Math.max(40, options.width - indent)),
    );
    details.forEach((detail, line) => {
      const text = paint(row.tone, detail);
      lines.push(line === 0 ? `${number} ${head}  ${text}`.trimEnd() : `${' '.repeat(indent)}${text}`);
    });
    if (details.length === 0) lines.push(`${number} ${head}`.trimEnd());
  });
  return lines;
}

/** What is too long is broken: first before its note, then at any space. */
function wrapDetail(detail: string, width: number): string[] {
  if (detail.length <= width) return [detail];
  return detail.split('   ').flatMap((part) => wrap(part, width));
}

function longestPrefix(rows: readonly Row[], told: readonly (readonly Row[])[]): [length: number, index: number] {
  let best: [number, number] = [0, 0];
  told.forEach((other, index) => {
    let length = 0;
    while (length < rows.length && length < other.length && sameRow(rows[length], other[length])) length++;
    if (length > best[0]) best = [length, index];
  });
  return best;
}

function sameRow(a: Row, b: Row): boolean {
  return a.node === b.node && a.place === b.place && a.what === b.what && a.details.join('\n') === b.details.join('\n');
}

/** What comes after the last row: the way back, or why there was none. */
function endLines(path: Path, trace: Trace, options: SummaryOptions, paint: Paint): string[] {
  const lines: string[] = [];
  const width = options.wide ? Number.POSITIVE_INFINITY : options.width;
  const { reply } = path;
  if (reply !== undefined && reply.hops.length > 0) {
    lines.push(...paragraph('reply:', replyText(path, reply, trace), width));
    if (path.disposition !== 'DELIVERED' && endsBadly(reply)) {
      lines.push(...rowLines(legRows(reply, trace, rowOptions(path, options)), [], options, paint));
    }
  }
  if (path.disposition === 'DELIVERED' && (path.http?.status ?? 200) < 400 && path.advice === undefined) return lines;
  lines.push(...paragraph('reason:', path.reason, width));
  if (path.cause !== undefined) lines.push(...paragraph('because:', causeText(path.cause), width));
  if (path.advice !== undefined) lines.push(...paragraph('advice:', path.advice, width));
  return lines.map((line) => line.replace(/^(reason|because|advice):/, (label) => paint('strong', label)));
}

/** `10.244.2.7:8080 > 10.244.1.5:40000, un-NATed on w1-k8s; kubia saw 10.244.1.5`. */
function replyText(path: Path, reply: Leg, trace: Trace): string {
  const parts: string[] = [];
  const first = firstSend(reply);
  if (first !== undefined) {
    const { src, sport, dst, dport, info } = first.packet;
    const kind = info === undefined || path.disposition === 'DELIVERED' ? '' : ` ${info}`;
    parts.push(`${endpoint(src, sport)} > ${endpoint(dst, dport)}${kind}`);
  } else {
    parts.push(`from ${reply.hops[0].node} ${netnsName(reply.hops[0], trace)}`);
  }
  const undone = [...new Set(reply.hops.filter((hop) => hop.steps.some(isUndone)).map((hop) => hop.node))];
  if (undone.length > 0) parts.push(`un-NATed on ${undone.join(' and ')}`);
  const told = path.http?.forwardedFor === undefined ? '' : `, X-Forwarded-For ${path.http.forwardedFor}`;
  const seen =
    path.sourceSeen === undefined ? '' : `; ${receiverName(path) ?? 'the receiver'} saw ${path.sourceSeen}${told}`;
  return parts.join(', ') + seen;
}

function firstSend(leg: Leg): Extract<Step, { kind: 'send' }> | undefined {
  for (const hop of leg.hops) for (const step of hop.steps) if (step.kind === 'send') return step;
  return undefined;
}

function isUndone(step: Step): boolean {
  return step.kind === 'nat' && step.reply === true;
}

/** Did the packet of this leg not arrive? An ICMP error at its start is the answer itself, at its end it is an answer to it. */
export function endsBadly(leg: Leg): boolean {
  const last = leg.hops.at(-1);
  return last !== undefined && (last.steps.some((step) => step.kind === 'drop') || last.steps.at(-1)?.kind === 'icmp');
}

import type { Disposition, Hop, Leg, Path, Step, Trace } from './model.ts';

/** Thrown by {@link assertTraceInvariants}: a trace that contradicts itself is a bug of whoever made it. */
export class TraceInvariantError extends Error {
  override readonly name = 'TraceInvariantError';
  readonly violations: readonly string[];
  constructor(violations: readonly string[]) {
    super(`trace contradicts itself:\n${violations.map((violation) => `  ${violation}`).join('\n')}`);
    this.violations = violations;
  }
}

/** How far the probabilities of all paths together may be from 1. */
const PROBABILITY_SLACK = 1e-9;

/** Ends before any packet was sent, or for want of what a packet needs: no hop is asked for. */
const mayHaveNoHop: ReadonlySet<Disposition> = new Set(['NAME_NOT_FOUND', 'NO_ROUTE', 'INSUFFICIENT_INFO']);

/** Throws {@link TraceInvariantError} that names every contradiction in a trace. Returns the trace. */
export function assertTraceInvariants(trace: Trace): Trace {
  const violations = traceViolations(trace);
  if (violations.length > 0) throw new TraceInvariantError(violations);
  return trace;
}

/** What is contradictory in a trace, each as a line that starts with where; empty for a good one. */
export function traceViolations(trace: Trace): string[] {
  const violations: string[] = [];
  if (trace.paths.length === 0) violations.push('paths: a trace has at least one path');
  const sum = trace.paths.reduce((total, path) => total + path.probability, 0);
  if (trace.paths.length > 0 && !(Math.abs(sum - 1) <= PROBABILITY_SLACK)) {
    violations.push(`paths: the probabilities sum to ${sum}, not 1`);
  }
  trace.paths.forEach((path, index) => {
    for (const violation of pathViolations(path, trace)) violations.push(`paths[${index}]${violation}`);
  });
  trace.resolution?.queries.forEach(({ path, server }, index) => {
    const own = { ...trace, destination: { text: server, kind: 'IP', ip: server, port: 53, protocol: 'udp' } };
    for (const violation of path === undefined ? [] : pathViolations(path, own)) {
      violations.push(`resolution.queries[${index}].path${violation}`);
    }
  });
  return violations;
}

function pathViolations(path: Path, trace: Trace): string[] {
  const violations: string[] = [];
  const { probability, disposition, reason, request, reply } = path;
  if (!(probability > 0 && probability <= 1)) violations.push(`: probability ${probability} is not in (0, 1]`);
  if (reason.trim() === '') violations.push(`: ${disposition} without a reason`);
  if (reason.includes('\n')) violations.push(': the reason is more than one line');
  if (request.hops.length === 0 && !mayHaveNoHop.has(disposition)) {
    violations.push(`.request: ${disposition} without a hop`);
  }
  violations.push(...legViolations('.request', request));
  if (reply !== undefined) violations.push(...legViolations('.reply', reply));

  const last = lastStep(request);
  switch (disposition) {
    case 'DELIVERED':
      if (last?.kind !== 'socket' || (last.action !== 'delivered' && last.action !== 'accepted')) {
        violations.push(`.request: DELIVERED, but the last step is ${describe(last)}, not a socket's`);
      }
      if (path.backend === undefined && trace.destination.ip === undefined) {
        violations.push(': DELIVERED without a backend or a destination address');
      }
      break;
    case 'NO_LISTENER':
      if (!hasStep(path, (step) => step.kind === 'socket' && step.action === 'no-listener')) {
        violations.push(': NO_LISTENER without a socket step that says no-listener');
      }
      break;
    case 'DROPPED':
      if (!hasStep(path, isDrop)) violations.push(': DROPPED without a step that drops');
      break;
    case 'REJECTED':
      if (!hasStep(path, isReject)) violations.push(': REJECTED without a step that rejects');
      break;
    default:
      break;
  }
  return violations;
}

function legViolations(where: string, leg: Leg): string[] {
  const violations: string[] = [];
  leg.hops.forEach((hop, index) => {
    const at = `${where}.hops[${index}]`;
    if (hop.steps.length === 0) violations.push(`${at}: no steps`);
    if (index > 0 && sameNetns(hop, leg.hops[index - 1])) {
      violations.push(`${at}: the same netns as the hop before (${hop.node} ${hop.netns}): they are one hop`);
    }
    hop.steps.forEach((step, number) => {
      if (step.kind === 'rule' && step.index < 1) violations.push(`${at}.steps[${number}]: rule index ${step.index}`);
    });
  });
  return violations;
}

function sameNetns(a: Hop, b: Hop): boolean {
  return a.node === b.node && a.netns === b.netns;
}

/** What an application says over the connection comes after the socket that took it. */
function lastStep(leg: Leg): Step | undefined {
  return leg.hops.at(-1)?.steps.findLast((step) => step.kind !== 'http');
}

function hasStep(path: Path, test: (step: Step) => boolean): boolean {
  const legs = path.reply === undefined ? [path.request] : [path.request, path.reply];
  return legs.some((leg) => leg.hops.some((hop) => hop.steps.some(test)));
}

function isDrop(step: Step): boolean {
  switch (step.kind) {
    case 'drop':
      return true;
    case 'bridge':
      return step.action === 'drop';
    case 'rule':
    case 'policy':
      return step.action === 'DROP';
    default:
      return false;
  }
}

function isReject(step: Step): boolean {
  switch (step.kind) {
    case 'rule':
      return step.action.startsWith('REJECT');
    case 'icmp':
      return true;
    case 'socket':
      return step.action === 'reset';
    default:
      return false;
  }
}

function describe(step: Step | undefined): string {
  return step === undefined ? 'missing' : `${step.kind} ${step.action}`;
}

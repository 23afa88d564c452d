import type { Hop, Leg, Path, Step, Trace } from '@netsim/trace';
import { destinationText, netnsName, objectName, receiverName, share, stableName } from './names.ts';
import { forwarderText, forwardTraces, queryTraces } from './queries.ts';
import { endsBadly } from './summary.ts';

/**
 * Two lines for a path: how it ended, and the places it came by with what changed it there; a third for a way back that
 * came to grief. Nothing in it differs from seed to seed (source ports, generated names, hashed chains), so that it can be
 * kept in golden files.
 */
export function minimalLines(trace: Trace): string[] {
  return [...queryLines(trace), ...pathLines(trace)];
}

/** Names and types are the same in every run, addresses are not. */
function queryLines(trace: Trace): string[] {
  return queryTraces(trace).flatMap(({ query, trace: own }) => {
    const { name, type, rcode, answers } = query;
    const count = `${answers.length} ${answers.length === 1 ? 'answer' : 'answers'}`;
    const onward = forwardTraces(query, trace).flatMap(({ forward, trace: next }) => {
      const [head = '', ...places] = pathLines(next);
      // The server asks, not the source of the trace.
      return [head.replace(/^\S+/, stableName(forwarderText(forward))), ...places].map((line) => `    ${line}`);
    });
    return [`dns ${name} ${type}: ${rcode}, ${count}`, ...pathLines(own).map((line) => `  ${line}`), ...onward];
  });
}

function pathLines(trace: Trace): string[] {
  return trace.paths.flatMap((path) => {
    const lines = [headline(trace, path)];
    if (path.request.hops.length > 0) lines.push(`  ${route(path.request, path, trace)}`);
    if (path.reply !== undefined && endsBadly(path.reply)) lines.push(`  reply: ${route(path.reply, path, trace)}`);
    return lines;
  });
}

function headline(trace: Trace, path: Path): string {
  const { source, destination } = trace;
  const chance = path.probability === 1 ? '' : ` p=${share(path.probability)}`;
  const receiver = receiverName(path);
  const at = receiver === undefined ? '' : ` ${stableName(receiver)}:${path.backend?.port}`;
  const from = objectName({ ...source, name: stableName(source.name) });
  const seen = path.sourceSeen === undefined || path.sourceSeen === source.ip ? '' : ` seen as ${path.sourceSeen}`;
  const { file, line } = path.cause ?? {};
  const because = file === undefined ? '' : ` (${file}${line === undefined ? '' : `:${line}`})`;
  return `${from} -> ${destinationText(trace)} ${destination.protocol}${chance}: ${path.disposition}${at}${seen}${because}`;
}

function route(leg: Leg, path: Path, trace: Trace): string {
  const leaves = path.disposition === 'EXITS_CLUSTER';
  return leg.hops
    .map((hop) =>
      [
        hopName(hop, trace),
        ...hop.steps
          .map((step) => (leaves && step.kind === 'drop' ? undefined : event(step)))
          .filter((text) => text !== undefined),
      ].join(' '),
    )
    .join(' > ');
}

function hopName(hop: Hop, trace: Trace): string {
  return hop.netns === 'host' ? hop.node : `${hop.node}/${stableName(netnsName(hop, trace))}`;
}

/** What a hop did that another cluster, with other addresses, would have done as well. */
function event(step: Step): string | undefined {
  switch (step.kind) {
    case 'nat':
      return `${step.reply === true ? 'un-' : ''}${step.direction}nat`
        .replace('dstnat', 'dnat')
        .replace('srcnat', 'snat');
    case 'rule':
      return step.action === 'DROP' || step.action.startsWith('REJECT') ? `${step.table}:${step.action}` : undefined;
    case 'policy':
      return step.action === 'DROP' ? `${step.table}:${step.chain}:DROP` : undefined;
    case 'route':
      return step.action === 'unreachable' ? 'no-route' : undefined;
    case 'neighbor':
      return step.action === 'failed' ? `no-neighbor(${step.ip})` : undefined;
    case 'encap':
      return step.type;
    case 'socket':
      return step.action;
    case 'icmp':
      return `icmp(${step.code === '' ? step.type : step.code})`;
    case 'http':
      return httpEvent(step);
    case 'drop':
      return `drop(${step.reason})`;
    default:
      return undefined;
  }
}

/** The rule that decided, or what was answered. */
function httpEvent({ action, rule, status }: Extract<Step, { kind: 'http' }>): string | undefined {
  switch (action) {
    case 'rule':
      return rule === undefined ? undefined : `${objectName(rule)}(${rule.host}${rule.path})`;
    case 'redirect':
    case 'respond':
      return `http(${status === undefined || status === 0 ? 'closed' : status})`;
    default:
      return undefined;
  }
}

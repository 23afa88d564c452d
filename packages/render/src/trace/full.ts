import type { Hop, Leg, Path, Step, Trace } from '@netsim/trace';
import type { Paint, Tone } from '../style.ts';
import { causeText, flow, share } from './names.ts';
import { forwarderText, queryText, queryTraces } from './queries.ts';
import { bridgeText, conntrackText, httpTone, icmpText, natText, outer, routeText, socketText } from './rows.ts';
import { pathTitle, title, titled } from './summary.ts';

/** Every step of every hop, both ways; rules with their text as iptables-save prints it. Lines are as long as they must be. */
export function fullLines(trace: Trace, paint: Paint): string[] {
  const [only, ...others] = trace.paths;
  const single = only !== undefined && others.length === 0;
  const lines = [single ? titled(trace, only, paint) : title(trace)];
  for (const query of trace.resolution?.queries ?? []) {
    lines.push(
      `  dns         ${query.name} ${query.type} from ${query.server}: ${[query.rcode, ...query.answers].join(', ')}`,
    );
  }
  for (const { query, number, path } of queryTraces(trace)) {
    lines.push('', `${paint('strong', `query ${number}`)} ${queryText(query)}`);
    lines.push(...bodyLines(path, paint));
    for (const forward of query.forwards ?? []) {
      const { server, port, transport, path: onward } = forward;
      lines.push(
        `${paint('strong', 'forwarded')} by ${forwarderText(forward)} to ${server} port ${port} (${transport})`,
      );
      lines.push(...bodyLines(onward, paint));
    }
  }
  trace.paths.forEach((path, index) => {
    if (!single) lines.push('', pathTitle(path, index, trace, paint));
    else if (queryTraces(trace).length > 0) lines.push('', title(trace));
    lines.push(...bodyLines(path, paint));
  });
  return lines;
}

function bodyLines(path: Path, paint: Paint): string[] {
  const lines = legLines('request', path.request, paint);
  if (path.reply !== undefined) lines.push(...legLines('reply', path.reply, paint));
  lines.push(...endLines(path, paint));
  return lines;
}

function legLines(name: string, leg: Leg, paint: Paint): string[] {
  const lines = [`${name}:`];
  leg.hops.forEach((hop, index) => {
    lines.push(`${String(index + 1).padStart(2)} ${paint('strong', hopTitle(hop))}`);
    for (const step of hop.steps) {
      const [tone, text] = stepText(step);
      lines.push(`     ${step.kind.padEnd(10)} ${paint(tone, text)}`.trimEnd());
    }
  });
  return lines;
}

function hopTitle(hop: Hop): string {
  return `${hop.node} ${hop.netns}${hop.device === undefined ? '' : ` ${hop.device}`}`;
}

function endLines(path: Path, paint: Paint): string[] {
  const lines = [`${paint('strong', 'reason:')} ${path.reason}`];
  if (path.sourceSeen !== undefined) lines.push(`${paint('strong', 'source seen:')} ${path.sourceSeen}`);
  if (path.cause !== undefined) lines.push(`${paint('strong', 'because:')} ${causeText(path.cause)}`);
  if (path.advice !== undefined) lines.push(`${paint('strong', 'advice:')} ${path.advice}`);
  return lines;
}

function stepText(step: Step): [tone: Tone, text: string] {
  switch (step.kind) {
    case 'send':
    case 'receive': {
      const { ttl, length } = step.packet;
      return ['plain', `${`${step.device ?? ''} ${flow(step.packet)}`.trimStart()} ttl ${ttl} length ${length}`];
    }
    case 'rule': {
      const notes = [step.action];
      if (step.choice !== undefined) notes.push(`${step.choice.number} of ${step.choice.of}`);
      if (step.probability !== undefined) notes.push(`p=${share(step.probability)}`);
      if (step.origin !== undefined) notes.push(step.origin);
      const refuses = step.action === 'DROP' || step.action.startsWith('REJECT');
      return [
        refuses ? 'bad' : 'plain',
        `${step.hook} ${step.table} ${step.index}  ${step.text}   [${notes.join(', ')}]`,
      ];
    }
    case 'policy':
      return [step.action === 'DROP' ? 'bad' : 'plain', `${step.hook} ${step.table} ${step.chain} ${step.action}`];
    case 'nat':
      return ['plain', natText(step)];
    case 'conntrack':
      return ['plain', `${step.action} ${step.state}  ${conntrackText(step)}`];
    case 'route': {
      const src = step.src === undefined ? '' : ` src ${step.src}`;
      const from = step.route === undefined ? '' : `${step.destination}: `;
      return [
        step.action === 'unreachable' ? 'bad' : 'plain',
        `${step.action} ${from}${routeText(step)}${step.route === undefined ? src : ''}`,
      ];
    }
    case 'neighbor': {
      const mac = step.mac === undefined ? '' : ` lladdr ${step.mac}`;
      return [step.action === 'failed' ? 'bad' : 'plain', `${step.ip} dev ${step.device}${mac} ${step.action}`];
    }
    case 'bridge':
      return [
        step.action === 'drop' ? 'bad' : 'plain',
        `${step.bridge} ${step.action} ${bridgeText(step)} mac ${step.mac}`,
      ];
    case 'encap':
    case 'decap':
      return ['plain', `${step.type} ${step.device} ${outer(step)}`];
    case 'socket':
      return [step.action === 'delivered' || step.action === 'accepted' ? 'good' : 'bad', socketText(step)];
    case 'icmp':
      return ['bad', `${icmpText(step)} to ${step.to}`];
    case 'drop':
      return ['bad', step.detail === undefined ? step.reason : `${step.reason}: ${step.detail}`];
    case 'dns':
      return ['plain', `${step.name} ${step.type}: ${step.rcode}`];
    case 'http':
      return [httpTone(step), `${step.action.padEnd(8)} ${step.text}`];
  }
}

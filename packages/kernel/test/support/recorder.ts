import type { Step } from '@netsim/trace';
import type { Skb, Tracer, World } from '../../src/index.ts';

/** Writes down the steps of a world as short lines, by the identity of the packet. */
export class Recorder implements Tracer {
  readonly lines: { id: number; line: string }[] = [];

  constructor(world: World) {
    world.tracer = this;
  }

  step(where: { readonly name: string }, skb: Skb, step: Step): void {
    this.lines.push({ id: skb.trackId, line: `${where.name} ${brief(step)}` });
  }

  of(id: number): string[] {
    return this.lines.filter((entry) => entry.id === id).map((entry) => entry.line);
  }
}

function brief(step: Step): string {
  switch (step.kind) {
    case 'send':
      return `send ${step.device ?? ''}`;
    case 'receive':
      return `receive ${step.device}`;
    case 'route':
      return `route ${step.action} ${step.route ?? '-'}`;
    case 'neighbor':
      return `neighbor ${step.action} ${step.ip}`;
    case 'bridge':
      return `bridge ${step.action} ${step.bridge}`;
    case 'encap':
    case 'decap':
      return `${step.kind} ${step.outerSrc} > ${step.outerDst} vni ${step.vni}`;
    case 'socket':
      return `socket ${step.action} ${step.socket ?? ''}`;
    case 'icmp':
      return `icmp ${step.code} to ${step.to}`;
    case 'drop':
      return `drop ${step.reason}`;
    case 'nat':
      return `nat ${step.direction} ${step.from} > ${step.to}`;
    case 'rule':
      return `rule ${step.table} ${step.chain} ${step.action}`;
    default:
      return step.kind;
  }
}

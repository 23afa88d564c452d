import type { Skb, Tracer } from '@netsim/kernel';
import type { Hop, Step } from '@netsim/trace';

interface Place {
  readonly name: string;
  readonly machine: string;
  readonly label: string;
}

/** One step of one packet, and where it happened. */
export interface TraceEvent {
  readonly where: Place;
  readonly trackId: number;
  readonly step: Step;
}

/** Listens to a world and keeps the steps of every packet, in order. */
export class Collector implements Tracer {
  readonly events: TraceEvent[] = [];
  /** The packet that was sent first: the request. */
  request = 0;
  #reply = 0;

  step(where: Place, skb: Skb, step: Step): void {
    if (this.request === 0) this.request = skb.trackId;
    this.events.push({ where, trackId: skb.trackId, step });
  }

  /** Told of a packet that was made because of another. */
  answered(about: number, answer: number): void {
    if (about === this.request && this.#reply === 0) this.#reply = answer;
  }

  /** The answer: what the kernel made because of the request, or what a program sent next. */
  get reply(): number {
    if (this.#reply !== 0) return this.#reply;
    const delivered = this.events.findIndex(({ trackId, step }) => trackId === this.request && step.kind === 'socket');
    if (delivered < 0) return 0;
    return this.events.find(({ trackId, step }, index) => index > delivered && trackId !== this.request && step.kind === 'send')?.trackId ?? 0;
  }

  /** The request stands somewhere, waiting for the address of a neighbour. */
  isWaiting(): boolean {
    const last = this.of(this.request).at(-1)?.step;
    return last?.kind === 'neighbor';
  }

  of(trackId: number): TraceEvent[] {
    return this.events.filter((event) => event.trackId === trackId);
  }
}

/** Groups the steps of one packet by the netns they happened in. */
export function hopsOf(events: readonly TraceEvent[]): Hop[] {
  const hops: { node: string; netns: string; device?: string; steps: Step[] }[] = [];
  let place = '';
  for (const { where, step } of events) {
    if (where.name !== place) {
      place = where.name;
      const device = step.kind === 'receive' || step.kind === 'send' ? step.device : undefined;
      hops.push({ node: where.machine, netns: where.label, ...(device === undefined ? {} : { device }), steps: [] });
    }
    hops.at(-1)!.steps.push(step);
  }
  return hops;
}

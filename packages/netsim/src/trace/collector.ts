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
  /** The packet that the source sent; 0 where the call itself failed. */
  request = 0;
  /** Error of the call that was to send it: `ENETUNREACH`, ... */
  error = '';
  #answers: readonly number[] = [];

  step(where: Place, skb: Skb, step: Step): void {
    this.events.push({ where, trackId: skb.trackId, step });
  }

  /** Told by the sender which packet was the request, and which were made because of it. */
  identify(request: number, all: readonly number[], error: string): void {
    this.request = request;
    this.error = error;
    this.#answers = all.filter((trackId) => trackId !== request);
  }

  /** The answer: what the kernel made because of the request, or what a program sent next. 0 where there is none. */
  get reply(): number {
    const made = this.#answers[0];
    if (made !== undefined) return made;
    const delivered = this.events.findIndex(({ trackId, step }) => trackId === this.request && step.kind === 'socket');
    if (delivered < 0) return 0;
    const next = this.events.find(
      ({ trackId, step }, index) => index > delivered && trackId !== this.request && step.kind === 'send',
    );
    return next?.trackId ?? 0;
  }

  /** One packet and its answer (0: none) of all that were heard. */
  only(request: number, answer: number): Collector {
    const one = new Collector();
    one.events.push(...this.events.filter(({ trackId }) => trackId === request || trackId === answer));
    one.identify(request, answer === 0 ? [] : [answer], '');
    return one;
  }

  /** The request to a program that passes datagrams on, and what that sent back to the client; nothing of what went on from there. */
  relayed(place: string): Collector {
    const request = this.of(this.request);
    const arrived = request.findLast(({ step }) => step.kind === 'receive' || step.kind === 'send')?.step;
    const client = arrived?.kind === 'receive' || arrived?.kind === 'send' ? arrived.packet : undefined;
    const answer = this.events.find(
      ({ where, trackId, step }) =>
        trackId !== this.request &&
        where.name === place &&
        step.kind === 'send' &&
        step.packet.dst === client?.src &&
        step.packet.dport === client.sport,
    );
    return this.only(this.request, answer?.trackId ?? 0);
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

import type { ResolverClock, ResolverEvent, SocketError, Talk, Transport } from './io.ts';

/** What becomes of one message: an answer or an error after some milliseconds, or nothing at all. */
export type ExchangeResult =
  | { readonly message: Uint8Array; readonly afterMs?: number }
  | { readonly error: SocketError; readonly afterMs?: number }
  | undefined;

export type Exchange = (server: string, message: Uint8Array, how: { readonly transport: Transport }) => ExchangeResult;

export interface MovableClock extends ResolverClock {
  advance(ms: number): void;
}

/** Runs a look-up on a function that answers messages, moving the clock over each wait. */
export function runLookup<T>(begin: Talk<T>, exchange: Exchange, clock: MovableClock): T {
  const open = new Map<number, Transport>();
  const due: { at: number; event: ResolverEvent & { readonly socket: number } }[] = [];
  const lookup = begin({
    open: (socket, transport) => void open.set(socket, transport),
    close: (socket) => void open.delete(socket),
    poll: () => undefined,
    send: (socket, server, message) => {
      const result = exchange(server, message, { transport: open.get(socket) ?? 'udp' });
      if (result === undefined) return undefined;
      const event =
        'error' in result
          ? ({ kind: 'error', socket, error: result.error } as const)
          : ({ kind: 'message', socket, server, message: result.message } as const);
      due.push({ at: clock.now + (result.afterMs ?? 0), event });
      due.sort((a, b) => a.at - b.at);
      return undefined;
    },
  });
  for (let step = lookup.next(); ; ) {
    if (step.done === true) return step.value;
    const until = step.value;
    let event: ResolverEvent = { kind: 'timeout' };
    while (due.length > 0 && due[0]!.at <= until) {
      const next = due.shift()!;
      if (!open.has(next.event.socket)) continue;
      clock.advance(Math.max(0, next.at - clock.now));
      event = next.event;
      break;
    }
    if (event.kind === 'timeout' && Number.isFinite(until)) clock.advance(Math.max(0, until - clock.now));
    step = lookup.next(event);
  }
}

import type { Conversation, ResolverClock, ResolverEvent, SocketError, Transport } from './io.ts';

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
export function runLookup<T>(lookup: Conversation<T>, exchange: Exchange, clock: MovableClock): T {
  const open = new Map<number, Transport>();
  const due: { at: number; event: ResolverEvent }[] = [];
  let input: ResolverEvent | undefined;
  for (;;) {
    const step = lookup.next(input);
    input = undefined;
    if (step.done) return step.value;
    const action = step.value;
    switch (action.kind) {
      case 'open':
        open.set(action.socket, action.transport);
        break;
      case 'close':
        open.delete(action.socket);
        break;
      case 'send': {
        const { socket, server } = action;
        const result = exchange(server, action.message, { transport: open.get(socket) ?? 'udp' });
        if (result === undefined) break;
        const event: ResolverEvent =
          'error' in result
            ? { kind: 'error', socket, error: result.error }
            : { kind: 'message', socket, server, message: result.message };
        due.push({ at: clock.now + (result.afterMs ?? 0), event });
        due.sort((a, b) => a.at - b.at);
        break;
      }
      case 'wait': {
        input = { kind: 'timeout' };
        while (due.length > 0 && due[0]!.at <= action.until) {
          const { at, event } = due.shift()!;
          if (event.kind === 'timeout' || !open.has(event.socket)) continue;
          clock.advance(Math.max(0, at - clock.now));
          input = event;
          break;
        }
        if (input.kind === 'timeout' && Number.isFinite(action.until)) {
          clock.advance(Math.max(0, action.until - clock.now));
        }
      }
    }
  }
}

import type { Stream } from './stream.ts';

/** Passes bytes on between two streams, both ways, until either ends. */
export function pipe(a: Stream, b: Stream): void {
  join(a, b);
  join(b, a);
}

function join(from: Stream, to: Stream): void {
  from.onData = (bytes) => to.send(bytes);
  from.onEnd = () => to.close();
  from.onClose = (error) => {
    if (error === '') to.close();
    else to.abort();
  };
}

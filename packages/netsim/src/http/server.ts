import {
  encodeResponse,
  type HttpRequest,
  type HttpResponse,
  keepsAlive,
  RequestReader,
  textResponse,
} from './message.ts';
import type { Stream } from './stream.ts';

/** Answers a request, at once or later; called once. */
export type Answer = (request: HttpRequest, reply: (response: HttpResponse) => void) => void;

export interface ServeOptions {
  readonly answer: Answer;
  /** To what is no HTTP. */
  readonly badRequest?: HttpResponse;
  /** Milliseconds that a connection may wait for its next request (nginx: `keepalive_timeout`). */
  readonly idle?: number;
}

/** Kept open so long where nothing else is said. */
const IDLE = 75_000;

/** Speaks HTTP/1.1 on one connection: requests one after the other, until either side wants it closed. */
export function serveHttp(stream: Stream, { answer, badRequest, idle = IDLE }: ServeOptions): void {
  const { clock } = stream.connection.netns.world;
  const reader = new RequestReader();
  let busy = false;
  let over = false;
  let ended = false;
  let deadline = clock.schedule(clock.now + idle, expire);

  function expire(): void {
    if (!busy && !over) close();
  }
  function close(): void {
    over = true;
    deadline.cancel();
    stream.close();
  }
  function send(response: HttpResponse, method: string, last: boolean): void {
    const fields = last ? [...response.fields, ['Connection', 'close'] as const] : response.fields;
    stream.send(encodeResponse({ ...response, fields }, method));
    busy = false;
    if (last) {
      close();
      return;
    }
    deadline = clock.schedule(clock.now + idle, expire);
    next();
  }
  function next(): void {
    if (busy || over) return;
    const request = reader.next();
    if (reader.error !== undefined) {
      send(badRequest ?? textResponse(400, 'Bad Request\n'), 'GET', true);
      return;
    }
    if (request === undefined) {
      if (ended) close();
      return;
    }
    busy = true;
    deadline.cancel();
    const last = !keepsAlive(request.version, request);
    let replied = false;
    answer(request, (response) => {
      if (replied || over) return;
      replied = true;
      send(response, request.method, last);
    });
  }
  stream.onData = (bytes) => {
    reader.push(bytes);
    next();
  };
  stream.onEnd = () => {
    ended = true;
    if (!busy && !over) close();
  };
  stream.onClose = () => {
    over = true;
    deadline.cancel();
  };
}

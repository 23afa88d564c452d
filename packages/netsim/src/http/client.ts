import type { Errno, Netns } from '@netsim/kernel';
import { formatEndpoint, type Ip } from '@netsim/wire';
import type { Programs } from '../programs.ts';
import { encodeRequest, type HttpRequest, type HttpResponse, ResponseReader } from './message.ts';
import { connectStream, type Stream } from './stream.ts';

/** Why a request got no response. */
export type HttpFailure = {
  readonly code: Errno | 'ETIMEDOUT' | 'EPROTO' | TlsCode;
  /** Before the connection was made, or after. */
  readonly phase: 'connect' | 'read';
  readonly message: string;
  /** It was closed without an answer. */
  readonly empty?: boolean;
};

/** What Node.js calls what is wrong with a certificate. */
type TlsCode =
  | 'CERT_NOT_YET_VALID'
  | 'CERT_HAS_EXPIRED'
  | 'DEPTH_ZERO_SELF_SIGNED_CERT'
  | 'SELF_SIGNED_CERT_IN_CHAIN'
  | 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'
  | 'ERR_TLS_CERT_ALTNAME_INVALID';

export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly code: HttpFailure['code'];
  readonly phase: HttpFailure['phase'];
  /** The server has closed the connection, in peace and without a word. */
  readonly empty: boolean;
  constructor({ code, phase, message, empty = false }: HttpFailure) {
    super(message);
    this.code = code;
    this.phase = phase;
    this.empty = empty;
  }
}

/** Asks on an open stream; `keep` says whether it may be used again. Returns what gives up. */
export function askStream(
  stream: Stream,
  request: HttpRequest,
  readTimeout: number,
  done: (result: HttpResponse | HttpFailure, keep: boolean) => void,
): () => void {
  const { connection } = stream;
  const { clock } = connection.netns.world;
  const reader = new ResponseReader();
  const where = formatEndpoint(connection.remoteAddress!, connection.remotePort);
  let over = false;
  const finish = (result: HttpResponse | HttpFailure, keep: boolean): void => {
    if (over) return;
    over = true;
    timer.cancel();
    done(result, keep);
  };
  const fail = (code: HttpFailure['code'], message: string): void =>
    finish({ code, phase: 'read', message: `${where}: ${message}` }, false);
  const timer = clock.schedule(clock.now + readTimeout, () => fail('ETIMEDOUT', 'no answer in time'));
  const read = (): void => {
    const response = reader.next(request.method);
    if (reader.error !== undefined) fail('EPROTO', reader.error);
    else if (response !== undefined) finish(response, reader.reusable);
  };
  stream.onData = (bytes) => {
    reader.push(bytes);
    read();
  };
  stream.onEnd = () => {
    reader.end();
    read();
    const message = `${where}: the connection was closed without an answer`;
    finish({ code: 'ECONNRESET', phase: 'read', message, empty: true }, false);
  };
  stream.onClose = (error) => fail(error || 'ECONNRESET', `connection ended: ${error || 'ECONNRESET'}`);
  const error = stream.send(encodeRequest(request));
  if (error !== '') clock.schedule(clock.now, () => fail(error, error));
  return () => {
    over = true;
    timer.cancel();
  };
}

export interface HttpCall {
  readonly netns: Netns;
  readonly programs: Pick<Programs, 'pending' | 'answered'>;
  readonly ip: Ip;
  readonly port: number;
  readonly request: HttpRequest;
  /** Virtual milliseconds until it gives up. */
  readonly timeout: number;
  readonly program?: string;
  /** Makes something else of the TCP stream, such as TLS. */
  readonly secure?: (stream: Stream, ready: (stream: Stream | HttpFailure) => void) => void;
}

/** One HTTP request over a TCP connection of the emulated network, in virtual time. */
export async function httpCall(call: HttpCall): Promise<HttpResponse> {
  const { netns, programs, ip, port, request, timeout, program = '', secure } = call;
  const { world } = netns;
  const deadline = world.clock.now + timeout;
  const where = formatEndpoint(ip, port);
  let result: HttpResponse | HttpFailure | undefined;
  let open: Stream | undefined;
  const ask = (stream: Stream | HttpFailure): void => {
    if ('code' in stream) result = stream;
    else {
      askStream(stream, request, deadline - world.clock.now, (given) => {
        result = given;
      });
    }
  };
  connectStream({ netns, ip, port, program, timeout }, (stream) => {
    if (typeof stream === 'string') {
      result = { code: stream, phase: 'connect', message: `connect ${stream} ${where}` };
      return;
    }
    open = stream;
    if (secure === undefined) ask(stream);
    else secure(stream, ask);
  });
  await drive(programs, netns, () => result !== undefined, deadline);
  if (result === undefined) result = { code: 'ETIMEDOUT', phase: 'read', message: `connect ETIMEDOUT ${where}` };
  if ('code' in result) {
    open?.abort();
    world.run();
    throw new HttpError(result);
  }
  open?.close();
  world.run();
  return result;
}

/** Lets virtual time pass until `done` or the deadline; programs that take real time to answer are waited for meanwhile. */
async function drive(
  programs: Pick<Programs, 'pending' | 'answered'>,
  netns: Netns,
  done: () => boolean,
  deadline: number,
): Promise<void> {
  const { world } = netns;
  for (;;) {
    world.run();
    if (done()) return;
    if (programs.pending > 0) await programs.answered();
    else if (!world.runUntil(() => done() || programs.pending > 0, deadline - world.clock.now)) return;
  }
}

import type { Errno, Netns, TcpConnection } from '@netsim/kernel';
import { formatEndpoint, type Ip } from '@netsim/wire';
import type { Programs } from '../programs.ts';
import { encodeRequest, type HttpRequest, type HttpResponse, MessageReader } from './message.ts';

/** Why a request got no response: the socket error, or that time ran out. */
class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly code: Errno | 'ETIMEDOUT' | 'EPROTO';
  constructor(code: HttpError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

export interface HttpCall {
  readonly netns: Netns;
  readonly programs: Programs;
  readonly ip: Ip;
  readonly port: number;
  readonly request: HttpRequest;
  /** Virtual milliseconds until it gives up. */
  readonly timeout: number;
  readonly program?: string;
}

/** One HTTP request over a TCP connection of the emulated network, in virtual time. */
export async function httpCall(call: HttpCall): Promise<HttpResponse> {
  const { netns, programs, ip, port, request, timeout } = call;
  const { world } = netns;
  const deadline = world.clock.now + timeout;
  const reader = new MessageReader();
  let response: HttpResponse | undefined;
  let failure: HttpError | undefined;
  const where = formatEndpoint(ip, port);
  const connection: TcpConnection = netns.sockets.tcp.connect({
    dst: ip,
    dport: port,
    ...(call.program === undefined ? {} : { program: call.program }),
    onConnect: (open) => {
      open.send(encodeRequest(request));
    },
    onData: (data, length) => {
      if (reader.push(data ?? new Uint8Array(length))) response ??= reader.response();
      if (reader.error !== undefined) failure ??= new HttpError('EPROTO', `${where}: ${reader.error}`);
    },
    onEnd: (open) => {
      if (response === undefined && reader.headComplete && reader.push(new Uint8Array(0), true))
        response = reader.response();
      if (response === undefined)
        failure ??= new HttpError('ECONNRESET', `${where}: the connection was closed without an answer`);
      open.close();
    },
    onClose: (error) => {
      if (response === undefined)
        failure ??= new HttpError(error === '' ? 'ECONNRESET' : error, `connect ${error || 'ECONNRESET'} ${where}`);
    },
  });
  if (connection.error !== '') failure ??= new HttpError(connection.error, `connect ${connection.error} ${where}`);
  const done = (): boolean => response !== undefined || failure !== undefined;
  while (!done()) {
    world.run();
    if (done()) break;
    if (programs.pending > 0) {
      await programs.answered();
      continue;
    }
    if (!world.runUntil(() => done() || programs.pending > 0, deadline - world.clock.now)) {
      failure = new HttpError('ETIMEDOUT', `connect ETIMEDOUT ${where}`);
    }
  }
  if (response === undefined) {
    connection.abort();
    world.run();
    throw failure!;
  }
  connection.close();
  world.run();
  return response;
}

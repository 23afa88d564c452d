import type { Query, ResolverClock, ResolverEvent, ResolverHost, SocketError, Transport } from './io.ts';
import { answerText, type Question, questionOf, type Reply, rcodeName } from './message.ts';

/** The sockets of one look-up, and the record of all that went over them. */
export class Sockets {
  readonly queries: Query[] = [];
  readonly start: number;
  readonly #host: ResolverHost;
  readonly #clock: ResolverClock;
  /** The questions of what was sent, which replies are compared with. */
  readonly #questions = new Map<Uint8Array, Question | undefined>();
  #next = 0;

  constructor(host: ResolverHost, clock: ResolverClock) {
    this.#host = host;
    this.#clock = clock;
    this.start = clock.now;
  }

  get now(): number {
    return this.#clock.now;
  }

  open(transport: Transport, connect?: string): number {
    const socket = this.#next++;
    this.#host.open(socket, transport, connect);
    return socket;
  }

  close(socket: number): void {
    this.#host.close(socket);
  }

  /** See {@link ResolverHost.poll}. */
  poll(): ResolverEvent | undefined {
    return this.#host.poll();
  }

  /** Sends; returns the error of the system call, if any. */
  send(socket: number, server: string, message: Uint8Array, transport: Transport = 'udp'): SocketError | undefined {
    const question = questionOf(message);
    this.#questions.set(message, question);
    const query: Query = {
      server,
      name: question?.name ?? '',
      type: question?.typeName ?? '',
      transport,
      at: this.now - this.start,
      message,
      answers: [],
    };
    this.queries.push(query);
    const error = this.#host.send(socket, server, message);
    if (error !== undefined) query.error = error;
    return error;
  }

  /** Notes that a socket was told of an error after it had sent these messages. */
  failed(messages: readonly Uint8Array[], error: SocketError): void {
    for (const message of messages) {
      const query = this.queries.findLast((candidate) => candidate.message === message);
      if (query !== undefined && query.reply === undefined) query.error ??= error;
    }
  }

  /** Notes that a reply was taken for the last query with its identifier that went to that server. */
  took(server: string, bytes: Uint8Array, reply: Reply): void {
    const query = this.queries.findLast(
      (candidate) =>
        candidate.server === server && candidate.reply === undefined && sameId(candidate.message, reply.id),
    );
    if (query === undefined) return;
    query.reply = bytes;
    query.repliedAt = this.now - this.start;
    query.rcode = rcodeName(reply.rcode);
    query.answers = reply.answers.map(answerText);
  }

  /** True where the reply repeats the question of a message that was sent, without regard to case. */
  answers(reply: Reply, message: Uint8Array): boolean {
    const asked = this.#questions.get(message);
    return asked?.name.toLowerCase() === reply.questionName && asked?.type === reply.questionType;
  }
}

export function sameId(message: Uint8Array, id: number): boolean {
  return message[0] === id >> 8 && message[1] === (id & 255);
}

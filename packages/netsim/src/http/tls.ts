import type { Errno } from '@netsim/kernel';
import { join } from './der.ts';
import type { Stream } from './stream.ts';

/**
 * TLS 1.2 (RFC 5246) as it looks from outside: the records and handshake messages that a capture shows, with the server name
 * of the client and the certificates of the server. Nothing is encrypted, signed or proven.
 */

const VERSION = [3, 3] as const;
const ContentType = { CHANGE_CIPHER_SPEC: 20, ALERT: 21, HANDSHAKE: 22, APPLICATION_DATA: 23 } as const;
const CLIENT_HELLO = 1;
const SERVER_HELLO = 2;
const CERTIFICATE = 11;
const SERVER_KEY_EXCHANGE = 12;
const SERVER_HELLO_DONE = 14;
const CLIENT_KEY_EXCHANGE = 16;
/** TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256. */
const CIPHER = [0xc0, 0x2f] as const;
const RECORD_LIMIT = 16_384;
const HANDSHAKE_LIMIT = 256 * 1024;
/** `handshake_failure`, as nginx sends it where it has no certificate; `unrecognized_name` is never sent. */
const HANDSHAKE_FAILURE = 40;

/** Why a handshake failed: an alert of the server, or that it speaks something else. */
export interface TlsFailure {
  readonly reason: 'wrong version number' | 'alert handshake failure' | 'closed';
  readonly error: Errno | '';
}

/** A stream inside TLS. */
class TlsStream implements Stream {
  readonly connection: Stream['connection'];
  readonly #below: Stream;
  readonly #reader = new RecordReader();
  onData: Stream['onData'] = () => {};
  onEnd: Stream['onEnd'] = () => {};
  onClose: Stream['onClose'] = () => {};
  /** Handshake messages, until it is done. */
  onHandshake: ((type: number, body: Uint8Array) => void) | undefined;
  onAlert: (code: number) => void = () => {};
  /** What came is no TLS. */
  onForeign: (bytes: Uint8Array) => void = () => {};
  #handshake: Uint8Array = new Uint8Array(0);

  constructor(below: Stream) {
    this.#below = below;
    this.connection = below.connection;
    below.onData = (bytes) => this.#receive(bytes);
    below.onEnd = () => this.onEnd();
    below.onClose = (error) => this.onClose(error);
  }

  send(bytes: Uint8Array): Errno | '' {
    let error: Errno | '' = '';
    for (let at = 0; at < bytes.length && error === ''; at += RECORD_LIMIT)
      error = this.record(ContentType.APPLICATION_DATA, bytes.subarray(at, at + RECORD_LIMIT));
    return error;
  }
  record(type: number, body: Uint8Array | readonly number[]): Errno | '' {
    return this.#below.send(join([[type, ...VERSION, body.length >> 8, body.length & 0xff], body]));
  }
  handshake(type: number, body: Uint8Array | readonly number[]): void {
    this.record(ContentType.HANDSHAKE, handshakeMessage(type, body));
  }
  /** The messages of one flight; long ones are cut into records. */
  flight(...messages: readonly Uint8Array[]): void {
    const whole = join(messages);
    for (let at = 0; at < whole.length; at += RECORD_LIMIT)
      this.record(ContentType.HANDSHAKE, whole.subarray(at, at + RECORD_LIMIT));
  }
  /** ChangeCipherSpec, and a Finished that nobody can read. */
  finish(): void {
    this.record(ContentType.CHANGE_CIPHER_SPEC, [1]);
    this.record(ContentType.HANDSHAKE, this.random(40));
  }
  alert(code: number): void {
    this.record(ContentType.ALERT, [2, code]);
  }
  close(): void {
    this.record(ContentType.ALERT, [1, 0]);
    this.#below.close();
  }
  abort(): void {
    this.#below.abort();
  }
  random(length: number): Uint8Array {
    const { random } = this.connection.netns;
    return Uint8Array.from({ length }, () => random.below(256));
  }

  #receive(bytes: Uint8Array): void {
    this.#reader.push(bytes);
    if (!this.#reader.isTls) {
      this.onForeign(this.#reader.rest);
      return;
    }
    for (let record = this.#reader.next(); record !== undefined; record = this.#reader.next()) {
      const { type, body } = record;
      if (type === ContentType.APPLICATION_DATA) this.onData(body);
      else if (type === ContentType.ALERT && body[0] === 2) this.onAlert(body[1] ?? 0);
      else if (type === ContentType.HANDSHAKE && this.onHandshake !== undefined) this.#messages(body);
    }
  }

  #messages(body: Uint8Array): void {
    this.#handshake = join([this.#handshake, body]);
    for (;;) {
      const { onHandshake } = this;
      const length = uint(this.#handshake, 1, 3);
      if (onHandshake === undefined || this.#handshake.length < 4 || this.#handshake.length < 4 + length) break;
      const type = this.#handshake[0]!;
      const message = this.#handshake.subarray(4, 4 + length);
      this.#handshake = this.#handshake.subarray(4 + length);
      onHandshake(type, message);
    }
    if (this.#handshake.length > HANDSHAKE_LIMIT) this.abort();
  }
}

export interface TlsServerOptions {
  /** The certificates for a server name, the server's own first; undefined: the handshake fails. */
  certificates(serverName: string | undefined): readonly Uint8Array[] | undefined;
  ready(stream: Stream, serverName: string | undefined): void;
  /** The client does not speak TLS: what it sent so far. */
  plain(stream: Stream, bytes: Uint8Array): void;
}

/** The server's end. */
export function acceptTls(below: Stream, { certificates, ready, plain }: TlsServerOptions): void {
  const tls = new TlsStream(below);
  tls.onEnd = () => tls.connection.close();
  tls.onForeign = (bytes) => plain(below, bytes);
  tls.onAlert = () => tls.abort();
  let serverName: string | undefined;
  tls.onHandshake = (type, body) => {
    if (type === CLIENT_HELLO) {
      serverName = serverNameOf(body);
      const chain = certificates(serverName);
      if (chain === undefined) {
        tls.alert(HANDSHAKE_FAILURE);
        tls.connection.close();
        return;
      }
      tls.flight(
        handshakeMessage(SERVER_HELLO, [...VERSION, ...tls.random(32), 0, ...CIPHER, 0]),
        handshakeMessage(CERTIFICATE, withLength(join(chain.map((der) => withLength(der, 3))), 3)),
        handshakeMessage(SERVER_KEY_EXCHANGE, [3, 0, 0x17, 65, 4, ...tls.random(64), 4, 1, 0, 64, ...tls.random(64)]),
        handshakeMessage(SERVER_HELLO_DONE, []),
      );
    } else if (type === CLIENT_KEY_EXCHANGE) {
      tls.onHandshake = undefined;
      tls.finish();
      ready(tls, serverName);
    }
  };
}

/**
 * Waits for the first record of a client and tells the server name in it; undefined for what is no TLS, or names none. `replay`
 * gives what has come to whoever has set the stream's functions by then.
 */
export function peekServerName(
  stream: Stream,
  done: (serverName: string | undefined, replay: () => void) => void,
): void {
  let seen: Uint8Array = new Uint8Array(0);
  stream.onData = (bytes) => {
    seen = join([seen, bytes]);
    const reader = new RecordReader();
    reader.push(seen);
    const record = reader.isTls ? reader.next() : undefined;
    if (reader.isTls && record === undefined) return;
    const hello = record?.body[0] === CLIENT_HELLO ? serverNameOf(record.body.subarray(4)) : undefined;
    done(hello, () => stream.onData(seen));
  };
  stream.onEnd = () => stream.close();
}

export interface TlsClientOptions {
  /** Undefined for an address, which is no server name. */
  readonly serverName: string | undefined;
  /** Called with the server's certificates, its own first, before anything is sent through; false ends the connection. */
  accept(certificates: readonly Uint8Array[]): boolean;
  ready(stream: Stream): void;
  failed(failure: TlsFailure): void;
}

/** The client's end. */
export function connectTls(below: Stream, { serverName, accept, ready, failed }: TlsClientOptions): void {
  const tls = new TlsStream(below);
  let over = false;
  const fail = (failure: TlsFailure): void => {
    if (over) return;
    over = true;
    tls.abort();
    failed(failure);
  };
  tls.onForeign = () => fail({ reason: 'wrong version number', error: '' });
  tls.onAlert = () => fail({ reason: 'alert handshake failure', error: '' });
  tls.onEnd = () => fail({ reason: 'closed', error: '' });
  tls.onClose = (error) => fail({ reason: 'closed', error });
  let chain: readonly Uint8Array[] = [];
  tls.onHandshake = (type, body) => {
    if (type === CERTIFICATE) chain = certificatesOf(body);
    if (type !== SERVER_HELLO_DONE || over) return;
    over = true;
    tls.onHandshake = undefined;
    if (!accept(chain)) {
      tls.alert(42);
      tls.connection.close();
      return;
    }
    tls.handshake(CLIENT_KEY_EXCHANGE, [65, 4, ...tls.random(64)]);
    tls.finish();
    tls.onEnd = () => {};
    tls.onClose = () => {};
    ready(tls);
  };
  tls.handshake(CLIENT_HELLO, clientHello(tls.random(32), serverName));
}

/** Splits bytes into records. */
class RecordReader {
  #bytes: Uint8Array = new Uint8Array(0);

  push(bytes: Uint8Array): void {
    this.#bytes = join([this.#bytes, bytes]);
  }
  get rest(): Uint8Array {
    return this.#bytes;
  }
  get isTls(): boolean {
    const [type = ContentType.HANDSHAKE, major = 3] = this.#bytes;
    return type >= ContentType.CHANGE_CIPHER_SPEC && type <= ContentType.APPLICATION_DATA && major === 3;
  }
  next(): { type: number; body: Uint8Array } | undefined {
    if (this.#bytes.length < 5) return undefined;
    const end = 5 + uint(this.#bytes, 3, 2);
    if (this.#bytes.length < end) return undefined;
    const record = { type: this.#bytes[0]!, body: this.#bytes.subarray(5, end) };
    this.#bytes = this.#bytes.subarray(end);
    return record;
  }
}

function handshakeMessage(type: number, body: Uint8Array | readonly number[]): Uint8Array {
  return join([[type, body.length >> 16, (body.length >> 8) & 0xff, body.length & 0xff], body]);
}

function withLength(body: Uint8Array | readonly number[], size: 1 | 2 | 3): Uint8Array {
  const length = Array.from({ length: size }, (_, at) => (body.length >> (8 * (size - 1 - at))) & 0xff);
  return join([length, body]);
}

function uint(bytes: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let index = at; index < at + size; index++) value = value * 256 + (bytes[index] ?? 0);
  return value;
}

function extension(type: number, body: Uint8Array | readonly number[]): Uint8Array {
  return join([[type >> 8, type & 0xff], withLength(body, 2)]);
}

function clientHello(random: Uint8Array, serverName: string | undefined): Uint8Array {
  const encoder = new TextEncoder();
  const name = serverName === undefined ? undefined : encoder.encode(serverName);
  const extensions = [
    ...(name === undefined ? [] : [extension(0, withLength(join([[0], withLength(name, 2)]), 2))]),
    extension(10, [0, 4, 0, 0x1d, 0, 0x17]),
    extension(11, [1, 0]),
    extension(13, [0, 6, 4, 3, 8, 4, 4, 1]),
    extension(16, withLength(withLength(encoder.encode('http/1.1'), 1), 2)),
  ];
  return join([VERSION, random, [0], [0, 2, ...CIPHER], [1, 0], withLength(join(extensions), 2)]);
}

/** The host name of the server_name extension (RFC 6066). */
function serverNameOf(hello: Uint8Array): string | undefined {
  let at = 34;
  at += 1 + uint(hello, at, 1);
  at += 2 + uint(hello, at, 2);
  at += 1 + uint(hello, at, 1);
  const end = Math.min(hello.length, at + 2 + uint(hello, at, 2));
  at += 2;
  while (at + 4 <= end) {
    const type = uint(hello, at, 2);
    const length = uint(hello, at + 2, 2);
    if (type === 0) return new TextDecoder('latin1').decode(hello.subarray(at + 9, at + 4 + length)).toLowerCase();
    at += 4 + length;
  }
  return undefined;
}

function certificatesOf(body: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let at = 3; at + 3 <= body.length; ) {
    const length = uint(body, at, 3);
    found.push(body.subarray(at + 3, at + 3 + length));
    at += 3 + length;
  }
  return found;
}

/** HTTP/1.1 messages over emulated TCP: enough for what clients, servers and proxies of a cluster say to each other. RFC 9112. */

/** A header field as it was sent: the case of its name and its place among the others are kept. */
export type Field = readonly [name: string, value: string];

export interface HttpRequest {
  readonly method: string;
  /** The request target as sent: `/path?query`, `http://host/path`, `*`. */
  readonly target: string;
  readonly version: '1.0' | '1.1';
  readonly fields: readonly Field[];
  readonly body: Uint8Array;
}

export interface HttpResponse {
  readonly status: number;
  readonly statusText?: string;
  readonly fields: readonly Field[];
  readonly body: Uint8Array;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('latin1');
/** A head larger than this is refused, as servers do. */
const HEAD_LIMIT = 64 * 1024;
const EMPTY = new Uint8Array(0);

const reasons: Record<number, string> = {
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  204: 'No Content',
  206: 'Partial Content',
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  304: 'Not Modified',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  413: 'Request Entity Too Large',
  414: 'Request-URI Too Large',
  421: 'Misdirected Request',
  426: 'Upgrade Required',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
};

export function statusText(status: number): string {
  return reasons[status] ?? '';
}

/** The value of the first field of that name. */
export function fieldOf({ fields }: { readonly fields: readonly Field[] }, name: string): string | undefined {
  const wanted = name.toLowerCase();
  return fields.find(([each]) => each.toLowerCase() === wanted)?.[1];
}

/** A response with text in it. */
export function textResponse(status: number, text: string, fields: readonly Field[] = []): HttpResponse {
  return { status, fields: [['Content-Type', 'text/plain;charset=UTF-8'], ...fields], body: encoder.encode(text) };
}

/** Does the sender of this message want the connection to stay open? RFC 9112, 9.3. */
export function keepsAlive(version: '1.0' | '1.1', message: { readonly fields: readonly Field[] }): boolean {
  const wish = (fieldOf(message, 'connection') ?? '').toLowerCase().split(/\s*,\s*/);
  return version === '1.1' ? !wish.includes('close') : wish.includes('keep-alive');
}

function message(start: string, fields: readonly Field[], body: Uint8Array): Uint8Array {
  let head = `${start}\r\n`;
  for (const [name, value] of fields) head += `${name}: ${value}\r\n`;
  const bytes = encoder.encode(`${head}\r\n`);
  if (body.length === 0) return bytes;
  const whole = new Uint8Array(bytes.length + body.length);
  whole.set(bytes);
  whole.set(body, bytes.length);
  return whole;
}

function withLength(fields: readonly Field[], body: Uint8Array): readonly Field[] {
  if (fieldOf({ fields }, 'content-length') !== undefined) return fields;
  return [...fields, ['Content-Length', String(body.length)]];
}

export function encodeRequest({ method, target, version, fields, body }: HttpRequest): Uint8Array {
  return message(`${method} ${target} HTTP/${version}`, body.length > 0 ? withLength(fields, body) : fields, body);
}

/** `method`: of the request that it answers; to HEAD no body is sent. */
export function encodeResponse(response: HttpResponse, method = 'GET'): Uint8Array {
  const { status, fields, body } = response;
  const phrase = response.statusText || statusText(status);
  const bodyless = status === 204 || status === 304 || status < 200;
  return message(
    `HTTP/1.1 ${status} ${phrase}`,
    bodyless ? fields : withLength(fields, body),
    bodyless || method === 'HEAD' ? EMPTY : body,
  );
}

/** Reads messages one after the other from the bytes of a connection as they arrive. */
class MessageReader {
  #bytes: Uint8Array = EMPTY;
  #bodyStart = -1;
  #ended = false;
  protected start = '';
  protected fields: Field[] = [];

  /** Set where the bytes are no HTTP; nothing more is read then. */
  error: string | undefined;

  push(bytes: Uint8Array): void {
    if (this.#bytes.length === 0) {
      this.#bytes = bytes;
      return;
    }
    const whole = new Uint8Array(this.#bytes.length + bytes.length);
    whole.set(this.#bytes);
    whole.set(bytes, this.#bytes.length);
    this.#bytes = whole;
  }

  /** The peer sends no more. */
  end(): void {
    this.#ended = true;
  }

  /** Nothing of a message has come, or all that came was taken. */
  get idle(): boolean {
    return this.#bytes.length === 0;
  }

  /**
   * The body of the next message when it is whole; its head stands in `start` and `fields`. `bodyless`: whatever its fields
   * say; `untilEnd`: without a length it lasts until the peer closes.
   */
  protected body(bodyless: () => boolean, untilEnd: boolean): Uint8Array | undefined {
    if (this.error !== undefined || (this.#bodyStart < 0 && !this.#readHead())) return undefined;
    const length = bodyless() ? '0' : fieldOf({ fields: this.fields }, 'content-length');
    if (length !== undefined && !/^[0-9]+$/.test(length)) {
      this.error = `bad Content-Length ${JSON.stringify(length)}`;
      return undefined;
    }
    const start = this.#bodyStart;
    const end = length === undefined ? (untilEnd ? this.#bytes.length : start) : start + Number(length);
    if (this.#bytes.length < end || (length === undefined && untilEnd && !this.#ended)) return undefined;
    const body = this.#bytes.subarray(start, end);
    this.#bytes = this.#bytes.subarray(end);
    this.#bodyStart = -1;
    return body;
  }

  #readHead(): boolean {
    const text = decoder.decode(this.#bytes.subarray(0, HEAD_LIMIT));
    const end = text.indexOf('\r\n\r\n');
    if (end < 0) {
      // The first byte of a TLS handshake: no line will ever end.
      if (this.#bytes[0] === 0x16) this.error = 'TLS, not HTTP';
      if (this.#bytes.length >= HEAD_LIMIT) this.error = 'the head of the message is longer than 64 KiB';
      return false;
    }
    const [start = '', ...lines] = text.slice(0, end).split('\r\n');
    if (!/^([A-Z]+ \S+ HTTP\/1\.[01]|HTTP\/1\.[01] [0-9]{3}( .*)?)$/.test(start)) {
      this.error = 'no HTTP message';
      return false;
    }
    this.start = start;
    this.fields = [];
    for (const line of lines) {
      const colon = line.indexOf(':');
      if (colon <= 0) continue;
      const value = line.slice(colon + 1).trim();
      if (value.includes('\0') || value.includes('\r') || value.includes('\n')) {
        this.error = `bad header line ${JSON.stringify(line)}`;
        return false;
      }
      this.fields.push([line.slice(0, colon), value]);
    }
    this.#bodyStart = end + 4;
    return true;
  }
}

export class RequestReader extends MessageReader {
  next(): HttpRequest | undefined {
    const body = this.body(() => false, false);
    if (body === undefined) return undefined;
    const [method = '', target = '/', protocol = ''] = this.start.split(' ');
    return { method, target, version: protocol === 'HTTP/1.0' ? '1.0' : '1.1', fields: this.fields, body };
  }
}

export class ResponseReader extends MessageReader {
  /** `method`: of the request that is answered. */
  next(method: string): HttpResponse | undefined {
    const status = (): number => Number(this.start.split(' ')[1] ?? 0);
    const body = this.body(() => method === 'HEAD' || status() === 204 || status() === 304, true);
    if (body === undefined) return undefined;
    return { status: status(), statusText: this.start.split(' ').slice(2).join(' '), fields: this.fields, body };
  }

  /** May the connection be used for another request after this response? */
  get reusable(): boolean {
    return (
      fieldOf({ fields: this.fields }, 'content-length') !== undefined &&
      keepsAlive(this.start.startsWith('HTTP/1.0') ? '1.0' : '1.1', { fields: this.fields })
    );
  }
}

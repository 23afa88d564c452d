/** HTTP/1.1 messages over emulated TCP: enough for what clients and servers of a cluster say to each other. RFC 9112. */

export interface HttpRequest {
  readonly method: string;
  /** Origin form: path and query. */
  readonly target: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

export interface HttpResponse {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('latin1');
/** A head larger than this is refused, as servers do. */
const HEAD_LIMIT = 64 * 1024;

const reasons: Record<number, string> = {
  200: 'OK',
  201: 'Created',
  204: 'No Content',
  301: 'Moved Permanently',
  302: 'Found',
  304: 'Not Modified',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};
function statusText(status: number): string {
  return reasons[status] ?? '';
}

function message(start: string, headers: Iterable<[string, string]>, body: Uint8Array): Uint8Array {
  let head = `${start}\r\n`;
  for (const [name, value] of headers) head += `${name}: ${value}\r\n`;
  const bytes = encoder.encode(`${head}\r\n`);
  const whole = new Uint8Array(bytes.length + body.length);
  whole.set(bytes);
  whole.set(body, bytes.length);
  return whole;
}

export function encodeRequest(request: HttpRequest): Uint8Array {
  const headers: [string, string][] = [...request.headers];
  if (request.body.length > 0 && !request.headers.has('content-length'))
    headers.push(['content-length', String(request.body.length)]);
  return message(`${request.method} ${request.target} HTTP/1.1`, headers, request.body);
}

export function encodeResponse(response: HttpResponse): Uint8Array {
  const headers: [string, string][] = [...response.headers];
  if (!response.headers.has('content-length')) headers.push(['content-length', String(response.body.length)]);
  const phrase = response.statusText || statusText(response.status);
  return message(`HTTP/1.1 ${response.status} ${phrase}`, headers, response.body);
}

/** Collects the bytes of one message as they arrive. */
export class MessageReader {
  #bytes: Uint8Array = new Uint8Array(0);
  #bodyStart = -1;
  #start = '';
  #headers = new Headers();

  /** Set where the bytes are no HTTP; nothing more is read then. */
  error: string | undefined;

  /** Adds bytes; `ended` says that the peer has closed. Returns true when the message is whole. */
  push(bytes: Uint8Array, ended = false): boolean {
    const whole = new Uint8Array(this.#bytes.length + bytes.length);
    whole.set(this.#bytes);
    whole.set(bytes, this.#bytes.length);
    this.#bytes = whole;
    if (this.#bodyStart < 0 && !this.#readHead()) return false;
    const length = this.#headers.get('content-length');
    if (length !== null) return this.#bytes.length - this.#bodyStart >= Number(length);
    // Without a length, a request has no body and a response lasts until the peer closes.
    return !this.#start.startsWith('HTTP/') || ended;
  }

  get headComplete(): boolean {
    return this.#bodyStart >= 0;
  }

  request(): HttpRequest {
    const [method = '', target = '/'] = this.#start.split(' ');
    return { method, target, headers: this.#headers, body: this.#body() };
  }

  response(): HttpResponse {
    const [, status = '0', ...phrase] = this.#start.split(' ');
    return { status: Number(status), statusText: phrase.join(' '), headers: this.#headers, body: this.#body() };
  }

  #body(): Uint8Array {
    const length = this.#headers.get('content-length');
    return this.#bytes.subarray(this.#bodyStart, length === null ? undefined : this.#bodyStart + Number(length));
  }

  #readHead(): boolean {
    const text = decoder.decode(this.#bytes.subarray(0, HEAD_LIMIT));
    const end = text.indexOf('\r\n\r\n');
    if (end < 0) {
      if (this.#bytes.length >= HEAD_LIMIT) this.error = 'the head of the message is longer than 64 KiB';
      return false;
    }
    const [start = '', ...lines] = text.slice(0, end).split('\r\n');
    if (!/^([A-Z]+ \S+ HTTP\/1\.[01]|HTTP\/1\.[01] [0-9]{3}( .*)?)$/.test(start)) {
      this.error = 'no HTTP message';
      return false;
    }
    this.#start = start;
    for (const line of lines) {
      const colon = line.indexOf(':');
      if (colon <= 0) continue;
      try {
        this.#headers.append(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
      } catch {
        this.error = `bad header line ${JSON.stringify(line)}`;
        return false;
      }
    }
    this.#bodyStart = end + 4;
    return true;
  }
}

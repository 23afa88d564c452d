import type { Inbox } from '../tcp-attempt.ts';

/** Reads one HTTP/1.1 response from an inbox, keeping its head as it came. */
export class ResponseReader {
  readonly #headOnly: boolean;
  #bytes: Uint8Array = new Uint8Array(0);
  #bodyStart = -1;
  head = '';
  complete = false;
  error: string | undefined;
  length: number | undefined;

  constructor(headOnly: boolean) {
    this.#headOnly = headOnly;
  }

  get received(): number {
    return this.#bodyStart < 0 ? 0 : this.#bytes.length - this.#bodyStart;
  }

  /** Whether a byte of the response has come. */
  get started(): boolean {
    return this.#bytes.length > 0;
  }

  /** Looks at what has come. True when there is nothing more to wait for. */
  feed(inbox: Inbox): boolean {
    this.#bytes = inbox.bytes;
    const over = inbox.ended || inbox.closed;
    if (this.#bodyStart < 0) {
      const text = new TextDecoder('latin1').decode(this.#bytes);
      if (text.length >= 5 && !text.startsWith('HTTP/')) {
        this.error = 'Received HTTP/0.9 when not allowed';
        this.complete = true;
        return true;
      }
      const end = text.indexOf('\r\n\r\n');
      if (end < 0) return over;
      this.head = text.slice(0, end + 4);
      this.#bodyStart = end + 4;
      const length = this.header('content-length');
      this.length = length === undefined ? undefined : Number(length);
    }
    const { status } = this;
    if (
      this.#headOnly ||
      status === 204 ||
      status === 304 ||
      (this.length !== undefined && this.received >= this.length)
    ) {
      this.complete = true;
      return true;
    }
    // Without a length the body ends with the connection.
    if (over && this.length === undefined && inbox.error === '') this.complete = true;
    return over;
  }

  header(name: string): string | undefined {
    return this.all(name)[0];
  }

  /** The values of all fields of a name. */
  all(name: string): string[] {
    return this.head.split('\r\n').flatMap((line) => {
      const colon = line.indexOf(':');
      return colon > 0 && line.slice(0, colon).toLowerCase() === name ? [line.slice(colon + 1).trim()] : [];
    });
  }

  get status(): number {
    return Number(/^HTTP\/1\.[01] ([0-9]{3})/.exec(this.head)?.[1] ?? 0);
  }

  /** May the connection be used once more? */
  get keepsAlive(): boolean {
    const wish = (this.header('connection') ?? '').toLowerCase();
    if (this.length === undefined && this.status !== 204 && this.status !== 304 && !this.#headOnly) return false;
    return this.head.startsWith('HTTP/1.1') ? !wish.includes('close') : wish.includes('keep-alive');
  }

  /** The body, or what has come of it. */
  body(): Uint8Array {
    if (this.#bodyStart < 0 || this.#headOnly) return new Uint8Array(0);
    return this.#bytes.subarray(this.#bodyStart, this.length === undefined ? undefined : this.#bodyStart + this.length);
  }
}

/** A DNS message on TCP: two octets of length before it. RFC 1035, section 4.2.2. */
export function frame(message: Uint8Array): Uint8Array {
  const framed = new Uint8Array(message.length + 2);
  framed[0] = message.length >> 8;
  framed[1] = message.length & 255;
  framed.set(message, 2);
  return framed;
}

/** Cuts a stream into DNS messages. */
export class FrameReader {
  #bytes: Uint8Array = new Uint8Array(0);

  /** Adds octets; returns the messages that are whole now. */
  push(bytes: Uint8Array): Uint8Array[] {
    const all = new Uint8Array(this.#bytes.length + bytes.length);
    all.set(this.#bytes);
    all.set(bytes, this.#bytes.length);
    const messages: Uint8Array[] = [];
    let at = 0;
    while (at + 2 <= all.length) {
      const end = at + 2 + ((all[at]! << 8) | all[at + 1]!);
      if (end > all.length) break;
      messages.push(all.slice(at + 2, end));
      at = end;
    }
    this.#bytes = all.subarray(at);
    return messages;
  }
}

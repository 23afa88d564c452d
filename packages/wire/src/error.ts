/** What is wrong with bytes that should be a packet. */
export type WireErrorCode = 'truncated' | 'malformed' | 'checksum';

/** Thrown where bytes are not a packet of the protocol, or a value does not fit its field. */
export class WireError extends Error {
  override readonly name = 'WireError';
  readonly code: WireErrorCode;
  readonly protocol: string;
  constructor(protocol: string, code: WireErrorCode, detail: string) {
    super(`${protocol}: ${detail}`);
    this.code = code;
    this.protocol = protocol;
  }
}

/** For the end of a `switch` over a closed union: the compiler sees that nothing is left. */
export function assertNever(value: never): never {
  throw new TypeError(`unexpected value ${JSON.stringify(value)}`);
}

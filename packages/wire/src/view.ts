import { WireError } from './error.ts';

/**
 * A packet of one protocol, seen through the bytes that hold it: each getter and setter is one header field.
 * Nothing is copied; a view over a part of a larger buffer changes that buffer.
 *
 * A view can be made of any bytes that are long enough for the fixed header (else {@link WireError} `truncated`), so that its
 * getters never run past the end. Whether the lengths *inside* the packet make sense is what {@link fault} says.
 */
export abstract class View {
  readonly layer: string;
  readonly bytes: Uint8Array;
  protected readonly data: DataView;

  constructor(layer: string, bytes: Uint8Array, headerLength: number) {
    if (bytes.length < headerLength) {
      throw new WireError(layer, 'truncated', `${bytes.length} bytes, the header needs ${headerLength}`);
    }
    this.layer = layer;
    this.bytes = bytes;
    this.data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** What contradicts the protocol's own lengths and constants, or `undefined` where nothing does. Checksums are not looked at. */
  abstract fault(): string | undefined;

  isValid(): boolean {
    return this.fault() === undefined;
  }

  /** Returns itself, or throws {@link WireError} `malformed`. */
  check(): this {
    const fault = this.fault();
    if (fault !== undefined) throw new WireError(this.layer, 'malformed', fault);
    return this;
  }
}

/** Throws {@link WireError} where a value cannot stand in a field of so many bits. */
export function fits(protocol: string, field: string, value: number, bits: number): number {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** bits) {
    throw new WireError(protocol, 'malformed', `${field} ${value} does not fit in ${bits} bits`);
  }
  return value;
}

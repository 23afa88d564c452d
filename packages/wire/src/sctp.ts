import { crc32c } from './checksum.ts';
import { WireError } from './error.ts';
import { PortsView } from './ports-view.ts';
import { fits } from './view.ts';

export const SCTP_HEADER = 12;
export const SCTP_CHUNK_HEADER = 4;

/** SCTP chunk types (RFC 9260, 3.2). */
export const SctpChunkType = {
  DATA: 0,
  INIT: 1,
  INIT_ACK: 2,
  SACK: 3,
  HEARTBEAT: 4,
  HEARTBEAT_ACK: 5,
  ABORT: 6,
  SHUTDOWN: 7,
  SHUTDOWN_ACK: 8,
  ERROR: 9,
  COOKIE_ECHO: 10,
  COOKIE_ACK: 11,
  SHUTDOWN_COMPLETE: 14,
} as const;

export interface SctpChunk {
  /** {@link SctpChunkType}. */
  readonly type: number;
  readonly flags: number;
  /** Without the chunk header and the padding to 4 bytes. */
  readonly value: Uint8Array;
}

/** SCTP (RFC 9260). */
export interface SctpPacket {
  readonly sport: number;
  readonly dport: number;
  readonly verificationTag: number;
  readonly chunks: readonly SctpChunk[];
}

/** See {@link SctpPacket}. */
export class SctpView extends PortsView {
  constructor(bytes: Uint8Array) {
    super('SCTP', bytes, SCTP_HEADER);
  }
  fault(): string | undefined {
    for (let at = SCTP_HEADER; at < this.bytes.length; ) {
      if (at + SCTP_CHUNK_HEADER > this.bytes.length) return 'chunk header runs past the end';
      const length = this.data.getUint16(at + 2);
      if (length < SCTP_CHUNK_HEADER) return `chunk length ${length} is less than ${SCTP_CHUNK_HEADER}`;
      if (at + length > this.bytes.length) return `chunk of ${length} bytes runs past the end`;
      at += padded(length);
    }
    return undefined;
  }
  get verificationTag(): number {
    return this.data.getUint32(4);
  }
  set verificationTag(value: number) {
    this.data.setUint32(4, value);
  }
  get checksum(): number {
    return this.data.getUint32(8, true);
  }
  set checksum(value: number) {
    this.data.setUint32(8, value, true);
  }
  /** The chunks, up to the first that does not fit. */
  get chunks(): SctpChunk[] {
    const chunks: SctpChunk[] = [];
    for (let at = SCTP_HEADER; at + SCTP_CHUNK_HEADER <= this.bytes.length; ) {
      const length = this.data.getUint16(at + 2);
      if (length < SCTP_CHUNK_HEADER || at + length > this.bytes.length) break;
      const value = this.bytes.subarray(at + SCTP_CHUNK_HEADER, at + length);
      chunks.push({ type: this.bytes[at], flags: this.bytes[at + 1], value });
      at += padded(length);
    }
    return chunks;
  }
  hasValidChecksum(): boolean {
    return this.checksum === this.#checksum();
  }
  fillChecksum(): void {
    this.checksum = this.#checksum();
  }
  #checksum(): number {
    const copy = this.bytes.slice();
    copy.fill(0, 8, 12);
    return crc32c(copy);
  }
}

function padded(length: number): number {
  return (length + 3) & ~3;
}

/** Throws WireError where the bytes are not SCTP or the CRC32c is wrong. Chunk values are parts of `bytes`. */
export function parseSctp(bytes: Uint8Array): SctpPacket {
  const view = new SctpView(bytes).check();
  if (!view.hasValidChecksum()) throw new WireError('SCTP', 'checksum', 'wrong CRC32c');
  const { sport, dport, verificationTag, chunks } = view;
  return { sport, dport, verificationTag, chunks };
}

export function encodeSctp(packet: SctpPacket): Uint8Array {
  let length = SCTP_HEADER;
  for (const chunk of packet.chunks) length += padded(SCTP_CHUNK_HEADER + chunk.value.length);
  const bytes = new Uint8Array(length);
  const view = new SctpView(bytes);
  view.sport = fits('SCTP', 'sport', packet.sport, 16);
  view.dport = fits('SCTP', 'dport', packet.dport, 16);
  view.verificationTag = fits('SCTP', 'verification tag', packet.verificationTag, 32);
  let at = SCTP_HEADER;
  for (const { type, flags, value } of packet.chunks) {
    const chunkLength = fits('SCTP', 'chunk length', SCTP_CHUNK_HEADER + value.length, 16);
    bytes[at] = fits('SCTP', 'chunk type', type, 8);
    bytes[at + 1] = fits('SCTP', 'chunk flags', flags, 8);
    bytes[at + 2] = chunkLength >> 8;
    bytes[at + 3] = chunkLength & 255;
    bytes.set(value, at + SCTP_CHUNK_HEADER);
    at += padded(chunkLength);
  }
  view.fillChecksum();
  return bytes;
}

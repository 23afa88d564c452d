import { fits } from './view.ts';

/** A device packets were seen on. */
export interface CaptureInterface {
  /** As Wireshark shows it: `w1-k8s/flannel.1`. */
  readonly name: string;
  readonly description?: string;
}

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const ENHANCED_PACKET = 6;
const LINKTYPE_ETHERNET = 1;
const Option = { COMMENT: 1, IF_NAME: 2, IF_DESCRIPTION: 3, IF_TSRESOL: 9, SHB_USERAPPL: 4 } as const;
const MICROSECONDS = 6;

/** A capture in pcapng (draft-ietf-opsawg-pcapng), with one interface per device. Little endian; nothing is written to a file. */
export class PcapngWriter {
  readonly #blocks: Uint8Array[] = [sectionHeader()];
  #interfaces = 0;

  /** Returns the number that its packets are added with. */
  addInterface(device: CaptureInterface): number {
    this.#blocks.push(interfaceDescription(device));
    return this.#interfaces++;
  }

  /**
   * Adds a whole Ethernet frame. The timestamp is in microseconds since the epoch of the capture's clock; a fraction is
   * cut off. Wireshark shows the comment with the packet. Throws RangeError for an interface that was not added.
   */
  addPacket(id: number, frame: Uint8Array, timestamp: number, comment?: string): void {
    if (!Number.isInteger(id) || id < 0 || id >= this.#interfaces) throw new RangeError(`no interface ${id}`);
    this.#blocks.push(enhancedPacket(id, frame, timestamp, comment));
  }

  /** All that was added so far. */
  bytes(): Uint8Array {
    return concat(this.#blocks);
  }
}

function sectionHeader(): Uint8Array {
  const body = new Uint8Array(16);
  const data = new DataView(body.buffer);
  data.setUint32(0, 0x1a2b3c4d, true);
  data.setUint16(4, 1, true);
  // Section length -1: not said.
  data.setBigInt64(8, -1n, true);
  return block(SECTION_HEADER, [body, ...options([[Option.SHB_USERAPPL, text('netsim')]])]);
}

function interfaceDescription(device: CaptureInterface): Uint8Array {
  const body = new Uint8Array(8);
  new DataView(body.buffer).setUint16(0, LINKTYPE_ETHERNET, true);
  const list: [number, Uint8Array][] = [[Option.IF_NAME, text(device.name)]];
  if (device.description !== undefined) list.push([Option.IF_DESCRIPTION, text(device.description)]);
  list.push([Option.IF_TSRESOL, Uint8Array.of(MICROSECONDS)]);
  return block(INTERFACE_DESCRIPTION, [body, ...options(list)]);
}

function enhancedPacket(id: number, frame: Uint8Array, time: number, comment: string | undefined): Uint8Array {
  const timestamp = fits('pcapng', 'timestamp', Math.floor(time), 53);
  const body = new Uint8Array(20);
  const data = new DataView(body.buffer);
  data.setUint32(0, id, true);
  data.setUint32(4, Math.floor(timestamp / 2 ** 32), true);
  data.setUint32(8, timestamp % 2 ** 32, true);
  data.setUint32(12, frame.length, true);
  data.setUint32(16, frame.length, true);
  const list = comment === undefined ? [] : options([[Option.COMMENT, text(comment)]]);
  return block(ENHANCED_PACKET, [body, frame, padding(frame.length), ...list]);
}

/** A block says its own length before and after its body. */
function block(type: number, parts: readonly Uint8Array[]): Uint8Array {
  const length = 12 + parts.reduce((sum, part) => sum + part.length, 0);
  const head = new Uint8Array(8);
  new DataView(head.buffer).setUint32(0, type, true);
  new DataView(head.buffer).setUint32(4, length, true);
  return concat([head, ...parts, head.subarray(4)]);
}

function options(list: readonly [code: number, value: Uint8Array][]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (const [code, value] of list) {
    const head = new Uint8Array(4);
    new DataView(head.buffer).setUint16(0, code, true);
    new DataView(head.buffer).setUint16(2, fits('pcapng', 'option length', value.length, 16), true);
    parts.push(head, value, padding(value.length));
  }
  parts.push(new Uint8Array(4));
  return parts;
}

function padding(length: number): Uint8Array {
  return new Uint8Array(-length & 3);
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

import type { Node } from '@netsim/manifest';
import {
  addressAt,
  addressOffset,
  familyBits,
  familyOf,
  formatIp,
  type Prefix,
  prefixContains,
  tryParseIp,
  tryParsePrefix,
} from '@netsim/wire';

interface Range {
  readonly prefix: Prefix;
  /** Offsets in the prefix that are taken. */
  readonly used: Set<number>;
  /** Offsets from first to last may be given; first is the gateway's place plus one. */
  readonly first: number;
  readonly last: number;
  /** The offset given last: the search goes on from there, so that an address is not given again at once. */
  cursor: number;
}

/**
 * Pod addresses as the host-local CNI plugin gives them: one of each block of the node, counting up from the last one
 * given, round and round. The network address, the gateway (.1) and the broadcast address are never given.
 */
export class PodIpam {
  readonly #ranges = new Map<string, Range>();
  readonly #byNode = new WeakMap<Node, Range[]>();
  /** Where the addresses that were given here stand, to spare reading their text again. */
  readonly #given = new Map<string, { readonly range: Range; readonly offset: number }>();

  /** One address per block of the node, or the range that is full. */
  allocate(node: Node): { ips: string[] } | { full: string } {
    const ranges = this.#rangesOf(node);
    const offsets: number[] = [];
    for (const range of ranges) {
      const offset = findFree(range);
      if (offset === undefined) return { full: rangeText(range) };
      offsets.push(offset);
    }
    const ips = ranges.map((range, i) => {
      range.used.add(offsets[i]!);
      range.cursor = offsets[i]!;
      const text = formatIp(addressAt(range.prefix, offsets[i]!));
      this.#given.set(text, { range, offset: offsets[i]! });
      return text;
    });
    return { ips };
  }

  /** Marks an address that a pod on the node has. */
  reserve(node: Node, text: string): void {
    this.#locate(node, text, (range, offset) => range.used.add(offset));
  }

  release(node: Node, text: string): void {
    this.#locate(node, text, (range, offset) => range.used.delete(offset));
  }

  #locate(node: Node, text: string, act: (range: Range, offset: number) => void): void {
    const ranges = this.#rangesOf(node);
    const given = this.#given.get(text);
    if (given !== undefined && ranges.includes(given.range)) {
      act(given.range, given.offset);
      return;
    }
    const ip = tryParseIp(text);
    if (ip === undefined) return;
    for (const range of ranges) {
      if (prefixContains(range.prefix, ip)) act(range, Number(addressOffset(range.prefix, ip)));
    }
  }

  #rangesOf(node: Node): Range[] {
    let ranges = this.#byNode.get(node);
    if (ranges === undefined) {
      ranges = podBlocks(node).map((prefix) => this.#range(node.metadata.name, prefix));
      this.#byNode.set(node, ranges);
    }
    return ranges;
  }

  #range(node: string, prefix: Prefix): Range {
    const key = `${node} ${formatIp(prefix.address)}/${prefix.length}`;
    let range = this.#ranges.get(key);
    if (range === undefined) {
      const bits = familyBits(familyOf(prefix.address)) - prefix.length;
      const last = 2 ** Math.min(bits, 32) - 2;
      range = { prefix, used: new Set(), first: 2, last, cursor: 1 };
      this.#ranges.set(key, range);
    }
    return range;
  }
}

/** The pod CIDRs of a node that can be read. */
export function podBlocks(node: Node): Prefix[] {
  const texts = node.spec?.podCIDRs ?? (node.spec?.podCIDR === undefined ? [] : [node.spec.podCIDR]);
  return texts.map(tryParsePrefix).filter((prefix) => prefix !== undefined);
}

function findFree(range: Range): number | undefined {
  const size = range.last - range.first + 1;
  if (range.used.size >= size && everyUsed(range)) return undefined;
  for (let i = 1; i <= size; i++) {
    const offset = range.first + ((range.cursor - range.first + i + size) % size);
    if (!range.used.has(offset)) return offset;
  }
  return undefined;
}

/** Whether the taken offsets really fill the range (a given pod may hold .1). */
function everyUsed(range: Range): boolean {
  for (let offset = range.first; offset <= range.last; offset++) if (!range.used.has(offset)) return false;
  return true;
}

/** As host-local's error names a range. */
function rangeText({ prefix, last }: Range): string {
  return `${formatIp(addressAt(prefix, 1))}-${formatIp(addressAt(prefix, last))}`;
}

import type { NftDataType } from '@netsim/kernel';
import { NftElements } from '@netsim/kernel';
import { comparePorts } from '../service-map.ts';
import { VersionedMap } from '../versioned-map.ts';
import type { ProxyElement } from './elements.ts';

/**
 * The elements of one set or map, as services want them there. Where two services want the same key (the same external IP and
 * port), the first by name has it; kube-proxy leaves that to chance.
 */
export class ElementStore {
  readonly #map = new VersionedMap<ProxyElement>();
  /** Keys that more than one service wants, with all that they want, in the order of their names. */
  readonly #contested = new Map<string, ProxyElement[]>();
  readonly #type: readonly NftDataType[];
  #elements: NftElements;

  constructor(type: readonly NftDataType[]) {
    this.#type = type;
    this.#elements = NftElements.empty(type);
  }

  /** For the kernel; the same object while nothing changes. */
  get elements(): NftElements {
    return this.#elements;
  }

  /** By key text; the same object while nothing changes. */
  get current(): ReadonlyMap<string, ProxyElement> {
    return this.#map.current;
  }

  get version(): number {
    return this.#map.version;
  }

  /** Keys changed since a version; undefined where that is too long ago to know. */
  changedSince(version: number): readonly string[] | undefined {
    return this.#map.changedSince(version);
  }

  /** Forgets all, and begins with these. */
  reset(wanted: Iterable<ProxyElement>): void {
    this.#contested.clear();
    const all = new Map<string, ProxyElement>();
    for (const element of wanted) {
      const { keyText } = element;
      const old = all.get(keyText);
      if (old === undefined) all.set(keyText, element);
      else {
        const others = this.#contested.get(keyText);
        if (others === undefined) this.#contested.set(keyText, [old, element]);
        else others.push(element);
      }
    }
    for (const [keyText, others] of this.#contested) {
      others.sort(byPort);
      all.set(keyText, others[0]!);
    }
    this.#map.reset(all);
    this.#elements = NftElements.of(this.#type, all.values());
  }

  /** Some services want other elements than before. */
  change(unwanted: Iterable<ProxyElement>, wanted: Iterable<ProxyElement>): void {
    const before = this.#map.current;
    const changes = new Map<string, ProxyElement | null>();
    const get = (key: string) => (changes.has(key) ? (changes.get(key) ?? undefined) : before.get(key));
    for (const element of unwanted) {
      const { keyText } = element;
      const others = this.#contested.get(keyText);
      if (others === undefined) changes.set(keyText, null);
      else {
        others.splice(placeOf(others, element), 1);
        changes.set(keyText, others[0]!);
        if (others.length === 1) this.#contested.delete(keyText);
      }
    }
    for (const element of wanted) {
      const old = get(element.keyText);
      changes.set(element.keyText, old === undefined ? element : this.#contest(old, element));
    }
    for (const [key, element] of changes) {
      this.#elements = changed(this.#elements, before.get(key), element ?? undefined);
    }
    this.#map.apply(changes);
  }

  /** Adds to those who want a key; who has it. */
  #contest(old: ProxyElement, element: ProxyElement): ProxyElement {
    let wanted = this.#contested.get(element.keyText);
    if (wanted === undefined) {
      wanted = [old];
      this.#contested.set(element.keyText, wanted);
    }
    wanted.splice(placeOf(wanted, element), 0, element);
    return wanted[0]!;
  }
}

function byPort(a: ProxyElement, b: ProxyElement): number {
  return comparePorts(a.port, b.port);
}

/** Where an element stands, or belongs, among those of other services that want its key. */
function placeOf(sorted: readonly ProxyElement[], element: ProxyElement): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (byPort(sorted[middle]!, element) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Elements after one key has changed. */
export function changed(
  elements: NftElements,
  before: ProxyElement | undefined,
  after: ProxyElement | undefined,
): NftElements {
  if (after === before) return elements;
  return after === undefined ? elements.without(before!.key) : elements.with(after);
}

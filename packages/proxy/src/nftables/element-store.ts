import { comparePorts } from '../service-map.ts';
import type { ProxyElement } from './elements.ts';
import type { NftDataType } from './kernel-shim.ts';
import { NftElements } from './kernel-shim.ts';
import { OverlayMap } from './overlay.ts';

const NONE: readonly ProxyElement[] = [];

/**
 * The elements of one set or map, by the services that want them there. Where two services want the same key (the same
 * external IP and port), the first by name has it; kube-proxy leaves that to chance.
 */
export class ElementStore {
  readonly #map = new OverlayMap<ProxyElement>();
  readonly #byService = new Map<string, readonly ProxyElement[]>();
  /** Keys that more than one service wants, with all that they want. */
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

  /** Says anew what a number of services want; all others stay, unless this is to be all. */
  put(services: ReadonlyMap<string, readonly ProxyElement[]>, all: boolean): void {
    if (all) {
      this.#byService.clear();
      this.#contested.clear();
      this.#map.reset(new Map());
    }
    const before = this.#map.current;
    const changes = new Map<string, ProxyElement | null>();
    const get = (key: string) => (changes.has(key) ? (changes.get(key) ?? undefined) : before.get(key));
    if (!all) {
      for (const service of services.keys()) {
        for (const element of this.#byService.get(service) ?? NONE) this.#take(element, changes, get);
      }
    }
    for (const [service, elements] of services) {
      if (elements.length === 0) this.#byService.delete(service);
      else this.#byService.set(service, elements);
      for (const element of elements) this.#add(element, changes, get);
    }
    if (all) {
      this.#map.reset(changes as Map<string, ProxyElement>);
      this.#elements = NftElements.of(this.#type, this.#map.current.values());
      return;
    }
    for (const [key, element] of changes) this.#elements = changed(this.#elements, before.get(key), element);
    this.#map.apply(changes);
  }

  #add(
    element: ProxyElement,
    changes: Map<string, ProxyElement | null>,
    get: (key: string) => ProxyElement | undefined,
  ): void {
    const { keyText } = element;
    const old = get(keyText);
    if (old === undefined) {
      changes.set(keyText, element);
      return;
    }
    let wanted = this.#contested.get(keyText);
    if (wanted === undefined) {
      wanted = [old];
      this.#contested.set(keyText, wanted);
    }
    wanted.push(element);
    wanted.sort((a, b) => comparePorts(a.port, b.port));
    changes.set(keyText, wanted[0]!);
  }

  #take(
    element: ProxyElement,
    changes: Map<string, ProxyElement | null>,
    get: (key: string) => ProxyElement | undefined,
  ): void {
    const { keyText } = element;
    const wanted = this.#contested.get(keyText);
    if (wanted === undefined) {
      if (get(keyText) === element) changes.set(keyText, null);
      return;
    }
    wanted.splice(wanted.indexOf(element), 1);
    changes.set(keyText, wanted[0]!);
    if (wanted.length === 1) this.#contested.delete(keyText);
  }
}

/** Elements after one key has changed; null: it is gone. */
export function changed(
  elements: NftElements,
  before: ProxyElement | undefined,
  after: ProxyElement | null | undefined,
): NftElements {
  if ((after ?? undefined) === before) return elements;
  return after != null ? elements.with(after) : elements.without(before!.key);
}

import type { ProxyState } from '../proxy-state.ts';

const NONE: ReadonlySet<string> = new Set();

/** Which services have endpoints on which node: so that a node looks only at its own for hairpins. */
export class LocalServices {
  readonly #state: ProxyState;
  readonly #nodes = new Map<string, Set<string>>();
  readonly #services = new Map<string, ReadonlySet<string>>();
  #version = -1;

  constructor(state: ProxyState) {
    this.#state = state;
  }

  update(): void {
    const changes = this.#version < 0 ? undefined : this.#state.changesSince(this.#version);
    if (changes?.size === 0) return;
    this.#version = this.#state.version;
    if (changes === undefined) {
      this.#nodes.clear();
      this.#services.clear();
    }
    for (const service of changes ?? this.#state.services()) this.#put(service);
  }

  /** Services with endpoints on a node, in no order. */
  on(nodeName: string): ReadonlySet<string> {
    return this.#nodes.get(nodeName) ?? NONE;
  }

  #put(service: string): void {
    const now = new Set<string>();
    for (const { endpoints } of this.#state.ports(service)) {
      for (const { nodeName } of endpoints) if (nodeName !== undefined) now.add(nodeName);
    }
    for (const node of this.#services.get(service) ?? NONE) if (!now.has(node)) this.#nodes.get(node)?.delete(service);
    for (const node of now) {
      let services = this.#nodes.get(node);
      if (services === undefined) {
        services = new Set();
        this.#nodes.set(node, services);
      }
      services.add(service);
    }
    if (now.size === 0) this.#services.delete(service);
    else this.#services.set(service, now);
  }
}

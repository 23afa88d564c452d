import type { Chain, ChainGroup, ChainLinks } from '@netsim/kernel';
import { comparePorts } from '../service-map.ts';
import { isEndpointChain } from './names.ts';
import type { ChainOwners, PortRules } from './port-rules.ts';
import { MARK_MASQ_CHAIN } from './rule-parts.ts';

/** KUBE-FW to KUBE-EXT, KUBE-SVC or KUBE-SVL, and KUBE-SEP: four levels. */
const serviceLinks: ChainLinks = { jumps: [MARK_MASQ_CHAIN], kinds: ['DNAT'], levels: 4 };

/**
 * The chains of many service ports in the nat table, by name. Most are chains of endpoints, whose names are hashes: they are
 * reckoned where somebody comes by, not for all. A packet comes by way of the service, so that the name it asks for is known by
 * then; for a name out of the blue all are made.
 */
export class ServiceChains implements ChainGroup {
  readonly #services: ReadonlyMap<string, readonly PortRules[]>;
  readonly #stale: ReadonlyMap<string, Chain>;
  readonly #owners: ChainOwners;
  readonly size: number;
  #named = false;

  /** `services`: rules by service; `stale`: chains that no service uses any more, `size`: of all chains. */
  constructor(
    services: ReadonlyMap<string, readonly PortRules[]>,
    stale: ReadonlyMap<string, Chain>,
    owners: ChainOwners,
    size: number,
  ) {
    this.#services = services;
    this.#stale = stale;
    this.#owners = owners;
    this.size = size;
  }

  get links(): ChainLinks {
    return serviceLinks;
  }

  get(name: string): Chain | undefined {
    if (!this.#owners.has(name) && isEndpointChain(name)) this.#nameAll();
    const owner = this.#owners.get(name);
    if (owner === undefined) return undefined;
    for (const rules of this.#services.get(owner) ?? []) {
      const chain = rules.chain(name);
      if (chain !== undefined) return chain;
    }
    return this.#stale.get(name);
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** Every chain, in the order of the names of the service ports. */
  *values(): MapIterator<Chain> {
    const ports = [...this.#services.values()].flat().sort((a, b) => comparePorts(a.port, b.port));
    for (const { chains } of ports) yield* chains;
    yield* this.#stale.values();
  }

  *entries(): MapIterator<[string, Chain]> {
    for (const chain of this.values()) yield [chain.name, chain];
  }

  *keys(): MapIterator<string> {
    for (const { name } of this.values()) yield name;
  }

  [Symbol.iterator](): MapIterator<[string, Chain]> {
    return this.entries();
  }

  forEach(visit: (chain: Chain, name: string, map: ReadonlyMap<string, Chain>) => void): void {
    for (const chain of this.values()) visit(chain, chain.name, this);
  }

  #nameAll(): void {
    if (this.#named) return;
    this.#named = true;
    // To read a name is to make it, and to have it noted.
    for (const _ of this.keys());
  }
}
